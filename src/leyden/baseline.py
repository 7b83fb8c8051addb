"""Reference energies: E_0 = sum_i e(Z_i) + chi Q, fitted to the training energies by least squares; kept in float64.

Total energies of thousands of eV do not fit float32: the network learns what is left. chi is what a unit of total
charge costs, some 10 eV: a network that had to learn it would give each atom a share, and charging a larger cell would
cost more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leyden import segment
from leyden.system import System

RANK = 1e-10
"""Singular values below this part of the largest are zero."""
LEAST_CHARGE = 1e-3
"""e, of a total charge less what the composition tells."""


@dataclass(frozen=True)
class Baseline:
    """energies: eV for each atomic number; elements that are not listed count as zero. charging: chi, eV/e."""

    energies: dict[int, float]
    charging: float = 0.0

    def __call__(self, system: System) -> Tensor:
        """Reference energy of each structure, (S,) eV in float64."""
        table = torch.zeros(119, dtype=torch.float64)
        for number, energy in self.energies.items():
            table[number] = energy
        atoms = segment.total(table.to(system.numbers.device)[system.numbers], system.index, system.count)
        return atoms + self.charging * system.charge.double()

    @staticmethod
    def fit(systems: Sequence[System], energies: Sequence[float]) -> "Baseline":
        """Least squares of smallest norm over structures with energies in eV; chi is zero where compositions tell the
        charges, so that nothing tells it."""
        elements, counts, charges = _composition(systems)
        wanted = np.asarray(energies, dtype=float)
        charging = _charging(counts, charges, wanted)
        solution, *_ = np.linalg.lstsq(counts, wanted - charging * charges, rcond=RANK)
        return Baseline(dict(zip(elements, solution.tolist(), strict=True)), charging)


def energy_of_charging(systems: Sequence[System], energies: Sequence[float]) -> float:
    """chi, eV/e: least squares of energies (eV) beside energies of elements that are left out; zero where compositions
    tell the charges."""
    _, counts, charges = _composition(systems)
    return _charging(counts, charges, np.asarray(energies, dtype=float))


def _charging(counts: NDArray[np.float64], charges: NDArray[np.float64], energies: NDArray[np.float64]) -> float:
    told, *_ = np.linalg.lstsq(counts, charges, rcond=RANK)
    untold = charges - counts @ told
    return float(untold @ energies / (untold @ untold)) if np.abs(untold).max() > LEAST_CHARGE else 0.0


def _composition(systems: Sequence[System]) -> tuple[list[int], NDArray[np.float64], NDArray[np.float64]]:
    """The elements, atoms of each in each structure (S, elements), and total charges (S,) e."""
    elements = sorted({z for s in systems for z in s.numbers.tolist()})
    counts = np.array([[(s.numbers == z).sum().item() for z in elements] for s in systems], dtype=float)
    return elements, counts, np.array([s.charge.item() for s in systems])
