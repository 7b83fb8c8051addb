"""Which meshes structures have, and the waves of their half spectra.

The sizes n_d are integers. Where a growing cell is about to need the next one, both share the structure with smooth
weights, which are part of the multiplicity: the energy is twice differentiable in the cell. With weights w_1 > w_2 >
w_3 of the larger sizes of the axes 1, 2, 3, the meshes that grow along none, 1, 1 and 2, and all of them have the
shares 1 - w_1, w_1 - w_2, w_2 - w_3, w_3: two meshes in a cubic cell. Where two weights cross, what jumps in the slope
is the part of the error that is not a sum over axes, about the square of the error. Single precision does not resolve
how two sizes differ, so that there the weights are taken as constant.
"""

import math
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from leyden import segment
from leyden.checks import InputError
from leyden.coulomb import splines
from leyden.coulomb.lattice import Waves
from leyden.coulomb.mesh import Batch, Mesh, Meshes

SIZES = sorted({n for i, j, k in product(range(1, 18), range(11), range(8)) if (n := 2**i * 3**j * 5**k) <= 2**17})
"""Even numbers of nodes whose transform is fast."""

WINDOW = 0.02
"""Two sizes share an axis along this last fraction of the cell vectors that the smaller one can serve."""

ERROR = ((0.33, 0.384), (5.0, 0.395), (17.0, 0.463))
"""(C, a) for lmax = 0, 1, 2: the relative force error is C (a h / width)^p, for spacing h and splines of order p.

Fitted to rms errors from 1e-2 to 1e-10 of 5 <= p <= 12 on meshes of 24^3, compared with the exact sum, for 96 random
sites and 64 water molecules: charges for lmax = 0, else random multipoles of order lmax. All are within a factor of 3.
"""


def plan(accuracy: float, width: Tensor, lmax: int) -> tuple[Tensor, int]:
    """Spacing (S,) Å and order of splines for a relative force error, with Gaussians no narrower than width (S,) Å.

    The width of a pair is the root mean square of its two widths. The order balances the cost of splines and transform
    for the density of water; it leaves second derivatives continuous.
    """
    order = min(max(round(-math.log10(accuracy)), 2) + 4 + lmax, 12)
    prefactor, scale = ERROR[lmax]
    return width / scale * (accuracy / prefactor) ** (1.0 / order), order


class Grid(Waves):
    """The half spectrum of meshes in cells (S, 3, 3), rows, with spacings of at most (S,) Å and splines of order p.

    Mesh g serves structure[g] (G,) and has sizes[g] (G, 3); meshes of one shape follow each other.
    """

    def __init__(self, cell: Tensor, spacing: Tensor, order: int) -> None:
        self.order, self.structures = order, len(cell)
        needed = torch.linalg.vector_norm(cell, dim=2) / spacing.detach()[:, None]
        self.structure, self.sizes, share = _meshes(needed, order)
        self.batches = _batches(self.sizes, cell.dtype)
        counts = [_count(b, order) for b in self.batches]
        meshes = [(b.meshes, count) for b, count in zip(self.batches, counts, strict=True)]
        self.owner = _joined([self.structure[mine].repeat_interleave(len(count)) for mine, count in meshes])
        self.multiplicity = _joined([(share[mine, None] * count).flatten() for mine, count in meshes])

    def quadratic(self, metric: Tensor) -> Tensor:
        """m.metric.m of all waves, (K,): on each point (m1, m2) of a plane, a parabola in m3."""
        out = []
        for batch in self.batches:
            (m1, m2, m3), g = batch.m, metric[self.structure[batch.meshes], :, :, None, None, None]
            plane = g[:, 0, 0] * m1 * m1 + 2 * g[:, 0, 1] * m1 * m2 + g[:, 1, 1] * m2 * m2
            slope = 2 * (g[:, 0, 2] * m1 + g[:, 1, 2] * m2)
            out.append((plane + (slope + g[:, 2, 2] * m3) * m3).flatten())
        return _joined(out)

    def at(self, s: Tensor, index: Tensor, kind: Tensor, kinds: int) -> "Mesh":
        """Sites at any real fractional coordinates s (M, 3), in any order."""
        return Mesh(Meshes(self.batches, self.sizes, self.order), s, kind, kinds, *self.pairs(index))

    def pairs(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Each site with each mesh of its structure, (M',) numbers of both; the first M pairs hold each site once."""
        if len(self.structure) == 1:
            return torch.arange(len(index), device=index.device), torch.zeros_like(index)
        mesh = self.structure.argsort(stable=True)
        start = segment.starts(self.structure[mesh], self.structures)
        number = start.diff()
        sites = [torch.nonzero(number[index] > n)[:, 0] for n in range(int(number.max()))]
        return torch.cat(sites), torch.cat([mesh[start[index[site]] + n] for n, site in enumerate(sites)])


def _meshes(needed: Tensor, smallest: int) -> tuple[Tensor, Tensor, Tensor]:
    """Structure (G,), sizes (G, 3) and share (G,) of all meshes, those of one shape together, for lengths (S, 3)."""
    most = float(needed.detach().max())
    if not most < (1 - WINDOW) * SIZES[-1]:
        raise InputError(
            f"Coulomb: expected cells of at most {SIZES[-1]} nodes along an axis, got {most:.3g}; use"
            " method='reciprocal', a coarser accuracy, or wider Gaussians."
        )
    table = _table(smallest, needed.dtype, needed.device)
    place = torch.searchsorted(table, needed.detach())
    last, size, larger = table[torch.stack([place - 1, place, place + 1])]
    start = torch.maximum(last, (1 - WINDOW) * size)
    x = ((needed - start) / (size - start)).clamp(0.0, 1.0)
    if not x.detach().any():
        return _sorted(torch.arange(len(size), device=size.device), size.long(), torch.ones_like(size[:, 0]))
    rise = x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)
    ordered, axis = rise.sort(1, descending=True)
    edge = torch.ones_like(ordered[:, :1])
    share = torch.cat([edge, ordered], 1) - torch.cat([ordered, edge * 0], 1)
    share = share if share.dtype == torch.float64 else share.detach()
    structure, which = torch.nonzero(share.detach(), as_tuple=True)
    grown = axis.argsort(1)[structure] < which[:, None]
    sizes = torch.where(grown, larger[structure], size[structure]).long()
    return _sorted(structure, sizes, share[structure, which])


def _sorted(structure: Tensor, sizes: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """By size."""
    if len(sizes) == 1:
        return structure, sizes, share
    order = torch.argsort((sizes * sizes.new_tensor([1, SIZES[-1], SIZES[-1] ** 2])).sum(1), stable=True)
    return structure[order], sizes[order], share[order]


@lru_cache(maxsize=64)
def _table(smallest: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor([0, *(n for n in SIZES if n >= smallest)], dtype=dtype, device=device)


def _batches(sizes: Tensor, dtype: torch.dtype) -> list[Batch]:
    """Runs of meshes (G, 3) of equal shape."""
    shapes, counts = torch.unique_consecutive(sizes, dim=0, return_counts=True)
    out, mesh, node, wave = [], 0, 0, 0
    for (n1, n2, n3), count in zip(shapes.tolist(), counts.tolist(), strict=True):
        m = [_frequencies(n1, dtype, sizes.device)[:, None, None], _frequencies(n2, dtype, sizes.device)[:, None]]
        m.append(_frequencies(n3, dtype, sizes.device)[: n3 // 2 + 1].abs())
        ends = mesh + count, node + count * n1 * n2 * n3, wave + count * n1 * n2 * len(m[2])
        places = slice(mesh, ends[0]), slice(node, ends[1]), slice(wave, ends[2])
        out.append(Batch((n1, n2, n3), *places, m))
        mesh, node, wave = ends
    return out


def _count(batch: Batch, order: int) -> Tensor:
    """How many waves of the full spectrum each one stands for, times b^2: flattened."""
    x, y, z = (_transfer(n, order, batch.m[2].dtype, batch.m[2].device) for n in batch.shape)
    return (x[:, None, None] * y[:, None] * (z[: len(batch.m[2])] * (1.0 + (batch.m[2] > 0)))).flatten()


@lru_cache(maxsize=64)
def _frequencies(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """m of an axis of n nodes, the last of the first half being -n / 2."""
    return torch.fft.fftfreq(n, 1 / n, device=device, dtype=dtype)


@lru_cache(maxsize=64)
def _transfer(n: int, order: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """b^2 of an axis of n nodes, 0 at the Nyquist frequency."""
    m = _frequencies(n, dtype, device)
    return torch.where(2 * m.abs() < n, splines.deconvolution(m / n, order) ** 2, 0.0)


def _joined(parts: list[Tensor]) -> Tensor:
    """Without a copy where there is one part."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)
