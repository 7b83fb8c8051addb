"""One rule for the derivatives of every lattice sum.

The density reaches the lattice by a linear map, S = A(s) c (lattice.py), whose coefficients belong to derivatives by
the fractional coordinates s: charges are order 0, dipoles order 1, quadrupoles order 2. Moving a site raises the order,

    dS/ds_x = A(s) (c raised by one in x),

so the map and its transpose, called with higher orders, are each other's derivatives, to any order. The derivative by
the coefficients and the one by the coordinates are separate nodes of the graph: each is evaluated only where asked for.
"""

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from leyden.coulomb.lattice import Lattice
from leyden.density.harmonics import multi_indices


@cache
def raised(order: int) -> list[list[int]]:
    """For each axis, where the multi-indices up to `order` stand after raising that axis by one."""
    higher = {a: n for n, a in enumerate(multi_indices(order + 1))}
    return [[higher[_up(a, axis)] for a in multi_indices(order)] for axis in range(3)]


def _up(a: tuple[int, int, int], axis: int) -> tuple[int, int, int]:
    return a[0] + (axis == 0), a[1] + (axis == 1), a[2] + (axis == 2)


def spread(coefficients: Tensor, s: Tensor, lattice: Lattice, order: int) -> Tensor:
    """S = A(s) c as a differentiable function of c (M, n) and s (M, 3)."""
    return _apply(coefficients, s, lattice, order, gathers=False)


def gather(amplitudes: Tensor, s: Tensor, lattice: Lattice, order: int) -> Tensor:
    """c = A(s)^T S as a differentiable function of S and s (M, 3)."""
    return _apply(amplitudes, s, lattice, order, gathers=True)


def _apply(x: Tensor, s: Tensor, lattice: Lattice, order: int, gathers: bool) -> Tensor:
    out = _Linear.apply(x, _Map(s, lattice, order, gathers))
    moves = torch.is_grad_enabled() and s.requires_grad
    return out + _Moving.apply(s, out.detach(), (x, _Map(s, lattice, order, gathers))) if moves else out


class _Map(NamedTuple):
    """The map and its coordinates. Autograd does not look inside: what is kept here has a history of its own, but is
    no input of the node that keeps it."""

    s: Tensor
    lattice: Lattice
    order: int
    gathers: bool


class _Linear(torch.autograd.Function):
    """Spread or gather as a function of what it is applied to."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kept: _Map) -> Tensor:
        """The map, or its transpose."""
        ctx.kept = kept
        return kept.lattice.gather(x, kept.order) if kept.gathers else kept.lattice.spread(x, kept.order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The other one of the two."""
        s, lattice, order, gathers = ctx.kept
        return _apply(gradients[0], s, lattice, order, not gathers), None


class _Moving(torch.autograd.Function):
    """Zero, with the derivative of spread or gather by the coordinates."""

    @staticmethod
    def forward(ctx: Any, s: Tensor, like: Tensor, kept: tuple[Tensor, _Map]) -> Tensor:
        """Zeros of the shape of the result."""
        ctx.kept = kept
        return like.new_zeros(()).expand(like.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """sum_a c_a (A^T S)_{a raised in x}, (M, 3)."""
        x, (s, lattice, order, gathers) = ctx.kept
        coefficients, amplitudes = (gradients[0], x) if gathers else (x, gradients[0])
        felt = gather(amplitudes, s, lattice, order + 1)
        return torch.stack([(coefficients * felt[:, up]).sum(1) for up in raised(order)], 1), None, None
