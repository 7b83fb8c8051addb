"""Which meshes structures have, and the waves of their half spectra.

The sizes n_d are integers. Where a growing cell is about to need the next one, both share the structure with smooth
weights, which are part of the multiplicity: the energy is twice differentiable in the cell.
"""

import math
from itertools import product

import torch
from torch import Tensor

from leyden import segment
from leyden.checks import require
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
    order = min(max(round(-math.log10(accuracy)), 2) + 2 + lmax, 12)
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
        self.batches = _batches(self.sizes, order, cell.dtype)
        self.owner = torch.cat([self.structure[b.meshes].repeat_interleave(b.transfer.numel()) for b in self.batches])
        shares = [(share[b.meshes, None, None, None], *b.times) for b in self.batches]
        self.multiplicity = torch.cat([(each * x * y * z).flatten() for each, x, y, z in shares])

    def quadratic(self, metric: Tensor) -> Tensor:
        """m.metric.m of all waves, (K,): on each point (m1, m2) of a plane, a parabola in m3."""
        out = []
        for batch in self.batches:
            (m1, m2, m3), g = batch.m, metric[self.structure[batch.meshes], :, :, None, None, None]
            plane = g[:, 0, 0] * m1 * m1 + 2 * g[:, 0, 1] * m1 * m2 + g[:, 1, 1] * m2 * m2
            slope = 2 * (g[:, 0, 2] * m1 + g[:, 1, 2] * m2)
            out.append((plane + (slope + g[:, 2, 2] * m3) * m3).flatten())
        return torch.cat(out)

    def at(self, s: Tensor, index: Tensor, kind: Tensor, kinds: int) -> "Mesh":
        """Sites at any real fractional coordinates s (M, 3), in any order."""
        return Mesh(Meshes(self.batches, self.sizes, self.order), s, kind, kinds, *self.pairs(index))

    def pairs(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Each site with each mesh of its structure, (M',) numbers of both; the first M pairs hold each site once."""
        mesh = self.structure.argsort(stable=True)
        start = segment.starts(self.structure[mesh], self.structures)
        number = start.diff()
        sites = [torch.nonzero(number[index] > n)[:, 0] for n in range(int(number.max()))]
        return torch.cat(sites), torch.cat([mesh[start[index[site]] + n] for n, site in enumerate(sites)])


def _meshes(needed: Tensor, smallest: int) -> tuple[Tensor, Tensor, Tensor]:
    """Structure (G,), sizes (G, 3) and share (G,) of all meshes, those of one shape together, for lengths (S, 3)."""
    require(
        bool((needed < (1 - WINDOW) * SIZES[-1]).all()),
        f"Coulomb: expected cells of at most {SIZES[-1]} nodes along an axis, got {needed.max().item():.3g}; use"
        " method='reciprocal', a coarser accuracy, or wider Gaussians.",
    )
    table = torch.tensor([0, *(n for n in SIZES if n >= smallest)]).to(needed)
    place = torch.searchsorted(table, needed.detach())
    last, size, larger = table[place - 1], table[place], table[place + 1]
    start = torch.maximum(last, (1 - WINDOW) * size)
    x = ((needed - start) / (size - start)).clamp(0.0, 1.0)
    rise = x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)
    corner = torch.tensor(list(product([False, True], repeat=3)), device=needed.device)
    along = torch.where(corner, rise[:, None], 1.0 - rise[:, None])
    share = along[..., 0] * along[..., 1] * along[..., 2]
    structure, which = torch.nonzero(share.detach(), as_tuple=True)
    sizes = torch.where(corner, larger[:, None], size[:, None])[structure, which].long()
    order = torch.argsort((sizes * sizes.new_tensor([1, SIZES[-1], SIZES[-1] ** 2])).sum(1), stable=True)
    return structure[order], sizes[order], share[structure, which][order]


def _batches(sizes: Tensor, order: int, dtype: torch.dtype) -> list[Batch]:
    """Runs of meshes (G, 3) of equal shape."""
    shapes, counts = torch.unique_consecutive(sizes, dim=0, return_counts=True)
    out, mesh, node, wave = [], 0, 0, 0
    for (n1, n2, n3), count in zip(shapes.tolist(), counts.tolist(), strict=True):
        half = torch.arange(n3 // 2 + 1, device=sizes.device, dtype=dtype)
        m = [torch.fft.fftfreq(n, 1 / n, device=sizes.device, dtype=dtype) for n in (n1, n2)]
        m = [m[0][:, None, None], m[1][:, None], half]
        x, y, z = (splines.deconvolution(each / n, order) for each, n in zip(m, (n1, n2, n3), strict=True))
        times = [(2 * each.abs() < n).to(dtype) for each, n in zip(m, (n1, n2, n3), strict=True)]
        times[2] *= 1 + (half > 0)
        ends = mesh + count, node + count * n1 * n2 * n3, wave + count * n1 * n2 * len(half)
        places = slice(mesh, ends[0]), slice(node, ends[1]), slice(wave, ends[2])
        out.append(Batch((n1, n2, n3), *places, m, times, x * y * z))
        mesh, node, wave = ends
    return out
