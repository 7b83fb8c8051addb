"""Contract of a step of Newton's method for p = g(p): A d = b with A = 1 - dg/dp."""

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from leyden.solve.implicit import Inverse


@dataclass(frozen=True)
class Step:
    """x (N, dim); iterations (S,); residual (S,): largest of b - A x; radius (S,): of dg/dp, NaN where unknown;
    turned (S,) bool: whether a real eigenvalue of dg/dp was seen above 1."""

    x: Tensor
    iterations: Tensor
    residual: Tensor
    radius: Tensor
    turned: Tensor


class Newton(Inverse):
    """A^-1 at a density."""

    @abstractmethod
    def step(self, b: Tensor, tolerance: Tensor, limit: int) -> Step:
        """A^-1 b to a largest residual (S,), by no more iterations than the limit."""
