"""How the densities were found: one row of numbers, and how many structures took how many iterations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leyden.report.content import Array
from leyden.train.metrics import Solved

BARS = 40
"""Of a histogram, at most; each spans the same whole number of iterations."""


@dataclass(frozen=True)
class SolverRow:
    """The solver over all structures, those included whose density was not found; NaN where there is no such number.

    largest_residual: violation of an equation of the density, in residual_unit: eV/e, of a fixed point e;
    smallest_curvature of the energy in the density, eV/e^2; largest_radius: spectral radius of a fixed-point map;
    left_out: structures whose density was not found, by number, which are in no error.
    """

    structures: int
    mean_iterations: float
    most_iterations: int
    largest_residual: float
    residual_unit: str
    smallest_curvature: float
    largest_radius: float
    left_out: list[int]


@dataclass(frozen=True)
class Histogram:
    """Structures by iterations: middle (B,) of each bar, its width, and how many were found (B,) or left out (B,)."""

    middle: Array
    width: int
    found: NDArray[np.int64]
    left_out: NDArray[np.int64]


def solver_row(solved: Solved) -> SolverRow:
    """The numbers of the solver."""
    return SolverRow(
        structures=len(solved.iterations),
        mean_iterations=float(solved.iterations.mean()),
        most_iterations=int(solved.iterations.max()),
        largest_residual=_largest(solved.residual),
        residual_unit="eV/e" if np.isnan(solved.radius).all() else "e",
        smallest_curvature=-_largest(-solved.curvature),
        largest_radius=_largest(solved.radius),
        left_out=solved.failed,
    )


def histogram(solved: Solved) -> Histogram:
    """Bars from the fewest iterations to the most."""
    low, high = int(solved.iterations.min()), int(solved.iterations.max())
    width = (high - low) // BARS + 1
    edges = np.arange(low, high + width + 1, width) - 0.5
    bad = np.zeros(len(solved.iterations), dtype=bool)
    bad[solved.failed] = True
    found, left_out = (np.histogram(solved.iterations[keep], edges)[0] for keep in (~bad, bad))
    return Histogram(0.5 * (edges[1:] + edges[:-1]), width, found, left_out)


def _largest(values: Array) -> float:
    """Largest number; NaN where there is none."""
    values = values[~np.isnan(values)]
    return float(values.max()) if len(values) else float("nan")
