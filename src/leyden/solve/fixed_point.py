"""The density that a map gives back, p = g(p), with all its derivatives.

Newton's method, A d = g(p) - p with A = 1 - dg/dp, needs one step for an affine map, whatever the spectral radius of
dg/dp is (above one, the plain cycle p <- g(p) diverges). Where a step does not reduce g(p) - p, Anderson mixing goes on
(anderson.py).
"""

from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from leyden.solve.anderson import Map, anderson
from leyden.solve.constraint import Plane
from leyden.solve.gmres import Reached, gmres
from leyden.solve.implicit import Inverse, reattached
from leyden.solve.linear import Rows
from leyden.solve.solution import Solution, outcome
from leyden.solve.stationary import ENOUGH, RELATIVE, Settings, require_derivatives

SINGLE, DOUBLE = 1e-5, 1e-11
"""Default tolerance of a residual in e (e Å for dipoles), in float32 and float64."""


class Slope:
    """dg/dp of a map at a density, as a linear map and its transpose; nothing is evaluated before it is used."""

    def __init__(self, image: Map, density: Tensor) -> None:
        self.image, self.density = image, density.detach()

    def forward(self, v: Tensor) -> Tensor:
        """(dg/dp) v: the transpose is linear in what it is applied to, and this is its transpose."""
        _, _, probe, pulled = self._graph
        return torch.autograd.grad(pulled, probe, v, retain_graph=True)[0]

    def backward(self, v: Tensor) -> Tensor:
        """(dg/dp)^T v."""
        p, image, _, _ = self._graph
        return torch.autograd.grad(image, p, v, retain_graph=True)[0]

    @cached_property
    def _graph(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        with torch.enable_grad():
            p, probe = (x.requires_grad_() for x in (self.density.clone(), torch.zeros_like(self.density)))
            image = self.image(p) + 0.0 * p
            (pulled,) = torch.autograd.grad(image, p, probe, create_graph=True)
        return p, image, probe, pulled


class Cycle(Inverse):
    """(1 - dg/dp)^-1, or its transpose, by GMRES.

    A right-hand side below the floor (S,), such as roundoff of the residual of the density, gives zero.
    """

    def __init__(
        self, slope: Slope, rows: Rows, settings: Settings, flipped: bool = False, floor: Tensor | None = None
    ) -> None:
        self.slope, self.rows, self.settings, self.flipped, self.floor = slope, rows, settings, flipped, floor

    def solve(self, b: Tensor, tolerance: Tensor, limit: int) -> Reached:
        """A^-1 b to a largest residual (S,)."""
        turned = self.slope.backward if self.flipped else self.slope.forward
        return gmres(lambda x: x - turned(x), b, self.rows, tolerance, limit)

    def __call__(self, b: Tensor) -> Tensor:
        """A^-1 b, relative to b. Raises Unconverged."""
        with torch.no_grad():
            size = self.rows.largest(b)
            tolerance = RELATIVE[b.dtype] * size + (0.0 if self.floor is None else self.floor)
            found = self.solve(b, tolerance, self.settings.iterations)
        require_derivatives(found.residual, tolerance, size, self.settings)
        return found.x

    @property
    def transposed(self) -> Inverse:
        """A^-T; derivatives may be of any size, and have no floor."""
        return Cycle(self.slope, self.rows, self.settings, not self.flipped)


def fixed_point(image: Map, start: Tensor, rows: Rows, plane: Plane, settings: Settings, times: int = 1) -> Solution:
    """The density p = g(p) for a map g onto the plane, from a start (N, dim), with derivatives up to the order `times`.

    iterations: products with dg/dp, and steps of the mixing; radius: of dg/dp; residual: in e. Raises Unconverged.
    """
    default = SINGLE if start.dtype == torch.float32 else DOUBLE
    target = start.new_full((rows.count,), settings.tolerance or default)
    with torch.no_grad():
        density, iterations, residual, radius = _newton(image, plane.onto(start), rows, settings, target)
        if bool((residual > ENOUGH * target).any()):
            loose = torch.where(residual > ENOUGH * target, target, torch.inf)
            mixed = anderson(image, density, rows, loose, settings.iterations - int(iterations.max()))
            density, iterations, residual = mixed.x, iterations + mixed.iterations, mixed.residual
    none = torch.full_like(residual, torch.nan)
    status = outcome(residual <= ENOUGH * target, ~residual.isfinite(), radius > 1.0)
    solution = Solution(density, iterations, residual, status, none, none, radius)
    if settings.unconverged == "raise":
        solution.require()
    floor = 2.0 * torch.maximum(residual, 0.01 * target)
    inverse = Cycle(Slope(image, density), rows, settings, floor=floor)
    exact = reattached(plane.onto(density), lambda p: p - image(p), inverse, times)
    return replace(solution, density=exact)


def _newton(
    image: Map, p: Tensor, rows: Rows, settings: Settings, target: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Steps for as long as they reduce the residual: density, iterations, residual and radius."""
    f = image(p) - p
    residual = rows.largest(f)
    iterations, radius = torch.zeros_like(residual, dtype=torch.long), torch.full_like(residual, torch.nan)
    going = residual > target
    while bool(going.any()) and int(iterations.max()) < settings.iterations:
        inverse = Cycle(Slope(image, p), rows, settings)
        b = torch.where(going[rows.index, None], f, 0.0)
        found = inverse.solve(b, 0.5 * target, settings.iterations - int(iterations.max()))
        left = image(p + found.x) - (p + found.x)
        size = rows.largest(left)
        going = going & (size < residual)
        chosen = going[rows.index, None]
        p, f, residual = (
            torch.where(chosen, p + found.x, p), torch.where(chosen, left, f), torch.where(going, size, residual),
        )  # fmt: skip
        radius = torch.where(found.iterations > 0, found.radius, radius)
        iterations = iterations + found.iterations
        going = going & (residual > target)
    return p, iterations, residual, radius
