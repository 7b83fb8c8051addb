"""The one derivative rule: a density that was found without gradients is given those of the equation it solves.

With F(p; x) = 0 at the root and A = dF/dp there, held fixed, n steps of

    p <- p - A^-1 F(p; x),        F differentiable in p and in all that it depends on,

leave the value (F vanishes) and give n derivatives of p by x. "Apply A^-1" is the only function with a rule of its own:
its derivative is "apply A^-T", itself, so that any order follows, in memory that does not grow with the iterations of
any solver. For an energy that is stationary in p, n = 1 is exact for three derivatives of the energy (the 2n + 1
theorem): forces, their training, Born charges and theirs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Inverse(ABC):
    """A^-1 at the root, of arrays (N, dim)."""

    @abstractmethod
    def __call__(self, b: Tensor) -> Tensor:
        """A^-1 b, without gradients."""

    @property
    @abstractmethod
    def transposed(self) -> "Inverse":
        """A^-T."""


def reattached(density: Tensor, residual: Callable[[Tensor], Tensor], inverse: Inverse, times: int = 1) -> Tensor:
    """The density (N, dim), a root of the residual, with derivatives up to the order `times`."""
    for _ in range(times):
        density = density - _Apply.apply(residual(density), inverse)
    return density


class _Apply(torch.autograd.Function):
    """A^-1 as a linear function."""

    @staticmethod
    def forward(ctx: Any, b: Tensor, inverse: Inverse) -> Tensor:
        """A^-1 b."""
        ctx.inverse = inverse
        return inverse(b)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """A^-T g."""
        return _Apply.apply(gradients[0], ctx.inverse.transposed), None
