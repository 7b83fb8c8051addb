"""Per-structure reductions over a flat batch: atoms carry the index of their structure."""

from dataclasses import dataclass

import torch
from torch import Tensor


def total(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Sum the rows of values (N, ...) that share an index (N,): result (count, ...)."""
    if count == 1:
        return values.sum(0, keepdim=True)
    out = values.new_zeros((count, *values.shape[1:]))
    return out.index_add(0, index, values)


def energy(values: Tensor, index: Tensor, count: int) -> Tensor:
    """The same for many small contributions, added in double and returned in their dtype."""
    return total(values.double(), index, count).to(values.dtype)


def dot(first: Tensor, second: Tensor) -> Tensor:
    """Sum of all products, added in double and returned in their dtype."""
    return torch.dot(first.flatten().double(), second.flatten().double()).to(first.dtype)


def each(values: Tensor, index: Tensor) -> Tensor:
    """The row of values (count, ...) that belongs to every index (N,); a single row stays one, for broadcasting."""
    return values if len(values) == 1 else values[index]


def mean(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Mean of the rows of values (N, ...) that share an index; an empty structure gives zero."""
    size = torch.bincount(index, minlength=count).clamp(min=1).to(values.dtype)
    return total(values, index, count) / size.view(-1, *[1] * (values.dim() - 1))


def starts(index: Tensor, count: int) -> Tensor:
    """First atom of each structure for a sorted index (N,): result (count + 1,), the last entry is N."""
    size = torch.bincount(index, minlength=count)
    return torch.cat([size.new_zeros(1), size.cumsum(0)])


@dataclass(frozen=True)
class Padding:
    """Rows of an array (M, n) in matrices: structure index (M,), slot (M,) within it, the number of slots."""

    index: Tensor
    slot: Tensor
    count: int
    slots: int

    @staticmethod
    def of(index: Tensor, count: int) -> "Padding":
        """For ascending structures index (M,)."""
        start = starts(index, count)
        slot = torch.arange(len(index), device=index.device) - start[index]
        return Padding(index, slot, count, int(start.diff().max()))

    def pack(self, values: Tensor) -> Tensor:
        """(M, n) -> (S, slots n), zero where a structure is shorter."""
        out = values.new_zeros(self.count, self.slots, values.shape[1])
        out[self.index, self.slot] = values
        return out.flatten(1)

    def unpack(self, packed: Tensor) -> Tensor:
        """Back."""
        return packed.unflatten(1, (self.slots, -1))[self.index, self.slot]
