"""From a config to frames: read, split, checked against the loss, with neighbor lists and reference energies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from leyden.baseline import Baseline
from leyden.charges.model import ChargeModel, cyclic, solved
from leyden.checks import InputError, require
from leyden.potential import Potential
from leyden.properties.dielectric import FIELDLESS
from leyden.spec import PotentialSpec
from leyden.train.compared import COMPARED
from leyden.train.config import Config
from leyden.train.data import Frame, FrameSet, collate, random_split, read_frames, with_pairs
from leyden.train.electric import defined
from leyden.train.sampler import EpochShuffle

FEWEST_NEIGHBORS = 20.0
"""Least mean number of neighbors to normalise with. In small clusters the sums over neighbors vary more than their mean
tells, and products of them would start training with forces of hundreds of eV/Å."""

REASON = {
    "dipole": "whose dipole depends on the images of its atoms",
    "born_effective_charges": "round whose cell charge can flow",
    "polarizability": "along whose periodic axes a uniform field is no potential",
}
"""Why periodic structures have no such property in every model."""

DISCOURAGED = (
    "loss.charges: discouraged, as schemes divide one density into charges of atoms in different ways, none of which is"
    " observable; prefer loss.dipole, loss.electrostatic_potential or loss.born_effective_charges."
)
"""What is said to who trains on charges; docs/training.md says more."""
UNSEEN = (
    "model.conditioned: false, so that features do not know total_spin, which is not 1 in all frames; set it to true"
    " where equal atoms and charges have several spins that the charge model does not tell apart."
)
"""What is said where features do not know the spins of the data."""


@dataclass(frozen=True)
class TrainingData:
    """Frames of a run with their pairs, in float64; what reading them said; hashes of the files."""

    train: list[Frame]
    validation: list[Frame]
    notes: list[str]
    warnings: list[str]
    hashes: dict[str, str]


def load_data(config: Config) -> TrainingData:
    """Read the files of a config. Raises InputError for missing labels and impossible requests."""
    wanted = config.loss.wanted()
    files = [_read(config.data.train, config, wanted)]
    if config.data.validation is not None:
        files.append(_read(config.data.validation, config, wanted))
        train, validation = files[0].frames, files[1].frames
    else:
        train, validation = random_split(files[0].frames, config.data.validation_fraction, config.seed)
    _check(train, wanted)
    _check(validation, wanted)
    cutoff = config.model.backbone.reach()
    return TrainingData(
        with_pairs(train, cutoff),
        with_pairs(validation, cutoff),
        list(dict.fromkeys(note for file in files for note in file.notes)),
        [
            *dict.fromkeys(warning for file in files for warning in file.warnings),
            *[DISCOURAGED] * ("charges" in wanted),
            *[UNSEEN] * (not config.model.conditioned and any(bool(frame.system.spin.max() > 1) for frame in train)),
        ],
        {str(file.path): file.sha256 for file in files},
    )


def potential_spec(config: Config, frames: Sequence[Frame]) -> PotentialSpec:
    """The model of the config, completed by what the training frames determine."""
    systems = [frame.system for frame in frames]
    energies = [float(frame.labels.energy) for frame in frames if frame.labels.energy is not None]
    pairs = sum(len(frame.pairs.centers) for frame in frames if frame.pairs is not None)
    atoms = sum(len(system.positions) for system in systems)
    baseline = Baseline.fit(systems, energies) if len(energies) == len(systems) else Baseline({})
    return PotentialSpec(
        **config.model.model_dump(),
        elements=tuple(sorted({z for system in systems for z in system.numbers.tolist()})),
        average_neighbors=max(FEWEST_NEIGHBORS, pairs / atoms),
        baseline=baseline.energies,
        charging=baseline.charging,
    )


def check_model(config: Config, potential: Potential, data: TrainingData) -> None:
    """Raise InputError where the model has not what the config wants to train."""
    charges, wanted, frames = potential.charges, config.loss.wanted(), [*data.train, *data.validation]
    for name in [each.name for each in COMPARED if each.charged]:
        require(
            name not in wanted or charges is not None,
            f"loss.{name}: expected a model with charges, got a short-range one; set it to 0, or model.charges.",
        )
    if config.loss.stability > 0.0:
        cyclic(charges)
    if config.optimizer.direct_epochs > 0:
        solved(charges)
    if charges is not None and "density_coefficients" in wanted:
        _check_width(frames, charges.basis.dim)
    if "polarizability" in wanted:
        _check_polarizable(charges, config.optimizer.direct_epochs)
    for name in [name for name in REASON if name in wanted]:
        _check_defined(name, frames, charges)


def loaders(data: TrainingData, config: Config, rank: int, world: int) -> tuple[DataLoader[Frame], DataLoader[Frame]]:
    """Training batches in an order fixed by seed and epoch, and validation batches, for one of several processes."""
    dtype = getattr(torch, config.hardware.dtype)
    train, validation = ([_cast(frame, dtype) for frame in part] for part in (data.train, data.validation))
    require(
        len(validation) >= world,
        f"hardware.devices: expected a validation frame for each process, got {len(validation)} for {world}; hold out"
        " more, or use fewer devices.",
    )
    size = config.optimizer.batch_size
    order = EpochShuffle(len(train), config.seed, rank, world)
    return (
        DataLoader(train, size, sampler=order, collate_fn=collate),  # type: ignore[arg-type]
        DataLoader(validation[rank::world], 2 * size, collate_fn=collate),  # type: ignore[arg-type]
    )


def steps_per_epoch(frames: int, batch_size: int, world: int) -> int:
    """Optimizer steps of one epoch."""
    return math.ceil(math.ceil(frames / world) / batch_size)


def _read(path: Path, config: Config, wanted: Sequence[str]) -> FrameSet:
    return read_frames(path, keys=config.data.keys, partial=wanted, required=(), pbc=config.data.pbc)


def _check(frames: Sequence[Frame], wanted: Sequence[str]) -> None:
    """Requests that cannot mean what the user hopes, and frames that would teach nothing."""
    present = [frame.labels.present().keys() for frame in frames]
    for name in wanted:
        require(
            any(name in labels for labels in present),
            f"loss.{name}: expected {name} in training and validation frames, got none in one of the two; give"
            " data.validation, or another seed.",
        )
    for frame, labels in zip(frames, present, strict=True):
        require(
            any(name in labels for name in wanted),
            f"{frame.origin}: expected at least one of {', '.join(wanted)}, got none of them; remove the frame.",
        )
    if "quadrupole" in wanted and any(frame.system.pbc.any().item() for frame in _with("quadrupole", frames)):
        raise InputError(
            "loss.quadrupole: expected open structures, got periodic ones, whose quadrupole depends on the choice of"
            " the cell; set loss.quadrupole=0, or remove the label there."
        )
    if "stress" in wanted and not all(frame.system.pbc.all().item() for frame in _with("stress", frames)):
        raise InputError(
            "loss.stress: expected structures that are periodic along three axes, got others; set loss.stress=0, or"
            " remove the label there."
        )


def _check_width(frames: Sequence[Frame], dim: int) -> None:
    for frame in frames:
        label = frame.labels.density_coefficients
        width = dim if label is None else label.shape[1]
        require(
            width == dim,
            f"{frame.origin}: density_coefficients: expected {dim} an atom, as the density of the model has, got"
            f" {width}; fit them in the basis of the model, or set loss.density_coefficients=0 and loss.density=0.",
        )


def _check_defined(name: str, frames: Sequence[Frame], charges: ChargeModel | None) -> None:
    presets = "'split' or 'sqe'" if name != "born_effective_charges" else "'les', 'split' or 'sqe'"
    for frame in _with(name, frames):
        require(
            bool(defined(name, charges, frame.system).all()),
            f"{frame.origin}: loss.{name}: expected open structures with {type(charges).__name__}, got a periodic one,"
            f" {REASON[name]}; take the preset {presets}, or remove the label there.",
        )


def _check_polarizable(charges: ChargeModel | None, direct_epochs: int) -> None:
    require(
        not isinstance(charges, FIELDLESS),
        f"loss.polarizability: expected a model whose charges feel a field, got {type(charges).__name__}, whose"
        " polarizability is exactly zero; set it to 0, or take the preset 'polarizable' or 'sqe-multipole'.",
    )
    require(
        direct_epochs == 0,
        f"loss.polarizability: expected optimizer.direct_epochs=0, got {direct_epochs}, in which the density feels no"
        " field; set one of the two to 0.",
    )


def _with(name: str, frames: Sequence[Frame]) -> list[Frame]:
    """The frames that have a label."""
    return [frame for frame in frames if name in frame.labels.present()]


def _cast(frame: Frame, dtype: torch.dtype) -> Frame:
    assert frame.pairs is not None
    return replace(
        frame,
        system=frame.system.to(dtype=dtype),
        pairs=frame.pairs.to(dtype=dtype),
        labels=frame.labels.to(dtype=dtype),
    )
