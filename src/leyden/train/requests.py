"""What a config asks of its data and its model: an InputError that says why, and what to do, where that cannot be."""

from collections.abc import Sequence

from leyden.charges.model import ChargeModel, cyclic, solved
from leyden.checks import InputError, require
from leyden.potential import Potential
from leyden.properties.dielectric import FIELDLESS
from leyden.train.batch import Frame
from leyden.train.compared import COMPARED
from leyden.train.config import Config
from leyden.train.electric import defined

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


def doubts(config: Config, frames: Sequence[Frame]) -> list[str]:
    """What is possible, and said to be doubtful."""
    spins = any(bool(frame.system.spin.max() > 1) for frame in frames)
    return [
        *[DISCOURAGED] * ("charges" in config.loss.wanted()),
        *[UNSEEN] * (not config.model.conditioned and spins),
    ]


def check_frames(frames: Sequence[Frame], wanted: Sequence[str]) -> None:
    """Raise InputError for labels that cannot mean what the user hopes, and for frames that would teach nothing."""
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


def check_model(config: Config, potential: Potential, frames: Sequence[Frame]) -> None:
    """Raise InputError where the model has not what the config wants to train."""
    charges, wanted = potential.charges, config.loss.wanted()
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
