"""Reference energies: E_0 = sum_i e(Z_i), fitted to the training energies by least squares; kept in float64.

Total energies of thousands of eV do not fit float32: the network learns what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leyden import segment
from leyden.system import System


@dataclass(frozen=True)
class Baseline:
    """energies: eV for each atomic number; elements that are not listed count as zero."""

    energies: dict[int, float]

    def __call__(self, system: System) -> Tensor:
        """Reference energy of each structure, (S,) eV in float64."""
        table = torch.zeros(119, dtype=torch.float64)
        for number, energy in self.energies.items():
            table[number] = energy
        return segment.total(table.to(system.numbers.device)[system.numbers], system.index, system.count)

    @staticmethod
    def fit(systems: Sequence[System], energies: Sequence[float]) -> "Baseline":
        """Least squares of smallest norm over structures with energies in eV."""
        elements = sorted({z for s in systems for z in s.numbers.tolist()})
        counts = np.array([[(s.numbers == z).sum().item() for z in elements] for s in systems], dtype=float)
        solution, *_ = np.linalg.lstsq(counts, np.asarray(energies, dtype=float), rcond=1e-10)
        return Baseline(dict(zip(elements, solution.tolist(), strict=True)))
