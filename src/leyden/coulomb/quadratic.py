"""The energy of a lattice sum from its amplitudes, E = 1/2 sum G |S|^2, in few passes over the waves."""

from typing import Any

import torch
from torch import Tensor

from leyden import segment


def quadratic(weights: Tensor, amplitudes: Tensor, owner: Tensor, count: int) -> Tensor:
    """1/2 sum G S^2 of each structure (count,), for G and S (K, 2) of waves that belong to owner (K,)."""
    return _Quadratic.apply(weights, amplitudes, owner, count)


class _Quadratic(torch.autograd.Function):
    """As products and a sum, autograd would keep and multiply each factor on its own."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, amplitudes: Tensor, owner: Tensor, count: int) -> Tensor:
        """The energies."""
        ctx.save_for_backward(weights, amplitudes, owner)
        if count == 1:
            return 0.5 * segment.dot(weights * amplitudes, amplitudes)[None]
        return 0.5 * segment.energy((weights * amplitudes * amplitudes).sum(1), owner, count)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """G S, and S^2 / 2."""
        weights, amplitudes, owner = ctx.saved_tensors
        g = segment.each(gradients[0], owner)[:, None]
        by_weights = 0.5 * g * amplitudes * amplitudes if ctx.needs_input_grad[0] else None
        return by_weights, g * weights * amplitudes if ctx.needs_input_grad[1] else None, None, None
