"""Gaussian density basis: rho(r) = sum_i sum_a p_ia phi_a(r - r_i), each phi_a of unit multipole moment.

a = (shell, l, m): a shell is one width of an element, with all multipoles up to lmax. phi_00 is a normalised Gaussian
of standard deviation sigma, phi_lm a solid harmonic derivative of it (harmonics.py): p_i0 is a charge (e), p_i1..3 a
dipole (e Å) in the order x, y, z, p_i4..8 a quadrupole (e Å^2) in the order xz, xy, yy, yz, zz - xx.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.checks import require

LARGEST_LMAX = 2
DEFAULT_WIDTH = 1.0
"""Å; benchmarks/widths.py compares it with others."""
Width = float | Sequence[float]


@dataclass(frozen=True)
class GaussianBasis:
    """Shells on every atom.

    width: sigma in Å; one number, several (one a shell), or either for each atomic number; 0 means point multipoles,
    whose infinite energy with themselves is left out. lmax: 0 charges, 1 and dipoles, 2 and quadrupoles.
    Raises InputError for negative widths, numbers of shells that differ between elements, and two shells of width 0.
    """

    width: Width | Mapping[int, Width] = DEFAULT_WIDTH
    lmax: int = 0

    def __post_init__(self) -> None:
        fits = self.lmax in range(LARGEST_LMAX + 1)
        require(fits, f"GaussianBasis: expected lmax 0 (charges), 1 (dipoles) or 2 (quadrupoles), got {self.lmax}.")
        rows = self._rows
        fits = len(rows) > 0 and all(len(row) > 0 and all(0.0 <= w < math.inf for w in row) for row in rows)
        require(fits, f"GaussianBasis: expected widths in Å, positive or 0 for point multipoles, got {self.width}.")
        fits = all(len(row) == len(rows[0]) for row in rows)
        require(fits, f"GaussianBasis: expected as many widths for one element as for another, got {self.width}.")
        fits = all(row.count(0.0) < 2 for row in rows)
        require(fits, f"GaussianBasis: expected at most one shell of width 0 on an atom, got {self.width}.")

    @property
    def shells(self) -> int:
        """Number of widths on each atom."""
        return len(self._rows[0])

    @property
    def narrowest(self) -> float:
        """Smallest width of all, Å."""
        return min(min(row) for row in self._rows)

    @property
    def widest(self) -> float:
        """Largest width of all, Å."""
        return max(max(row) for row in self._rows)

    @property
    def multipoles(self) -> int:
        """Coefficients of a shell: 1, 4 or 9."""
        return (self.lmax + 1) ** 2

    @property
    def dim(self) -> int:
        """Coefficients of an atom."""
        return self.shells * self.multipoles

    def widths(self, numbers: Tensor, dtype: torch.dtype) -> Tensor:
        """sigma of each shell, (N, shells) Å. Raises InputError for an element without a width."""
        if not isinstance(self.width, Mapping):
            return torch.tensor(self._rows[0], dtype=dtype, device=numbers.device).repeat(len(numbers), 1)
        table = torch.full((119, self.shells), torch.nan, dtype=dtype)
        for number, row in zip(self.width, self._rows, strict=True):
            table[number] = torch.tensor(row, dtype=dtype)
        widths = table.to(numbers.device)[numbers]
        missing = sorted(set(numbers[widths.isnan().any(1)].tolist()))
        require(
            not missing,
            f"GaussianBasis: expected a width for every element, got none for Z = {missing}; add it to width.",
        )
        return widths

    def atomic(self, density: Tensor) -> Tensor:
        """Multipole moments of each atom, its shells added: (N, dim) -> (N, 1, 4 or 9)."""
        return density if self.shells == 1 else density.reshape(-1, self.shells, self.multipoles).sum(1)

    @property
    def _rows(self) -> list[list[float]]:
        """Widths of the shells, one row for each entry of `width`."""
        entries = list(self.width.values()) if isinstance(self.width, Mapping) else [self.width]
        return [[float(w) for w in entry] if isinstance(entry, Sequence) else [float(entry)] for entry in entries]
