"""Preconditioner of one block for each atom, kept on the charge plane.

For blocks B (N, dim, dim), z = B^-1 r - B^-1 c lambda with C z = 0: the solution of the equations with all interaction
between atoms left out.
"""

import torch
from torch import Tensor

from leyden.solve.constraint import Plane


class Blocks:
    """Symmetric positive definite blocks (N, dim, dim) on a plane."""

    def __init__(self, blocks: Tensor, plane: Plane) -> None:
        self.inverse, self.plane = torch.linalg.inv(blocks), plane
        self.toward = self.inverse[:, :, plane.columns].sum(2)
        weight = plane.charge(self.toward)
        self.weight = torch.where(plane.held, 1.0 / weight, 0.0)

    def __call__(self, r: Tensor) -> Tensor:
        """z of r (N, dim)."""
        z = torch.einsum("nab,nb->na", self.inverse, r)
        return z - self.toward * (self.weight * self.plane.charge(z))[self.plane.group, None]
