"""Sites: one Gaussian shell each, with the density as coefficients of derivatives d^a of that Gaussian.

The multipoles of the basis are combinations of such derivatives (density/harmonics.py); pair sums and lattice sums know
only the derivatives, up to the order lmax: 1, 4 or 10 coefficients c_a a site, in the order of `multi_indices`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.density.basis import GaussianBasis
from leyden.density.harmonics import derivatives
from leyden.system import System


@dataclass(frozen=True)
class Sites:
    """M sites in `count` structures.

    positions (M, 3) Å; widths (M,) Å, 0 for points; index (M,) structure; atom (M,) atom a site sits on; basis.
    """

    positions: Tensor
    widths: Tensor
    index: Tensor
    atom: Tensor
    count: int
    basis: GaussianBasis

    @staticmethod
    def of(system: System, basis: GaussianBasis) -> "Sites":
        """The shells of all atoms: site = atom * shells + shell."""
        shells, atoms = basis.shells, torch.arange(len(system.index), device=system.index.device)
        return Sites(
            system.positions.repeat_interleave(shells, 0) if shells > 1 else system.positions,
            basis.widths(system.numbers, system.positions.dtype).flatten(),
            system.index.repeat_interleave(shells) if shells > 1 else system.index,
            atoms.repeat_interleave(shells) if shells > 1 else atoms,
            system.count,
            basis,
        )

    @staticmethod
    def points(points: Tensor, index: Tensor, count: int) -> "Sites":
        """Points (M, 3) in the structures index (M,): unit charges of width zero, on no atom."""
        nowhere = torch.full_like(index, -1)
        return Sites(points, points.new_zeros(len(points)), index, nowhere, count, GaussianBasis(0.0))

    @property
    def order(self) -> int:
        """Highest order of the derivatives."""
        return self.basis.lmax

    def coefficients(self, density: Tensor) -> Tensor:
        """Density (N, dim) -> coefficients (M, 1, 4 or 10) of derivatives."""
        multipoles = density.reshape(-1, self.basis.multipoles)
        return multipoles @ derivatives(self.order, density) if self.order > 1 else multipoles

    def density(self, felt: Tensor) -> Tensor:
        """What derivatives feel (M, 1, 4 or 10) -> what the density feels (N, dim): the transpose of `coefficients`."""
        multipoles = felt @ derivatives(self.order, felt).T if self.order > 1 else felt
        return multipoles.reshape(-1, self.basis.dim)
