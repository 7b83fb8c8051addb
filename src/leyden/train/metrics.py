"""Predicted against reference: root mean square and mean absolute error, squared correlation, slope."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Parity:
    """One property over a data set: flat arrays of equal length, and the frame each entry belongs to."""

    name: str
    unit: str
    reference: Array
    predicted: Array
    frame: NDArray[np.int64]

    @property
    def rmse(self) -> float:
        """Root mean square error, in the unit."""
        return float(np.sqrt(np.mean((self.predicted - self.reference) ** 2)))

    @property
    def mae(self) -> float:
        """Mean absolute error, in the unit."""
        return float(np.mean(np.abs(self.predicted - self.reference)))

    @property
    def r2(self) -> float:
        """Squared Pearson correlation: blind to scale, so read it beside the slope."""
        spread = np.std(self.reference) * np.std(self.predicted)
        if spread == 0.0:
            return float("nan")
        covariance = np.mean((self.reference - self.reference.mean()) * (self.predicted - self.predicted.mean()))
        return float((covariance / spread) ** 2)

    @property
    def slope(self) -> float:
        """Slope of predicted against reference by least squares with an intercept."""
        variance = np.var(self.reference)
        if variance == 0.0:
            return float("nan")
        return float(
            np.mean((self.reference - self.reference.mean()) * (self.predicted - self.predicted.mean())) / variance
        )


@dataclass(frozen=True)
class Solved:
    """Of F frames: iterations (F,), residual (F,) eV/e, curvature (F,) eV/e^2, radius (F,), NaN where there is none;
    failed: frames whose density was not found, which are left out of all errors; hardness (N,) of all their atoms,
    eV/e^2, None for a model that has none."""

    iterations: NDArray[np.int64]
    residual: Array
    curvature: Array
    radius: Array
    failed: list[int]
    hardness: Array | None = None


@dataclass(frozen=True)
class Molecules:
    """The M molecules of those frames that have several: frame (M,); charge (M,) e; expected (M,) e, of a fragment the
    charge that it is given, else the closest whole number; of (N,): the molecule of each atom of all frames, or -1.
    """

    frame: NDArray[np.int64]
    charge: Array
    expected: Array
    of: NDArray[np.int64]

    @property
    def transferred(self) -> Array:
        """|charge - expected|, (M,) e: what has moved from one molecule to another."""
        return np.abs(self.charge - self.expected)


@dataclass(frozen=True)
class Evaluation:
    """A potential on a data set of F frames with N atoms in all.

    parities for every labelled property; config_type (F,); energy_short and energy_long (F,) eV; atoms (F,) sizes;
    numbers (N,) and charges (N,) latent charges in e, None for a model without charges; total_charge (F,) e;
    seconds: wall time of the evaluation; solved: how densities were found, None for a model that solves nothing;
    molecules: their charges, None for a model without charges and for frames of one molecule each.
    """

    parities: dict[str, Parity]
    config_type: list[str]
    energy_short: Array
    energy_long: Array
    atoms: NDArray[np.int64]
    numbers: NDArray[np.int64]
    charges: Array | None
    total_charge: Array
    seconds: float
    notes: list[str] = field(default_factory=list)
    solved: "Solved | None" = None
    molecules: "Molecules | None" = None

    def table(self) -> list[tuple[str, str, float, float, float, float]]:
        """Rows (name, unit, RMSE, MAE, R2, slope)."""
        return [(p.name, p.unit, p.rmse, p.mae, p.r2, p.slope) for p in self.parities.values()]
