"""Two trends: how the validation loss ended, and which charge product the tail of a far-range curve has."""

from dataclasses import dataclass

import numpy as np

from leyden.report.content import Array, FarRange, LearningCurve
from leyden.units import COULOMB

TAIL_POINTS = 3
LOSS_POINTS = 5
FALLING = 0.02


@dataclass(frozen=True)
class Tail:
    """Outer half of a far-range curve fitted by a + k_e c / r: c in e^2, exact is the product of the charges.

    rmse: eV, against the reference over all separations; NaN without one.
    """

    curve: str
    charge_product: float
    rmse: float


@dataclass(frozen=True)
class Convergence:
    """Validation loss: best epoch, last epoch, relative fall of the best value over the last fifth, last over best."""

    best_epoch: int
    last_epoch: int
    late_fall: float
    last_over_best: float

    @property
    def falling(self) -> bool:
        """Whether the best loss still fell by more than 2% over the last fifth of training."""
        return self.late_fall > FALLING


def convergence(curve: LearningCurve) -> Convergence | None:
    """How the validation loss ended; None without at least five finite values."""
    loss = np.array(curve.columns.get("val_loss", []), dtype=float)
    epoch = np.array(curve.epoch)[: len(loss)][np.isfinite(loss)]
    loss = loss[np.isfinite(loss)]
    if len(loss) < LOSS_POINTS:
        return None
    late = max(1, len(loss) // 5)
    before, best = loss[:-late].min(), loss.min()
    scale = max(abs(float(before)), np.finfo(float).tiny)
    return Convergence(
        int(epoch[loss.argmin()]), int(epoch[-1]), float((before - best) / scale),
        float(loss[-1] / best) if best != 0 else float("nan"),
    )  # fmt: skip


def tail(probe: FarRange, energy: Array) -> float:
    """Least-squares charge product of the outer half of a curve, e^2; NaN with fewer than three finite points there."""
    r, e = probe.separation, probe.relative(energy)
    keep = np.isfinite(e) & (r >= np.median(r))
    if keep.sum() < TAIL_POINTS:
        return float("nan")
    design = np.stack([np.ones(int(keep.sum())), COULOMB / r[keep]], axis=1)
    return float(np.linalg.lstsq(design, e[keep], rcond=None)[0][1])


def _rmse(probe: FarRange, energy: Array) -> float:
    if probe.reference is None or energy is probe.reference:
        return float("nan")
    error = probe.relative(energy) - probe.relative(probe.reference)
    error = error[np.isfinite(error)]
    return float(np.sqrt(np.mean(error**2))) if len(error) else float("nan")


def tails(probe: FarRange) -> list[Tail]:
    """Tails of the reference (first, where there is one) and of every model."""
    curves = ({} if probe.reference is None else {"reference": probe.reference}) | probe.curves
    return [Tail(name, tail(probe, energy), _rmse(probe, energy)) for name, energy in curves.items()]
