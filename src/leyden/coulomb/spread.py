"""One rule for the derivatives of every lattice sum.

The density reaches the lattice by a linear map, S = A(s) c, with fractional coordinates s and coefficients c_ia of the
derivatives d^a/ds^a, a = (a_x, a_y, a_z), |a| <= order: charges are order 0, dipoles order 1. Moving an atom raises the
order,

    dS/ds_x = A(s) (c raised by one in x),

so the map and its transpose, called with higher orders, are each other's derivatives, to any order.
"""

from abc import ABC, abstractmethod
from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor


@cache
def multi_indices(order: int) -> list[tuple[int, int, int]]:
    """All (a_x, a_y, a_z) with sum at most `order`, lower orders first, so that a shorter list is a prefix."""
    degrees = range(order + 1)
    every = [(x, y, z) for x, y, z in product(degrees, degrees, degrees) if x + y + z <= order]
    return sorted(every, key=lambda a: (sum(a), tuple(-n for n in a)))


@cache
def raised(order: int) -> list[list[int]]:
    """For each axis, where the multi-indices up to `order` stand after raising that axis by one."""
    higher = {a: n for n, a in enumerate(multi_indices(order + 1))}
    return [[higher[_up(a, axis)] for a in multi_indices(order)] for axis in range(3)]


def _up(a: tuple[int, int, int], axis: int) -> tuple[int, int, int]:
    return a[0] + (axis == 0), a[1] + (axis == 1), a[2] + (axis == 2)


class Lattice(ABC):
    """A linear map between coefficients on atoms and amplitudes on a lattice, at fixed coordinates."""

    @abstractmethod
    def spread(self, coefficients: Tensor, order: int) -> Tensor:
        """S = A c: coefficients (N, number of multi-indices) -> amplitudes."""

    @abstractmethod
    def gather(self, amplitudes: Tensor, order: int) -> Tensor:
        """c = A^T S: amplitudes -> (N, number of multi-indices)."""


class Spread(torch.autograd.Function):
    """S = A(s) c as a differentiable function of c (N, n) and s (N, 3)."""

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, s: Tensor, lattice: Lattice, order: int) -> Tensor:
        """Amplitudes."""
        ctx.save_for_backward(coefficients, s)
        ctx.lattice, ctx.order = lattice, order
        return lattice.spread(coefficients, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Transpose, one order higher for the coordinates."""
        coefficients, s = ctx.saved_tensors
        moving = ctx.needs_input_grad[1]
        felt = Gather.apply(gradients[0], s, ctx.lattice, ctx.order + moving)
        return felt[:, : coefficients.shape[1]], _moved(coefficients, felt, ctx.order) if moving else None, None, None


class Gather(torch.autograd.Function):
    """c = A(s)^T S as a differentiable function of S and s (N, 3)."""

    @staticmethod
    def forward(ctx: Any, amplitudes: Tensor, s: Tensor, lattice: Lattice, order: int) -> Tensor:
        """Coefficients."""
        ctx.save_for_backward(amplitudes, s)
        ctx.lattice, ctx.order = lattice, order
        return lattice.gather(amplitudes, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Transpose, and the gathered values one order higher for the coordinates."""
        amplitudes, s = ctx.saved_tensors
        back = Spread.apply(gradients[0], s, ctx.lattice, ctx.order) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return back, None, None, None
        felt = Gather.apply(amplitudes, s, ctx.lattice, ctx.order + 1)
        return back, _moved(gradients[0], felt, ctx.order), None, None


def _moved(coefficients: Tensor, felt: Tensor, order: int) -> Tensor:
    """sum_a c_a felt_{a raised in x}, for each axis: (N, 3)."""
    return torch.stack([(coefficients * felt[:, up]).sum(1) for up in raised(order)], 1)
