"""One rule for the derivatives of every lattice sum.

The density reaches the lattice by a linear map, S = A(s) c (lattice.py), whose coefficients belong to derivatives by
the fractional coordinates s: charges are order 0, dipoles order 1, quadrupoles order 2. Moving a site raises the order,

    dS/ds_x = A(s) (c raised by one in x),

so the map and its transpose, called with higher orders, are each other's derivatives, to any order. The derivative by
the coefficients and the one by the coordinates are separate nodes of the graph: each is evaluated only where asked for.
"""

from functools import cache
from typing import Any

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
    out = _Linear.apply(coefficients, s, lattice, order, False)
    return out + _Moving.apply(s, coefficients, out.detach(), lattice, order, False) if s.requires_grad else out


def gather(amplitudes: Tensor, s: Tensor, lattice: Lattice, order: int) -> Tensor:
    """c = A(s)^T S as a differentiable function of S and s (M, 3)."""
    out = _Linear.apply(amplitudes, s, lattice, order, True)
    return out + _Moving.apply(s, amplitudes, out.detach(), lattice, order, True) if s.requires_grad else out


class _Linear(torch.autograd.Function):
    """Spread or gather as a function of what it is applied to."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: Tensor, lattice: Lattice, order: int, gathers: bool) -> Tensor:
        """The map, or its transpose."""
        ctx.save_for_backward(s)
        ctx.lattice, ctx.order, ctx.gathers = lattice, order, gathers
        return lattice.gather(x, order) if gathers else lattice.spread(x, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        """The other one of the two."""
        (s,) = ctx.saved_tensors
        transpose = spread if ctx.gathers else gather
        return transpose(gradients[0], s, ctx.lattice, ctx.order), None, None, None, None


class _Moving(torch.autograd.Function):
    """Zero, with the derivative of spread or gather by the coordinates."""

    @staticmethod
    def forward(
        ctx: Any, s: Tensor, x: Tensor, shape: Tensor, lattice: Lattice, order: int, gathers: bool
    ) -> Tensor:
        """Zeros of the shape of the result."""
        ctx.save_for_backward(s, x)
        ctx.lattice, ctx.order, ctx.gathers = lattice, order, gathers
        return shape.new_zeros(()).expand(shape.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        """sum_a c_a (A^T S)_{a raised in x}, (M, 3)."""
        s, x = ctx.saved_tensors
        coefficients, amplitudes = (gradients[0], x) if ctx.gathers else (x, gradients[0])
        felt = gather(amplitudes, s, ctx.lattice, ctx.order + 1)
        moved = torch.stack([(coefficients * felt[:, up]).sum(1) for up in raised(ctx.order)], 1)
        return moved, None, None, None, None, None
