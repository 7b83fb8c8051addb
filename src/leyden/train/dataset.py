"""From a config to frames: read, split, checked against the loss, with neighbor lists and reference energies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from leyden.baseline import Baseline
from leyden.checks import require
from leyden.spec import PotentialSpec
from leyden.train.config import Config
from leyden.train.data import Frame, FrameSet, collate, random_split, read_frames, with_pairs
from leyden.train.requests import check_frames, doubts
from leyden.train.sampler import EpochShuffle

FEWEST_NEIGHBORS = 20.0
"""Least mean number of neighbors to normalise with. In small clusters the sums over neighbors vary more than their mean
tells, and products of them would start training with forces of hundreds of eV/Å."""


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
    for part in (train, validation):
        check_frames(part, wanted)
    cutoff = config.model.backbone.reach()
    return TrainingData(
        with_pairs(train, cutoff),
        with_pairs(validation, cutoff),
        list(dict.fromkeys(note for file in files for note in file.notes)),
        [*dict.fromkeys(warning for file in files for warning in file.warnings), *doubts(config, train)],
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


def _cast(frame: Frame, dtype: torch.dtype) -> Frame:
    assert frame.pairs is not None
    return replace(
        frame,
        system=frame.system.to(dtype=dtype),
        pairs=frame.pairs.to(dtype=dtype),
        labels=frame.labels.to(dtype=dtype),
    )
