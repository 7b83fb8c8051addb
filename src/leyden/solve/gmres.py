"""Linear equations of many structures at once: A x = b with any regular A, structure by structure.

Restarted GMRES (Saad & Schultz, SIAM J. Sci. Stat. Comput. 7, 856): with an orthonormal basis V of the space of r, A r,
A^2 r, ... (m vectors) and A V_m = V_{m+1} H, x = V y minimises the residual | |r| e_1 - H y |, by rotations of H. A
preconditioner M stands to the right, A M^-1 for A. Each structure has its own H and rests when it is solved. The
eigenvalues of H approximate those of A.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.solve.linear import Linear, Rows

RESTART = 40
"""Vectors of the basis."""


@dataclass(frozen=True)
class Reached:
    """x (N, dim); iterations (S,); residual (S,): largest of b - A x; hessenberg (S, m, m) of the longest cycle."""

    x: Tensor
    iterations: Tensor
    residual: Tensor
    hessenberg: Tensor

    @property
    def eigenvalues(self) -> Tensor:
        """Of A M^-1 as the basis saw it, (S, m) complex; NaN for a structure where nothing was iterated."""
        fine = self.hessenberg.isfinite().all(2).all(1) & (self.iterations > 0)
        matrix = torch.where(fine[:, None, None], self.hessenberg, 0.0).cpu().double()
        values = torch.linalg.eigvals(matrix).to(self.x.device)
        return torch.where(fine[:, None], values, torch.nan)

    @property
    def radius(self) -> Tensor:
        """Largest |eigenvalue| of 1 - A M^-1 as the basis saw it, (S,); NaN where nothing was iterated."""
        return (1.0 - self.eigenvalues).abs().amax(1).to(self.x)


class _Space:
    """The basis that grows from a residual, the Hessenberg matrices of all structures, and their rotations."""

    def __init__(self, r: Tensor, going: Tensor, rows: Rows, width: int) -> None:
        self.rows, self.size = rows, rows.dot(r, r).sqrt()
        self.basis = r.new_zeros(width + 1, *r.shape)
        self.basis[0] = self._scaled(r, self.size, going)
        self.hessenberg = r.new_zeros(rows.count, width + 1, width)
        self.triangle = torch.eye(width, dtype=r.dtype, device=r.device).repeat(rows.count, 1, 1)
        self.turn = torch.eye(width + 1, dtype=r.dtype, device=r.device).repeat(rows.count, 1, 1)
        self.taken = torch.zeros_like(self.size, dtype=torch.long)

    def grow(self, image: Tensor, j: int, going: Tensor) -> Tensor:
        """Add A v_j, (N, dim), for the structures that go on, (S,): the norm of what is left of the residual, (S,)."""
        column = self.size.new_zeros(self.rows.count, len(self.basis))
        image, column[:, : j + 1] = self.rows.orthogonal(image, self.basis[: j + 1])
        norm = self.rows.dot(image, image).sqrt()
        norm = torch.where(norm > torch.finfo(norm.dtype).eps * column.norm(dim=1), norm, 0.0)
        column[:, j + 1] = norm
        self.basis[j + 1] = self._scaled(image, norm, going)
        turned = torch.einsum("sab,sb->sa", self.turn, column)
        length = torch.hypot(turned[:, j], turned[:, j + 1])
        moving = going & (length > 0)
        self._rotate(turned, length, j, moving)
        self.hessenberg[:, :, j] = torch.where(moving[:, None], column, 0.0)
        self.taken += moving
        return torch.where(moving, self.size * self.turn[:, j + 1, 0].abs(), 0.0)

    def step(self) -> Tensor:
        """V y, (N, dim)."""
        right = torch.where(self._active, self.size[:, None] * self.turn[:, :-1, 0], 0.0)
        y = torch.linalg.solve_triangular(self.triangle, right[:, :, None], upper=True)[:, :, 0]
        return torch.einsum("kna,nk->na", self.basis[:-1], y[self.rows.index])

    @property
    def square(self) -> Tensor:
        """H (S, m, m) without its last row; 1 on the diagonal of what a structure did not use."""
        both = self._active[:, :, None] & self._active[:, None, :]
        one = torch.eye(both.shape[1], dtype=self.size.dtype, device=self.size.device)
        return torch.where(both, self.hessenberg[:, :-1], one)

    @property
    def _active(self) -> Tensor:
        return torch.arange(self.triangle.shape[1], device=self.taken.device) < self.taken[:, None]

    def _scaled(self, vector: Tensor, norm: Tensor, going: Tensor) -> Tensor:
        used = going & (norm > 0)
        unit = vector / torch.where(used, norm, 1.0)[self.rows.index, None]
        return torch.where(used[self.rows.index, None], unit, 0.0)

    def _rotate(self, turned: Tensor, length: Tensor, j: int, moving: Tensor) -> None:
        """Turn the entry below the diagonal of column j to zero."""
        safe = torch.where(moving, length, 1.0)
        cosine, sine = (
            torch.where(moving, x, y) for x, y in ((turned[:, j] / safe, 1.0), (turned[:, j + 1] / safe, 0.0))
        )
        first, second = self.turn[:, j].clone(), self.turn[:, j + 1].clone()
        self.turn[:, j] = cosine[:, None] * first + sine[:, None] * second
        self.turn[:, j + 1] = cosine[:, None] * second - sine[:, None] * first
        column = torch.cat([turned[:, :j], length[:, None]], 1)
        self.triangle[:, : j + 1, j] = torch.where(moving[:, None], column, self.triangle[:, : j + 1, j])


def gmres(
    matrix: Linear,
    b: Tensor,
    rows: Rows,
    tolerance: Tensor,
    limit: int,
    precondition: Linear | None = None,
    restart: int = RESTART,
) -> Reached:
    """Solve until the largest residual of each structure is below its tolerance (S,), from x = 0.

    Ends early for a structure whose residual a whole cycle does not reduce, or with numbers that are not finite.
    """
    x, r, width = torch.zeros_like(b), b, max(min(restart, limit), 1)
    iterations = torch.zeros(rows.count, dtype=torch.long, device=b.device)
    residual = rows.largest(r)
    longest, kept = iterations, b.new_zeros(rows.count, width, width)
    going = residual > tolerance
    while bool(going.any()) and int(iterations.max()) < limit:
        space, active = _Space(r, going, rows, width), going
        for j in range(min(width, limit - int(iterations.max()))):
            v = space.basis[j]
            left = space.grow(matrix(v if precondition is None else precondition(v)), j, active)
            active = active & (left > tolerance)
            if not bool(active.any()):
                break
        step = space.step()
        x = x + (step if precondition is None else precondition(step))
        r = b - matrix(x)
        kept = torch.where((space.taken > longest)[:, None, None], space.square, kept)
        longest, iterations = torch.maximum(longest, space.taken), iterations + space.taken
        residual = rows.largest(r)
        going = going & (residual > tolerance) & (rows.dot(r, r).sqrt() < space.size)
    used = max(int(longest.max()), 1)
    return Reached(x, iterations, residual, kept[:, :used, :used])
