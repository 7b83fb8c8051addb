"""Gaussian density basis: rho(r) = sum_i sum_a p_ia phi_a(r - r_i), each phi_a of unit multipole moment.

phi_00 = exp(-r^2 / 2 sigma^2) / (2 pi sigma^2)^(3/2), and phi_1m = -d/dr_m phi_00 in the order (x, y, z), so that p_i0
is a charge (e) and p_i1..3 a dipole (e Å). sigma is the standard deviation of the density.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.checks import require


@dataclass(frozen=True)
class GaussianBasis:
    """One shell for each atom. width: sigma in Å, one or one for each atomic number; lmax: 0 charges, 1 dipoles."""

    width: float | dict[int, float] = 0.7071067811865476
    lmax: int = 0

    def __post_init__(self) -> None:
        require(self.lmax in (0, 1), f"GaussianBasis: expected lmax 0 (charges) or 1 (and dipoles), got {self.lmax}.")
        widths = list(self.width.values()) if isinstance(self.width, dict) else [self.width]
        fits = len(widths) > 0 and all(0.0 < w < math.inf for w in widths)
        require(fits, f"GaussianBasis: expected positive widths in Å, got {self.width}.")

    @property
    def dim(self) -> int:
        """Coefficients for each atom: 1 for charges, 4 with dipoles."""
        return (self.lmax + 1) ** 2

    def widths(self, numbers: Tensor, dtype: torch.dtype) -> Tensor:
        """sigma of each atom, (N,) Å. Raises InputError for an element without a width."""
        if not isinstance(self.width, dict):
            return torch.full(numbers.shape, self.width, dtype=dtype, device=numbers.device)
        table = torch.full((119,), torch.nan, dtype=dtype, device=numbers.device)
        for number, width in self.width.items():
            table[number] = width
        widths = table[numbers]
        missing = sorted(set(numbers[widths.isnan()].tolist()))
        require(
            not missing,
            f"GaussianBasis: expected a width for every element, got none for Z = {missing}; add it to width.",
        )
        return widths
