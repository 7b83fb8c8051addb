"""The density that a map gives back, p = g(p), with all its derivatives.

Newton's method, A d = g(p) - p with A = 1 - dg/dp, needs one step for an affine map, whatever the spectral radius of
dg/dp is (above one, the plain cycle p <- g(p) diverges). Where a step does not reduce g(p) - p, Anderson mixing goes on
(anderson.py). A is applied from the map alone (Cycle) or, for small structures, a matrix that is factorised once
(factored.py).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leyden.solve.anderson import Map, anderson
from leyden.solve.constraint import Plane
from leyden.solve.gmres import gmres
from leyden.solve.implicit import reattached
from leyden.solve.linear import Rows
from leyden.solve.newton import Newton, Step
from leyden.solve.slope import Slope
from leyden.solve.solution import Solution, outcome
from leyden.solve.stationary import ENOUGH, RELATIVE, Settings, require_derivatives

SINGLE, DOUBLE = 1e-5, 1e-11
"""Default tolerance of a residual in e (e Å for dipoles), in float32 and float64."""

REAL = 1e-6
"""Relative size of an imaginary part that is roundoff."""


class Cycle(Newton):
    """(1 - dg/dp)^-1, or its transpose, by GMRES.

    A right-hand side below the floor (S,), such as roundoff of the residual of the density, gives zero.
    """

    def __init__(
        self, slope: Slope, rows: Rows, settings: Settings, flipped: bool = False, floor: Tensor | None = None
    ) -> None:
        self.slope, self.rows, self.settings, self.flipped, self.floor = slope, rows, settings, flipped, floor

    def step(self, b: Tensor, tolerance: Tensor, limit: int) -> Step:
        """A^-1 b to a largest residual (S,)."""
        turned = self.slope.backward if self.flipped else self.slope.forward
        found = gmres(lambda x: x - turned(x), b, self.rows, tolerance, limit)
        values = found.eigenvalues
        real = values.imag.abs() <= REAL * values.abs().amax(1, keepdim=True)
        return Step(found.x, found.iterations, found.residual, found.radius, ((values.real < 0) & real).any(1))

    def __call__(self, b: Tensor) -> Tensor:
        """A^-1 b, relative to b. Raises Unconverged."""
        with torch.no_grad():
            size = self.rows.largest(b)
            tolerance = RELATIVE[b.dtype] * size + (0.0 if self.floor is None else self.floor)
            found = self.step(b, tolerance, self.settings.iterations)
        require_derivatives(found.residual, tolerance, size, self.settings)
        return found.x

    @property
    def transposed(self) -> Newton:
        """A^-T; derivatives may be of any size, and have no floor."""
        return Cycle(self.slope, self.rows, self.settings, not self.flipped)


def fixed_point(
    image: Map,
    start: Tensor,
    rows: Rows,
    plane: Plane,
    settings: Settings,
    times: int = 1,
    newton: Newton | None = None,
) -> Solution:
    """The density p = g(p) for a map g onto the plane, from a start (N, dim), with derivatives up to the order `times`.

    newton: A^-1, where the map is affine and A is at hand. iterations: products with dg/dp, and steps of the mixing;
    radius: of dg/dp; residual: in e. Raises Unconverged.
    """
    default = SINGLE if start.dtype == torch.float32 else DOUBLE
    target = start.new_full((rows.count,), settings.tolerance or default)
    with torch.no_grad():
        root = _newton(image, plane.onto(start), rows, settings, target, newton)
        if bool((root.residual > ENOUGH * target).any()):
            loose = torch.where(root.residual > ENOUGH * target, target, torch.inf)
            mixed = anderson(image, root.density, rows, loose, settings.iterations - int(root.iterations.max()))
            steps = root.iterations + mixed.iterations
            root = replace(root, density=mixed.x, iterations=steps, residual=mixed.residual)
    density, residual = root.density, root.residual
    none = torch.full_like(residual, torch.nan)
    lost = torch.finfo(density.dtype).eps * rows.largest(density) > ENOUGH * target
    solved = (residual <= ENOUGH * target) & ~lost & ~root.turned
    status = outcome(solved, ~residual.isfinite() | lost, root.turned | (root.radius > 1.0))
    solution = Solution(density, root.iterations, residual, status, none, none, root.radius)
    if settings.unconverged == "raise":
        solution.require()
    floor = 2.0 * torch.maximum(residual, 0.01 * target)
    inverse = newton or Cycle(Slope(image, density), rows, settings, floor=floor)
    exact = reattached(plane.onto(density), lambda p: p - image(p), inverse, times)
    return replace(solution, density=exact)


@dataclass(frozen=True)
class _Root:
    """A density (N, dim) and its residual (S,); iterations, radius and turned as of a Step."""

    density: Tensor
    iterations: Tensor
    residual: Tensor
    radius: Tensor
    turned: Tensor


def _newton(image: Map, p: Tensor, rows: Rows, settings: Settings, target: Tensor, newton: Newton | None) -> _Root:
    """Steps for as long as they reduce the residual."""
    f = image(p) - p
    residual = rows.largest(f)
    iterations, radius = torch.zeros_like(residual, dtype=torch.long), torch.full_like(residual, torch.nan)
    turned = torch.zeros_like(residual, dtype=torch.bool)
    going = residual > target
    while bool(going.any()) and int(iterations.max()) < settings.iterations:
        inverse = newton or Cycle(Slope(image, p), rows, settings)
        b = torch.where(going[rows.index, None], f, 0.0)
        found = inverse.step(b, 0.5 * target, settings.iterations - int(iterations.max()))
        left = image(p + found.x) - (p + found.x)
        size = rows.largest(left)
        going = going & (size < residual)
        chosen = going[rows.index, None]
        p, f, residual = (
            torch.where(chosen, p + found.x, p), torch.where(chosen, left, f), torch.where(going, size, residual),
        )  # fmt: skip
        radius = torch.where(found.radius.isnan(), radius, found.radius)
        turned = torch.where(going, found.turned, turned)
        iterations = iterations + found.iterations
        going = going & (residual > target)
    return _Root(p, iterations, residual, radius, turned)
