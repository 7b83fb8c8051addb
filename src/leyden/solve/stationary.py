"""The stationary point of a quadratic energy on the charge plane, by conjugate gradients, with all its derivatives.

E(p) = a.p + 1/2 p.A p with A positive definite along the plane: F(p) = T (a + A p) = 0, T projecting onto the tangent.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leyden.checks import require
from leyden.solve.constraint import Plane
from leyden.solve.implicit import Inverse, reattached
from leyden.solve.linear import Found, Linear, Rows, conjugate_gradients
from leyden.solve.solution import Solution, Status, Unconverged, outcome

SINGLE, DOUBLE = 1e-4, 1e-9
"""Default tolerance of a residual in eV/e, in float32 and float64; roundoff of potentials is a tenth of it."""
ENOUGH = 10.0
"""A residual below this many tolerances counts as solved: roundoff may not allow less."""
RELATIVE = {torch.float32: 1e-5, torch.float64: 1e-11}
"""Tolerance of the equations of derivatives, relative to their right-hand side."""


@dataclass(frozen=True)
class Settings:
    """tolerance of the largest residual: eV/e of a minimum (None: 1e-9, in float32 1e-4), e of a fixed point (1e-11 and
    1e-5); iterations at most; unconverged: 'raise' an error or 'report' it in the solution."""

    tolerance: float | None = None
    iterations: int = 500
    unconverged: str = "raise"

    def __post_init__(self) -> None:
        known = ("raise", "report")
        require(
            self.unconverged in known, f"solver: expected unconverged to be one of {known}, got {self.unconverged!r}."
        )

    def target(self, like: Tensor) -> Tensor:
        """The tolerance of each structure, (S,)."""
        default = SINGLE if like.dtype == torch.float32 else DOUBLE
        return torch.full_like(like, self.tolerance or default)


class Curvature(Inverse):
    """A^-1 along the tangent of a plane, by conjugate gradients; symmetric.

    trained: whether there are derivatives by weights, whose right-hand sides have the arbitrary scale of a loss.
    Otherwise those below the residual of the density are roundoff, and not worth a solve.
    """

    def __init__(
        self, matrix: Linear, precondition: Linear, plane: Plane, rows: Rows, settings: Settings, trained: bool = True
    ) -> None:
        self.matrix, self.precondition, self.plane, self.rows = matrix, precondition, plane, rows
        self.settings, self.trained = settings, trained
        self.floor: Tensor | None = None

    def solve(self, b: Tensor, tolerance: Tensor) -> Found:
        """A^-1 b for b on the tangent, to a largest residual (S,)."""
        return conjugate_gradients(
            lambda x: self.plane.tangent(self.matrix(x)), b, self.precondition, self.rows, tolerance,
            self.settings.iterations,
        )  # fmt: skip

    def __call__(self, b: Tensor) -> Tensor:
        """A^-1 T b, relative to b and not below the residual with which the density was found."""
        with torch.no_grad():
            b = self.plane.tangent(self.plane.tangent(b))  # twice: what is left of a stationary point is roundoff
            size = self.rows.largest(b)
            tolerance = RELATIVE[b.dtype] * size + (0.0 if self.floor is None else self.floor)
            found = self.solve(b, tolerance)
        require_derivatives(found.residual, tolerance, size, self.settings)
        return found.x

    @property
    def transposed(self) -> Inverse:
        """Itself; where weights are trained, without a floor."""
        if not self.trained:
            return self
        return Curvature(self.matrix, self.precondition, self.plane, self.rows, self.settings)


def stationary(force: Callable[[Tensor], Tensor], inverse: Curvature, start: Tensor, times: int = 1) -> Solution:
    """Where the force a + A p (N, dim), differentiable in p and in all that it depends on, is normal to the plane.

    Starts at a density (N, dim) and gives the solution so many derivatives of the root. Raises Unconverged.
    """
    plane, rows, settings = inverse.plane, inverse.rows, inverse.settings
    with torch.no_grad():
        first = plane.onto(start)
        b = -plane.tangent(force(first))
        target = settings.target(b.new_zeros(rows.count))
        found = inverse.solve(b, target)
    density = plane.onto(first + found.x)
    left = force(density)
    final = left.detach()
    residual = rows.largest(plane.tangent(final))
    none = torch.full_like(residual, torch.nan)
    solution = Solution(
        density,
        found.iterations,
        residual,
        outcome(residual <= ENOUGH * target, ~residual.isfinite(), found.curvature <= 0),
        chemical_potential(plane, rows, final),
        torch.where(found.curvature.isinf(), none, found.curvature),
        none,
    )
    if settings.unconverged == "raise":
        solution.require()
    inverse.floor = 2.0 * torch.maximum(residual, 0.01 * target)
    first = reattached(density, lambda _: plane.tangent(left), inverse)
    return replace(solution, density=reattached(first, lambda p: plane.tangent(force(p)), inverse, times - 1))


def require_derivatives(residual: Tensor, tolerance: Tensor, size: Tensor, settings: Settings) -> None:
    """Raise Unconverged where the equations of derivatives, right-hand sides of a size (S,), are far from solved."""
    if bool((residual <= 100 * tolerance).all()) or settings.unconverged != "raise":
        return
    worst = int((residual / tolerance).nan_to_num(torch.inf).argmax())
    raise Unconverged(
        f"charges: expected converged derivatives, got a residual of {residual[worst]:.2g} of"
        f" {size[worst]:.2g} for structure {worst}: {Status.LIMIT.value}."
    )


def chemical_potential(plane: Plane, rows: Rows, force: Tensor) -> Tensor:
    """The multiplier of the first held group of each structure, (S,); NaN without one."""
    each = plane.multiplier(force)
    atom = plane.held[plane.group].nonzero().squeeze(1).flip(0)
    out = each.new_full((rows.count,), torch.nan)
    out[rows.index[atom]] = each[plane.group[atom]]
    return out
