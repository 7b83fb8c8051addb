"""How the densities were found: numbers over all structures and for each total charge, iterations, hardnesses."""

from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from leyden.report.content import Array
from leyden.train.metrics import Evaluation, Solved

BARS = 40
"""Of a histogram, at most; each spans the same whole number of iterations."""
DECIMALS = 6
"""Total charges that agree to these are the same."""


@dataclass(frozen=True)
class SolverRow:
    """The solver over some structures, those included whose density was not found; NaN where there is no such number.

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
class ChargeState:
    """The solver over the structures of one total charge, e."""

    total_charge: float
    solver: SolverRow


@dataclass(frozen=True)
class HardnessRow:
    """Smallest and largest hardness of the atoms of one element, eV/e^2, where the density was found."""

    element: str
    atoms: int
    smallest: float
    largest: float


@dataclass(frozen=True)
class Histogram:
    """Structures by iterations: middle (B,) of each bar, its width, and how many were found (B,) or left out (B,)."""

    middle: Array
    width: int
    found: NDArray[np.int64]
    left_out: NDArray[np.int64]


def solver_row(solved: Solved, chosen: NDArray[np.bool_] | None = None) -> SolverRow:
    """The numbers of the solver over the chosen structures (F,), or over all."""
    chosen = np.ones(len(solved.iterations), dtype=bool) if chosen is None else chosen
    return SolverRow(
        structures=int(chosen.sum()),
        mean_iterations=float(solved.iterations[chosen].mean()),
        most_iterations=int(solved.iterations[chosen].max()),
        largest_residual=_largest(solved.residual[chosen]),
        residual_unit="eV/e" if np.isnan(solved.radius).all() else "e",
        smallest_curvature=-_largest(-solved.curvature[chosen]),
        largest_radius=_largest(solved.radius[chosen]),
        left_out=[number for number in solved.failed if chosen[number]],
    )


def charge_states(evaluation: Evaluation) -> list[ChargeState]:
    """The numbers of the solver for each total charge, ascending; empty where nothing is solved."""
    if evaluation.solved is None:
        return []
    charge = np.round(evaluation.total_charge, DECIMALS) + 0.0  # no -0.0
    return [ChargeState(float(q), solver_row(evaluation.solved, charge == q)) for q in np.unique(charge)]


def hardness_rows(evaluation: Evaluation) -> list[HardnessRow]:
    """Hardnesses by element, in order of atomic number; empty for a model without."""
    if evaluation.solved is None or evaluation.solved.hardness is None:
        return []
    hardness, failed = evaluation.solved.hardness, evaluation.solved.failed
    found = ~np.isin(np.repeat(np.arange(len(evaluation.atoms)), evaluation.atoms), failed)
    rows = []
    for z in np.unique(evaluation.numbers[found]):
        here = hardness[found & (evaluation.numbers == z)]
        rows.append(HardnessRow(chemical_symbols[z], len(here), float(here.min()), float(here.max())))
    return rows


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
