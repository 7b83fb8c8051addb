"""Irreducible representations as e3nn lays them out, and Cartesian features out of them.

"64x0e + 32x1o + 16x2e" is 64 scalars, 32 vectors and 16 tensors of rank two, one after the other. Within a block the
components of one channel are neighbors ("mul_ir", the order of e3nn) or the channels of one component ("ir_mul").
Vectors are (x, y, z); the five components of a tensor are xz, xy, yy, yz, zz - xx, in an orthonormal basis. Features
that change otherwise under reflections (0o, 1e, 2o) and those of higher rank are left out.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from leyden.checks import InputError
from leyden.density.harmonics import second_moments
from leyden.features import Channels, Features

KEPT = {"0e": 0, "1o": 1, "2e": 2}
"""What scalars, vectors and tensors are called."""

Order = Literal["mul_ir", "ir_mul"]


@dataclass(frozen=True)
class Block:
    """`count` channels of 2 rank + 1 components each; kept: whether they are features."""

    count: int
    rank: int
    kept: bool

    @property
    def size(self) -> int:
        """Numbers an atom has."""
        return self.count * (2 * self.rank + 1)


class Layout:
    """What an array of features (N, size) means. Raises InputError for what is no string of irreps."""

    def __init__(self, irreps: str, order: Order = "mul_ir") -> None:
        self.irreps, self.order = irreps, order
        self.blocks = tuple(_block(part) for part in irreps.replace(" ", "").split("+") if part)

    @property
    def size(self) -> int:
        """Numbers an atom has."""
        return sum(block.size for block in self.blocks)

    @property
    def channels(self) -> Channels:
        """How many scalars, vectors and tensors there are."""
        counts = [sum(b.count for b in self.blocks if b.kept and b.rank == rank) for rank in range(3)]
        return Channels(*counts)

    def features(self, energy: Tensor, x: Tensor) -> Features:
        """Energy (N,) eV and features x (N, size), as Cartesian ones."""
        parts: list[list[Tensor]] = [[], [], []]
        for block, columns in zip(self.blocks, x.split([b.size for b in self.blocks], dim=1), strict=True):
            if block.kept:
                parts[block.rank].append(self._components(block, columns))
        scalars, vectors, tensors = (
            torch.cat(each, -1) if each else x.new_zeros(len(x), 2 * rank + 1, 0) for rank, each in enumerate(parts)
        )
        basis = math.sqrt(1.5) * second_moments(x)
        return Features(energy, scalars[:, 0], vectors, torch.einsum("nmc,mij->nijc", tensors, basis))

    def _components(self, block: Block, columns: Tensor) -> Tensor:
        """(N, 2 rank + 1, count)."""
        if self.order == "ir_mul":
            return columns.unflatten(1, (2 * block.rank + 1, block.count))
        return columns.unflatten(1, (block.count, 2 * block.rank + 1)).transpose(1, 2)


def polar(count: int, lmax: int) -> str:
    """`count` scalars, vectors, ... up to rank lmax, which change under reflections as products of vectors do."""
    return "+".join(f"{count}x{rank}{'eo'[rank % 2]}" for rank in range(lmax + 1))


def _block(text: str) -> Block:
    found = re.fullmatch(r"(?:(\d+)x)?(\d+)([eo])", text)
    if not found:
        raise InputError(f"irreps: expected a sum of terms such as 64x0e or 32x1o, got {text!r}; correct it.")
    return Block(int(found[1] or 1), int(found[2]), found[2] + found[3] in KEPT)
