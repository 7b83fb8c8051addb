"""Linear equations of many structures at once: A x = b with A symmetric positive definite, structure by structure.

Conjugate gradients with a preconditioner (Hestenes & Stiefel 1952): each structure has its own steps, and rests when
its residual is below its tolerance. A and the preconditioner are functions; both may project onto a subspace. A
direction is z + (r - r').z / (r'.z') d, with primes for the step before, so that the preconditioner need not be quite
linear (Golub & Ye, SIAM J. Sci. Comput. 21, 1305); where it is, r'.z = 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden import segment

Linear = Callable[[Tensor], Tensor]
"""A linear map of arrays (N, dim)."""


@dataclass(frozen=True)
class Rows:
    """Rows (N,) of an array belong to structures index (N,), ascending, of `count`."""

    index: Tensor
    count: int

    def dot(self, a: Tensor, b: Tensor) -> Tensor:
        """a.b of each structure, (S,)."""
        return segment.total((a * b).sum(1), self.index, self.count)

    @property
    def place(self) -> Tensor:
        """Of each row in its structure, (N,) from 0."""
        return (
            torch.arange(len(self.index), device=self.index.device) - segment.starts(self.index, self.count)[self.index]
        )

    def asymmetric(self, like: Tensor) -> Tensor:
        """An array like (N, dim) that no symmetry of a structure keeps, the same in any batch."""
        component = torch.arange(like.shape[1], device=like.device)
        return torch.cos(2.0 * self.place[:, None] ** 1.5 + component).to(like.dtype)

    def orthogonal(self, a: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
        """What is left of a (N, dim) without a basis (k, N, dim), and its coefficients (S, k) in that.

        Two passes of the classical Gram-Schmidt process leave it as orthogonal as two of the modified one, in products
        of whole blocks (Giraud et al., Numer. Math. 101, 87).
        """
        coefficients = a.new_zeros(self.count, len(basis))
        for _ in range(2):
            along = segment.total(torch.einsum("kna,na->nk", basis, a), self.index, self.count)
            a = a - torch.einsum("kna,nk->na", basis, along[self.index])
            coefficients += along
        return a, coefficients

    def largest(self, a: Tensor) -> Tensor:
        """The largest |entry| of each structure, (S,)."""
        size = a.abs().amax(1)
        return size.new_zeros(self.count).scatter_reduce(0, self.index, size, "amax")


@dataclass(frozen=True)
class Found:
    """x (N, dim); iterations (S,); residual (S,): largest of b - A x; curvature (S,): smallest d.A d / d.d met."""

    x: Tensor
    iterations: Tensor
    residual: Tensor
    curvature: Tensor


def conjugate_gradients(
    matrix: Linear, b: Tensor, precondition: Linear, rows: Rows, tolerance: Tensor, limit: int
) -> Found:
    """Solve until the largest residual of each structure is below its tolerance (S,).

    Ends early for a structure with a direction of curvature 0 or less, or with numbers that are not finite.
    """
    x, r, d, before = torch.zeros_like(b), b, torch.zeros_like(b), b
    residual = rows.largest(r)
    iterations = torch.zeros(rows.count, dtype=torch.long, device=b.device)
    old, curvature = torch.ones_like(residual), torch.full_like(residual, torch.inf)
    going = residual > tolerance
    while bool(going.any()) and int(iterations.max()) < limit:
        z = precondition(torch.where(going[rows.index, None], r, 0.0))
        ratio = torch.where(going, rows.dot(r - before, z) / old, 0.0)
        d = z + ratio[rows.index, None] * d
        turned = matrix(d)
        old, along = rows.dot(r, z), rows.dot(d, turned)
        curvature = torch.where(going, torch.minimum(curvature, along / rows.dot(d, d)), curvature)
        going = going & (along > 0) & along.isfinite()
        step = torch.where(going, old / along, 0.0)[rows.index, None]
        before, x, r = r, x + step * d, r - step * turned
        residual = rows.largest(r)
        iterations += going
        going = going & (residual > tolerance)
    return Found(x, iterations, residual, curvature)
