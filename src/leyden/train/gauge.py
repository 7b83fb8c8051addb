"""The scale s of latent charges (charges/local.py) from labels that know it: Born charges, or dipoles of molecules.

Both are linear in s, y(s) = y_0 + s y_1, as total and formal charges do not take part: with labels y,

    s = sum y_1.(y - y_0) / sum y_1.y_1,

and its standard error by leaving out one structure at a time (jackknife: Efron & Stein, Ann. Stat. 9, 586). s^2 is the
permittivity eps_inf of electrons that the charges leave out: 1.8 in water, 1 between molecules in a gas.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.charges import Local, Split
from leyden.checks import require
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.train.batch import Frame, collate

LABELS = {"born_effective_charges": "Born charges", "dipole": "dipoles"}
"""Labels that know the scale, the better first, and what they are called."""


@dataclass(frozen=True)
class Scale:
    """s and its standard error (NaN of one structure); the label and the number of structures it is from; rmse before
    and after, in e or e Å."""

    value: float
    error: float
    label: str
    structures: int
    before: float
    after: float

    @property
    def permittivity(self) -> float:
        """eps_inf = s^2."""
        return self.value**2

    def __str__(self) -> str:
        return f"estimated from {LABELS[self.label]} of {self.structures} structures"


def scalable(potential: Potential) -> Local | Split:
    """The charge model, if it has a scale. Raises InputError."""
    charges = potential.charges
    require(
        isinstance(charges, Local | Split),
        "scale: expected a model with latent charges, preset 'les' or 'split', got"
        f" {'a short-range one' if charges is None else type(charges).__name__}, which has no scale to estimate.",
    )
    assert isinstance(charges, Local | Split)
    return charges


def estimate_scale(potential: Potential, frames: Sequence[Frame], label: str | None = None) -> Scale:
    """s from the structures that have a label: Born charges where there are any, else dipoles of open structures.

    Raises InputError for a model without a scale, no such labels, and charges whose sign is not that of the labels.
    """
    model = scalable(potential)
    usable = {name: [f for f in frames if _has(f, name)] for name in LABELS}
    chosen = label or next((name for name in LABELS if usable[name]), next(iter(LABELS)))
    require(chosen in LABELS, f"scale: expected one of {', '.join(LABELS)}, got {chosen!r}.")
    require(
        len(usable[chosen]) > 0,
        f"scale: expected structures with {' or, if open, '.join(LABELS) if label is None else chosen}, got none; add"
        " labels to a handful.",
    )
    sums = torch.tensor([_sums(potential, model, frame, chosen) for frame in usable[chosen]], dtype=torch.float64)
    along, square, left, now, count = sums.T
    value = (along.sum() / square.sum()).item()
    require(
        value > 0.0,
        f"scale: expected charges with the sign of the labelled {LABELS[chosen]}, got the opposite ({value:.3g}); check"
        " rows and columns of the labels, or train with some of them.",
    )
    after = (left - 2.0 * value * along + value**2 * square).sum().clamp(min=0.0) / count.sum()
    return Scale(
        value, _jackknife(along, square), chosen, len(sums), math.sqrt(now.sum() / count.sum()), math.sqrt(after)
    )


def _has(frame: Frame, name: str) -> bool:
    value = frame.labels.present().get(name)
    return value is not None and bool(value.isfinite().all()) and (name != "dipole" or not bool(frame.system.pbc.any()))


def _sums(potential: Potential, model: Local | Split, frame: Frame, name: str) -> Iterable[float]:
    """y_1.(y - y_0), y_1.y_1, |y - y_0|^2, the squared error as the model is, and the number of entries."""
    y, here = frame.labels.present()[name].double(), model.scale
    with _scaled(model, 2.0 * here):
        twice = _predicted(potential, frame, name)
    now = _predicted(potential, frame, name)
    slope, left = (twice - now) / here, y - (2.0 * now - twice)
    return [
        (slope * left).sum().item(), slope.square().sum().item(), left.square().sum().item(),
        (now - y).square().sum().item(), float(y.numel()),
    ]  # fmt: skip


def _predicted(potential: Potential, frame: Frame, name: str) -> Tensor:
    batch = collate([frame]).to(dtype=next(potential.parameters()).dtype)
    if name == "born_effective_charges":
        return born_charges(potential, batch.system, pairs=batch.pairs).detach().double()
    dipole = potential(batch.system, batch.pairs).dipole
    assert dipole is not None
    return dipole.detach().double()


@contextmanager
def _scaled(model: Local | Split, scale: float) -> Iterator[None]:
    before, model.scale = model.scale, scale
    try:
        yield
    finally:
        model.scale = before


def _jackknife(along: Tensor, square: Tensor) -> float:
    n = len(along)
    if n < 2:
        return math.nan
    without = (along.sum() - along) / (square.sum() - square)
    return math.sqrt((n - 1) / n * (without - without.mean()).square().sum().item())
