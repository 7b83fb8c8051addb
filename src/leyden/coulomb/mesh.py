"""Structure factors on a mesh: B-splines and the fast Fourier transform, in O(M + n log n) for M sites and n nodes.

With the centred B-spline M_p of splines.py and nodes l = (l_1, l_2, l_3) of a mesh n_1 x n_2 x n_3,

    S(m) = sum_l exp(2 pi i sum_d m_d l_d / n_d) sum_i sum_a c_ia d^a/ds_i^a prod_d M_p(n_d s_id - l_d)

times b(m) of splines.py approaches the sum of lattice.py as the spacing goes down (smooth particle mesh Ewald: Essmann
et al. 1995, J. Chem. Phys. 103, 8577); b^2 is part of the multiplicity of the waves (grid.py). The transpose uses the
same weights, so that forces are exact derivatives of the energy.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.coulomb.lattice import Lattice
from leyden.coulomb.stencil import stencil


@dataclass(frozen=True)
class Batch:
    """Meshes of one shape: their places among all meshes, nodes and waves; m of their half spectrum, an axis each."""

    shape: tuple[int, int, int]
    meshes: slice
    nodes: slice
    waves: slice
    m: list[Tensor]


@dataclass(frozen=True)
class Meshes:
    """What a sum needs to know of all meshes: batches of one shape, sizes (G, 3), order of the splines."""

    batches: list[Batch]
    sizes: Tensor
    order: int


class Mesh(Lattice):
    """Sites at s (M, 3) on the meshes of their structures: pairs of a site and a mesh, the first M being of each site.

    The transform has exp(-2 pi i m l / n), so the density is laid out at -s (stencil.py). s may be more precise.
    """

    def __init__(self, grid: Meshes, s: Tensor, kind: Tensor, kinds: int, site: Tensor, mesh: Tensor) -> None:
        self.grid, self.kinds, self.sites, self.site = grid, kinds, len(s), site
        sizes, per_mesh = grid.sizes[mesh], grid.sizes.prod(1)
        self.nodes = int(per_mesh.sum())
        first = (per_mesh.cumsum(0) - per_mesh)[mesh] + kind[site] * self.nodes
        v = (s - s.floor())[site] * sizes + grid.order / 2
        self.stencil = stencil(v, sizes, first, grid.order, grid.batches[0].m[0].dtype)

    def spread(self, coefficients: Tensor, order: int) -> Tensor:
        """Amplitudes (kinds, K, 2) of coefficients (M, number of multi-indices up to order)."""
        density = self.stencil.lay(coefficients[self.site], order, self.kinds * self.nodes)
        return self._transform(density.view(self.kinds, self.nodes))

    def gather(self, amplitudes: Tensor, order: int) -> Tensor:
        """The transpose: (kinds, K, 2) -> (M, number of multi-indices up to order)."""
        out = self.stencil.read(self._transpose(amplitudes).flatten(), order)
        return out[: self.sites].index_add_(0, self.site[self.sites :], out[self.sites :])

    def _transform(self, density: Tensor) -> Tensor:
        """(kinds, nodes) -> (kinds, K, 2)."""
        out = []
        for batch in self.grid.batches:
            box = density[:, batch.nodes].unflatten(1, (-1, *batch.shape))
            out.append(torch.view_as_real(torch.fft.rfftn(box, dim=(2, 3, 4))).flatten(1, 4))
        return out[0] if len(out) == 1 else torch.cat(out, 1)

    def _transpose(self, amplitudes: Tensor) -> Tensor:
        """(kinds, K, 2) -> (kinds, nodes); the inverse transform adds the opposite of each wave but those of m3 = 0 and
        n3 / 2."""
        out = []
        for batch in self.grid.batches:
            half = batch.m[2].new_full((len(batch.m[2]), 2), 0.5)
            half[[0, -1]] = 1.0
            box = amplitudes[:, batch.waves].unflatten(1, (-1, *batch.shape[:2], len(half))) * half
            waves = torch.view_as_complex(box)
            out.append(torch.fft.irfftn(waves, s=batch.shape, dim=(2, 3, 4), norm="forward").flatten(1))
        return out[0] if len(out) == 1 else torch.cat(out, 1)
