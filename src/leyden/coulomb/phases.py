"""Separable plane waves: exp(2 pi i m.s) = X^m1 Y^m2 Z^m3, never an atoms x waves array of sines.

Waves are rows (m1, m2) of a half plane times m3 = 0 ... M, each with both signs of m3. With E = X^m1 Y^m2 and
theta = 2 pi m3 s_z, the amplitude of a row is the real 2 x 2 block (Re E, Im E) x (cos theta, sin theta) summed over
atoms: one batched matrix product. The sign -m3 costs nothing, since exp(-i theta) has the same cosine and sine.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden import segment
from leyden.coulomb.spread import Lattice, multi_indices

BLOCK = 4_000_000
"""Largest number of entries of an atoms x rows array; longer systems go block by block, in memory linear in atoms."""


@dataclass(frozen=True)
class Waves:
    """Integer wave vectors: rows (R, 2) of (m1, m2), with m1 > 0 or m1 = 0 and m2 >= 0; m3 from 0 to top."""

    rows: Tensor
    top: int

    @property
    def both_signs(self) -> Tensor:
        """All (m1, m2, +-m3): (R, top + 1, 2, 3), the last but one axis being the sign of m3."""
        m3 = torch.arange(self.top + 1, device=self.rows.device)
        signed = torch.stack([m3, -m3], 1)
        rows = self.rows[:, None, None, :].expand(-1, *signed.shape, -1)
        return torch.cat([rows, signed[None, :, :, None].expand(len(self.rows), -1, -1, -1)], 3)

    @property
    def multiplicity(self) -> Tensor:
        """2 for a wave that stands for itself and its opposite, 0 for one counted before and k = 0: (R, top + 1, 2)."""
        count = torch.full((len(self.rows), self.top + 1, 2), 2, device=self.rows.device)
        count[:, 0, 1] = 0
        count[(self.rows == 0).all(1), :, 1] = 0
        count[(self.rows == 0).all(1), 0, 0] = 0
        return count


class Phases(Lattice):
    """The waves at fixed fractional coordinates s (N, 3) of atoms sorted into `groups` padded rows by group (N,)."""

    def __init__(self, s: Tensor, group: Tensor, groups: int, waves: Waves) -> None:
        self.waves, self.groups = waves, groups
        order = torch.argsort(group, stable=True)
        start = segment.starts(group[order], groups)
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=s.device) - start[group[order]]
        self.longest = int(start.diff().max())
        self.slot = group * self.longest + rank
        x, y, z = (2 * math.pi * self._pad(s - s.floor())).unbind(2)
        limit = int(waves.rows.abs().amax()) + 1
        powers = torch.arange(-limit, limit + 1, device=s.device, dtype=s.dtype)
        self.x, self.y = (torch.polar(torch.ones_like(t), t) for t in (x[..., None] * powers, y[..., None] * powers))
        self.columns = waves.rows + limit
        angle = z[..., None] * torch.arange(waves.top + 1, device=s.device, dtype=s.dtype)
        self.z = torch.stack([angle.cos(), angle.sin()], 2)
        block = max(1, BLOCK // (groups * len(waves.rows)))
        self.blocks = [slice(a, min(a + block, self.longest)) for a in range(0, self.longest, block)]

    def spread(self, coefficients: Tensor, order: int) -> Tensor:
        """Amplitudes (groups, R, 2, 2, top + 1): real and imaginary part of the row, cosine and sine of m3."""
        padded = self._pad(coefficients)
        shape = (self.groups, 2 * len(self.waves.rows), 2 * (self.waves.top + 1))
        out = padded.new_zeros(shape)
        for block in self.blocks:
            rows = self._rows(block)
            for c in range(order + 1):
                chosen, factors = self._factors(order, c, padded.dtype)
                weight = torch.view_as_complex((padded[:, block, chosen] @ factors).unflatten(2, (-1, 2)))
                out.baddbmm_(torch.view_as_real(rows * weight).flatten(2).mT, self._columns(block, c))
        return out.view(self.groups, len(self.waves.rows), 2, 2, -1)

    def gather(self, amplitudes: Tensor, order: int) -> Tensor:
        """Coefficients (N, number of multi-indices): the transpose of spread."""
        matrix = amplitudes.reshape(self.groups, 2 * len(self.waves.rows), -1).mT
        out = amplitudes.new_empty(self.groups, self.longest, len(multi_indices(order)))
        for block in self.blocks:
            rows = self._rows(block).conj()
            for c in range(order + 1):
                chosen, factors = self._factors(order, c, amplitudes.dtype)
                felt = torch.view_as_complex((self._columns(block, c) @ matrix).unflatten(2, (-1, 2)))
                out[:, block, chosen] = torch.view_as_real(felt * rows).flatten(2) @ factors.mT
        return out.flatten(0, 1)[self.slot]

    def _pad(self, values: Tensor) -> Tensor:
        """(N, ...) -> (groups, longest, ...), zero where a group is shorter."""
        out = values.new_zeros(self.groups * self.longest, *values.shape[1:])
        out[self.slot] = values
        return out.unflatten(0, (self.groups, self.longest))

    def _rows(self, block: slice) -> Tensor:
        """X^m1 Y^m2, (groups, atoms, R) complex."""
        return self.x[:, block, self.columns[:, 0]] * self.y[:, block, self.columns[:, 1]]

    def _columns(self, block: slice, c: int) -> Tensor:
        """The c-th derivative by s_z of (cos, sin), (groups, atoms, 2 (top + 1)): turned by a quarter c times."""
        z = self.z[:, block]
        if c % 2:
            z = z.flip(2) * z.new_tensor([-1.0, 1.0])[:, None]
        scale = (2 * math.pi * torch.arange(self.waves.top + 1, device=z.device, dtype=z.dtype)) ** c
        return (z * (scale if c % 4 < 2 else -scale)).flatten(2)

    def _factors(self, order: int, c: int, dtype: torch.dtype) -> tuple[list[int], Tensor]:
        """Multi-indices with a_z = c, and (2 pi i)^(ax + ay) m1^ax m2^ay as (count, 2 R): real, imaginary, real, ..."""
        chosen = [n for n, a in enumerate(multi_indices(order)) if a[2] == c]
        powers = [multi_indices(order)[n] for n in chosen]
        m = self.waves.rows.to(dtype)
        real = torch.stack([(2 * math.pi) ** (ax + ay) * m[:, 0] ** ax * m[:, 1] ** ay for ax, ay, _ in powers])
        turn = m.new_tensor([[(1, 0), (0, 1), (-1, 0), (0, -1)][(ax + ay) % 4] for ax, ay, _ in powers])
        return chosen, (real[:, :, None] * turn[:, None, :]).flatten(1)
