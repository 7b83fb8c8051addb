"""Exact plane waves, separable into axes: exp(2 pi i m.s) = X^m1 Y^m2 Z^m3, never an atoms x waves array.

With x_h the cosines and sines of 2 pi h s_x for h = 0, 1, ..., and likewise y_k and z_l, all real products of a group
of sites (one kind in one structure) are a single matrix product over its sites n,

    T[l, hk] = sum_n z_l(n) [c(n) x_h(n) y_k(n)],

and a constant 8 x 8 matrix turns the 8 products of (h, k, l) into real and imaginary part of the 4 waves (h, +-k, +-l).
"""

import math
from functools import cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from leyden.coulomb.lattice import Lattice
from leyden.density.harmonics import multi_indices

BLOCK = 2**18
"""Entries of a rows x atoms array at most: memory is linear in the atoms. It fits a cache; accelerators take more."""


class Slab(NamedTuple):
    """The waves first <= h < stop, 0 <= k < k_count, 0 <= l < l_count, in the order l, h, k."""

    first: int
    stop: int
    k_count: int
    l_count: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of l, h and k."""
        return self.l_count, self.stop - self.first, self.k_count

    @property
    def rows(self) -> int:
        """Number of products x_h y_k: two functions each."""
        return 4 * (self.stop - self.first) * self.k_count


class Phases(Lattice):
    """Sites at s (M, 3), of group (M,) = kind x structures + structure, padded to groups of one length."""

    def __init__(
        self, slabs: list[Slab], s: Tensor, group: Tensor, kinds: int, structures: int, dtype: torch.dtype
    ) -> None:
        self.slabs, self.kinds, self.groups = slabs, kinds, kinds * structures
        self.signs = torch.tensor(_SIGNS, dtype=dtype, device=s.device)
        size = torch.bincount(group, minlength=self.groups)
        self.longest = int(size.max())
        order = torch.argsort(group, stable=True)
        rank = torch.arange(len(s), device=s.device) - (size.cumsum(0) - size)[group[order]]
        self.slot = torch.empty_like(order).index_copy_(0, order, group[order] * self.longest + rank)
        top = max(max(slab.stop, slab.k_count, slab.l_count) for slab in slabs)
        self.derivatives = [_powers(self._pad(s - s.round()), top).to(dtype)]

    def spread(self, coefficients: Tensor, order: int) -> Tensor:
        """S = A c, (kinds, K, 2)."""
        padded = self._pad(coefficients)
        parts = []
        for slab in self.slabs:
            table = padded.new_zeros(self.groups, 2 * slab.l_count, slab.rows)
            for g, n in self._pieces(slab):
                x, y, z = self._axes(slab, g, n, order)
                for c in range(order + 1):
                    table[g].baddbmm_(z[c], _weighted(padded[:, g, None, n], x, y, order, c).mT)
            axes = (size for count in slab.shape for size in (2, count))
            functions = table.view(self.groups, *axes).permute(0, 1, 3, 5, 2, 4, 6)
            parts.append((self.signs.mT @ functions.reshape(self.groups, 8, -1)).mT)
        return torch.cat(parts, 1).view(self.kinds, -1, 2)

    def gather(self, amplitudes: Tensor, order: int) -> Tensor:
        """c = A^T S, (M, number of multi-indices)."""
        waves = amplitudes.reshape(self.groups, -1, 8).split([math.prod(s.shape) for s in self.slabs], 1)
        out = amplitudes.new_zeros(len(multi_indices(order)), self.groups, self.longest)
        for slab, part in zip(self.slabs, waves, strict=True):
            functions = (self.signs @ part.mT).view(self.groups, 2, 2, 2, *slab.shape)
            table = functions.permute(0, 1, 4, 2, 5, 3, 6).reshape(self.groups, -1, slab.rows)
            for g, n in self._pieces(slab):
                x, y, z = self._axes(slab, g, n, order)
                for c in range(order + 1):
                    _collect(out[:, g, n], table[g].mT @ z[c], x, y, order, c)
        return out.flatten(1).mT[self.slot]

    def _pad(self, values: Tensor) -> Tensor:
        """(M, n) -> (n, groups, longest), zero where a group is shorter."""
        out = values.new_zeros(values.shape[1], self.groups * self.longest)
        return out.index_copy_(1, self.slot, values.mT).unflatten(1, (self.groups, self.longest))

    def _pieces(self, slab: Slab) -> list[tuple[slice, slice]]:
        """Groups and atoms whose rows x atoms array has at most BLOCK entries."""
        block = BLOCK if self.derivatives[0].device.type == "cpu" else 128 * BLOCK
        atoms = max(1, min(self.longest, block // slab.rows))
        groups = max(1, block // (slab.rows * atoms))
        starts = product(range(0, self.groups, groups), range(0, self.longest, atoms))
        return [(slice(g, g + groups), slice(n, n + atoms)) for g, n in starts]

    def _axes(self, slab: Slab, g: slice, n: slice, order: int) -> list[list[Tensor]]:
        """Derivatives 0 ... order of the x, y and z of a slab, (groups, 2 x waves of the axis, atoms) each."""
        while len(self.derivatives) <= order:
            self.derivatives.append(_turned(self.derivatives[-1]))
        ranges = slice(slab.first, slab.stop), slice(slab.k_count), slice(slab.l_count)
        kept = self.derivatives[: order + 1]
        return [[d[axis, g, :, m, n].flatten(1, 2) for d in kept] for axis, m in enumerate(ranges)]


FLIPS = list(product((1, -1), repeat=2))
_SIGNS = [
    [part for f, g in FLIPS for z in [1j ** (p + q + r) * f**r * g**p] for part in (z.real, z.imag)]
    for p, q, r in product((0, 1), repeat=3)
]
"""exp(i (g c + a + f b)) = sum_pqr i^(p + q + r) f^r g^p of cosines (0) or sines (1): p of c, q of a, r of b."""


@cache
def _places(order: int, b: int, c: int) -> list[int]:
    """Where the multi-indices (0, b, c), (1, b, c), ... up to `order` stand."""
    return [multi_indices(order).index((a, b, c)) for a in range(order + 1 - b - c)]


def _weighted(coefficients: Tensor, x: list[Tensor], y: list[Tensor], order: int, c: int) -> Tensor:
    """sum_ab c_abc x^(a)_h y^(b)_k of coefficients (number, groups, 1, atoms): (groups, rows, atoms)."""
    out = _line(coefficients, x, _places(order, 0, c))[:, :, None] * y[0][:, None]
    for b in range(1, order + 1 - c):
        out.addcmul_(_line(coefficients, x, _places(order, b, c))[:, :, None], y[b][:, None])
    return out.flatten(1, 2)


def _line(coefficients: Tensor, x: list[Tensor], places: list[int]) -> Tensor:
    """sum_a c_a x^(a)_h, (groups, 2 x number of h, atoms)."""
    out = coefficients[places[0]] * x[0]
    for a, place in enumerate(places[1:], 1):
        out.addcmul_(coefficients[place], x[a])
    return out


def _collect(out: Tensor, felt: Tensor, x: list[Tensor], y: list[Tensor], order: int, c: int) -> None:
    """Add sum_hk felt_hk x^(a)_h y^(b)_k of felt (groups, rows, atoms) to (a, b, c) of out (number, groups, atoms)."""
    felt = felt.unflatten(1, (x[0].shape[1], -1))
    for b in range(order + 1 - c):
        line = (felt * y[b][:, None]).sum(2)
        for a, place in enumerate(_places(order, b, c)):
            out[place] += (line * x[a]).sum(1)


def _powers(s: Tensor, count: int) -> Tensor:
    """Cosine and sine of 2 pi m s for m < count, (3, groups, 2, count, atoms) from s (3, groups, atoms).

    By doubling, in float64: rounding of s is multiplied by m.
    """
    step = torch.polar(torch.ones_like(s, dtype=torch.float64), 2 * math.pi * s.double())[:, :, None]
    powers = torch.ones_like(step)
    while powers.shape[2] < count:
        powers = torch.cat([powers, powers[:, :, : count - powers.shape[2]] * step], 2)
        step = step * step
    return torch.stack([powers.real, powers.imag], 2)


def _turned(functions: Tensor) -> Tensor:
    """Derivative by s: 2 pi m (-sine, cosine) of (cosine, sine)."""
    cosine, sine = functions.unbind(2)
    rate = 2 * math.pi * torch.arange(cosine.shape[2], device=cosine.device, dtype=cosine.dtype)[:, None]
    return torch.stack([-rate * sine, rate * cosine], 2)
