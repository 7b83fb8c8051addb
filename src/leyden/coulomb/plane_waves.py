"""Plane waves of a half space, m1 = h >= 0, within the cutoff sphere, cut into slabs for phases.py.

Consecutive h form a slab, as high in k and l as the sphere is there. Each (h, k, l) stands for the four waves
(h, +-k, +-l).
"""

import math

import torch
from torch import Tensor

from leyden.coulomb.lattice import Waves
from leyden.coulomb.phases import FLIPS, Phases, Slab
from leyden.coulomb.tune import TAPER_START

ROWS = 512
"""A slab ends when it reaches this number of rows: thin slabs follow the sphere, thick ones are few."""


class PlaneWaves(Waves):
    """All waves m (3, W) with |k| < cutoff (S,) in 1/Å for at least one of the cells (S, 3, 3), k = 0 included.

    Every structure has all of them, K = S W; those beyond its own cutoff have multiplicity 0.
    """

    def __init__(self, cell: Tensor, cutoff: Tensor) -> None:
        self.slabs = _slabs(cell.detach().cpu(), cutoff.detach().cpu())
        self.m, count = _integers(self.slabs, cell)
        self.structures = len(cell)
        self.products = (self.m[:, None] * self.m).flatten(0, 1)
        self.owner = torch.arange(len(cell), device=cell.device).repeat_interleave(len(count))
        square = self.quadratic(4 * math.pi**2 * torch.linalg.inv(cell @ cell.mT))
        self.multiplicity = (count * taper(square.view(len(cell), -1), cutoff[:, None])).flatten()

    def quadratic(self, metric: Tensor) -> Tensor:
        """m.metric.m, (K,)."""
        return (metric.flatten(1) @ self.products.to(metric.dtype)).flatten()

    def at(self, s: Tensor, index: Tensor, kind: Tensor, kinds: int) -> "Phases":
        """The map of sites at s (M, 3), in structures index (M,), of the kinds (M,) out of `kinds`."""
        s, dtype = s.detach(), self.multiplicity.dtype
        return Phases(self.slabs, s, kind * self.structures + index, kinds, self.structures, dtype)


def taper(square: Tensor, cutoff: Tensor) -> Tensor:
    """1 well inside the cutoff, 0 outside, twice differentiable between: the energy stays smooth as a cell changes."""
    start = (TAPER_START * cutoff) ** 2
    x = ((square - start) / (cutoff * cutoff - start)).clamp(0.0, 1.0)
    return 1.0 - x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)


def _slabs(cell: Tensor, cutoff: Tensor) -> list[Slab]:
    """Slabs of the spheres: with u = a_1 / |a_1|, |k| < cutoff and m_1 = h leave m_i at most

    h |a_i.u| / |a_1| + |a_i - (a_i.u) u| sqrt(cutoff^2 - (2 pi h / |a_1|)^2) / 2 pi,   i = 2, 3.
    """
    radius, length = cutoff / (2 * math.pi), torch.linalg.vector_norm(cell[:, 0], dim=1)
    along = torch.arange(int((radius * length).max()) + 1, dtype=cell.dtype)[:, None] / length
    unit = cell[:, :1] / length[:, None, None]
    shift = (cell[:, 1:] * unit).sum(2)
    width = torch.linalg.vector_norm(cell[:, 1:] - shift[:, :, None] * unit, dim=2)
    rest = radius**2 - along**2
    reach = along[:, :, None] * shift.abs() + rest.clamp(min=0.0).sqrt()[:, :, None] * width
    tops = torch.where(rest[:, :, None] >= 0.0, reach, 0.0).amax(1)
    slabs: list[Slab] = []
    for h, (k_top, l_top) in enumerate(tops.int().tolist()):
        last = slabs.pop() if slabs and slabs[-1].rows < ROWS else Slab(h, h, 1, 1)
        slabs.append(Slab(last.first, h + 1, max(last.k_count, k_top + 1), max(last.l_count, l_top + 1)))
    return slabs


def _integers(slabs: list[Slab], like: Tensor) -> tuple[Tensor, Tensor]:
    """Waves (3, W), and how many waves each stands for (W,): 2, but 1 for zero and 0 for one counted before."""
    m3, m1, m2 = torch.cat([_box(slab, like) for slab in slabs], 1)[:, :, None]
    flip2, flip3 = like.new_tensor(FLIPS).mT
    duplicate = (flip2 < 0) & (m1 * m2 == 0) | (flip3 < 0) & ((m1 + m2) * m3 == 0)
    count = torch.where(duplicate, 0.0, torch.where(m1 + m2 + m3 == 0, 1.0, 2.0))
    return torch.stack([m1.expand(-1, 4), flip2 * m2, flip3 * m3]).flatten(1), count.flatten().to(like.dtype)


def _box(slab: Slab, like: Tensor) -> Tensor:
    """All (l, h, k) of a slab, (3, number)."""
    ranges = (0, slab.l_count), (slab.first, slab.stop), (0, slab.k_count)
    return torch.cartesian_prod(*(torch.arange(*r, dtype=like.dtype, device=like.device) for r in ranges)).mT
