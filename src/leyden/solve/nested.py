"""Preconditioner that solves approximate equations: z with A z = r roughly, for an A that is cheap to apply.

Conjugate gradients within conjugate gradients (Golub & Ye, SIAM J. Sci. Comput. 21, 1305): how many outer steps there
are depends on the accuracy of the inner ones and of their A, not on how many of these it takes.
"""

import torch
from torch import Tensor

from leyden.solve.constraint import Plane
from leyden.solve.linear import Linear, Rows, conjugate_gradients

LEFT = 1e-2
"""Part of r that the inner steps leave."""
LIMIT = 200
"""Inner steps at most."""


class Nested:
    """A map A, nearly that of the equations, with a preconditioner of its own that keeps to the plane."""

    def __init__(self, matrix: Linear, precondition: Linear, plane: Plane, rows: Rows) -> None:
        self.matrix, self.precondition, self.plane, self.rows = matrix, precondition, plane, rows

    def __call__(self, r: Tensor) -> Tensor:
        """z of r (N, dim); by the preconditioner alone where A, being approximate, has a negative curvature at once."""
        r = self.plane.tangent(r)
        found = conjugate_gradients(
            lambda x: self.plane.tangent(self.matrix(x)), r, self.precondition, self.rows,
            LEFT * self.rows.largest(r), LIMIT,
        )  # fmt: skip
        stuck = (found.iterations == 0)[self.rows.index, None]
        return torch.where(stuck, self.precondition(r), found.x)
