"""Structure factors on a mesh: B-splines and the fast Fourier transform, in O(M + n log n) for M sites and n nodes.

With the centred B-spline M_p of splines.py and nodes l = (l_1, l_2, l_3) of a mesh n_1 x n_2 x n_3,

    S(m) = b(m) sum_l exp(2 pi i sum_d m_d l_d / n_d) sum_i sum_a c_ia d^a/ds_i^a prod_d M_p(n_d s_id - l_d)

approaches the sum of lattice.py as the spacing goes down (smooth particle mesh Ewald: Essmann et al. 1995,
J. Chem. Phys. 103, 8577). The transpose uses the same weights, so that forces are exact derivatives of the energy.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product

import torch
from torch import Tensor

from leyden.coulomb import splines
from leyden.coulomb.lattice import Lattice
from leyden.density.harmonics import multi_indices

BLOCK = 250_000
"""Largest number of entries of a sites x nodes array; more sites go block by block, in memory linear in sites."""


@dataclass(frozen=True)
class Batch:
    """Meshes of one shape: their places among all meshes, nodes and waves, and b(m) of their half spectrum.

    Three factors each, ready for broadcasting: m, and times, how many waves of the full spectrum each one stands for.
    """

    shape: tuple[int, int, int]
    meshes: slice
    nodes: slice
    waves: slice
    m: list[Tensor]
    times: list[Tensor]
    transfer: Tensor


@dataclass(frozen=True)
class Meshes:
    """What a sum needs to know of all meshes: batches of one shape, sizes (G, 3), order of the splines."""

    batches: list[Batch]
    sizes: Tensor
    order: int


class Mesh(Lattice):
    """Sites at s (M, 3) on the meshes of their structures: pairs of a site and a mesh, the first M being of each site.

    The transform has exp(-2 pi i m l / n), so the density is laid out at -s: with v = n s + p / 2, the node
    l = j - floor(v) has the weight M_p(v - floor(v) + j), j = 0 ... p - 1.
    """

    def __init__(self, grid: Meshes, s: Tensor, kind: Tensor, kinds: int, site: Tensor, mesh: Tensor) -> None:
        self.grid, self.kinds, self.sites, self.site = grid, kinds, len(s), site
        self.sizes = grid.sizes[mesh]
        v = (s - s.floor())[self.site] * self.sizes + grid.order / 2
        self.x = (v - v.floor()).to(grid.batches[0].transfer.dtype)
        node = torch.arange(grid.order, device=s.device) - v.floor().long()[..., None]
        self.x_node, self.y_node, self.z_node = (node % self.sizes[..., None]).unbind(1)
        per_mesh = grid.sizes.prod(1)
        self.nodes = int(per_mesh.sum())
        first = (per_mesh.cumsum(0) - per_mesh)[mesh] + kind[self.site] * self.nodes
        self.y_node = self.y_node * self.sizes[:, 2:]
        self.x_node = self.x_node * self.sizes[:, 1:].prod(1, keepdim=True) + first[:, None]
        block = max(1, BLOCK // grid.order**3)
        self.blocks = [slice(a, a + block) for a in range(0, len(mesh), block)]
        self.weights: list[Tensor] = []

    def spread(self, coefficients: Tensor, order: int) -> Tensor:
        """Amplitudes (kinds, K, 2) of coefficients (M, number of multi-indices up to order)."""
        _, rows, columns = _layout(order)
        density = coefficients.new_zeros(self.kinds * self.nodes)
        for block in self.blocks:
            x, yz = self._weights(block, order)
            matrix = x.new_zeros(len(x), order + 1, yz.shape[1])
            matrix[:, rows, columns] = coefficients[self.site[block]]
            values = torch.einsum("mai,maj->mij", x, torch.einsum("mab,mbj->maj", matrix, yz))
            density.scatter_add_(0, self._nodes(block), values.flatten())
        return self._transform(density.view(self.kinds, self.nodes))

    def gather(self, amplitudes: Tensor, order: int) -> Tensor:
        """The transpose: (kinds, K, 2) -> (M, number of multi-indices up to order)."""
        _, rows, columns = _layout(order)
        potential = self._transpose(amplitudes).flatten()
        out = amplitudes.new_empty(len(self.site), len(rows))
        for block in self.blocks:
            x, yz = self._weights(block, order)
            values = potential.index_select(0, self._nodes(block)).view(len(x), x.shape[2], yz.shape[2])
            matrix = torch.einsum("maj,mbj->mab", torch.einsum("mai,mij->maj", x, values), yz)
            out[block] = matrix[:, rows, columns]
        return out[: self.sites].index_add_(0, self.site[self.sites :], out[self.sites :])

    def _weights(self, block: slice, order: int) -> tuple[Tensor, Tensor]:
        """Derivatives of M_p by s along x, (m, order + 1, p), and products of those along y and z, (m, n, p * p)."""
        for a in range(len(self.weights), order + 1):
            spline = splines.weights(self.x, self.grid.order, a) * self.sizes**a
            self.weights.append(spline.permute(1, 2, 0).contiguous())
        x, y, z = torch.stack([w[block] for w in self.weights[: order + 1]], 2).unbind(1)
        (b, c), _, _ = _layout(order)
        return x, (y[:, b, :, None] * z[:, c, None, :]).flatten(2)

    def _nodes(self, block: slice) -> Tensor:
        """Where the p^3 nodes of each site stand among those of all kinds, flattened."""
        plane = (self.y_node[block, :, None] + self.z_node[block, None, :]).flatten(1)
        return (self.x_node[block, :, None] + plane[:, None, :]).flatten()

    def _transform(self, density: Tensor) -> Tensor:
        """(kinds, nodes) -> (kinds, K, 2)."""
        out = []
        for batch in self.grid.batches:
            box = density[:, batch.nodes].unflatten(1, (-1, *batch.shape))
            out.append((torch.fft.rfftn(box, dim=(2, 3, 4)) * batch.transfer).flatten(1))
        return torch.view_as_real(torch.cat(out, 1))

    def _transpose(self, amplitudes: Tensor) -> Tensor:
        """(kinds, K, 2) -> (kinds, nodes); the inverse transform has each wave as often as the full spectrum."""
        spectrum, out = torch.view_as_complex(amplitudes.contiguous()), []
        for batch in self.grid.batches:
            weight = batch.transfer / batch.times[2].clamp(min=1.0)
            box = spectrum[:, batch.waves].unflatten(1, (-1, *weight.shape))
            out.append(torch.fft.irfftn(box * weight, s=batch.shape, dim=(2, 3, 4), norm="forward").flatten(1))
        return torch.cat(out, 1)


@cache
def _layout(order: int) -> tuple[list[list[int]], list[int], list[int]]:
    """Multi-indices (a, b, c) as places in a matrix a x (b, c): all b, c with b + c <= order, rows, columns."""
    plane = [(b, c) for b, c in product(range(order + 1), repeat=2) if b + c <= order]
    rows, columns = zip(*((a, plane.index((b, c))) for a, b, c in multi_indices(order)), strict=True)
    return [list(each) for each in zip(*plane, strict=True)], list(rows), list(columns)
