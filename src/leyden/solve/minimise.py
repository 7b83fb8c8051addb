"""The minimum on the charge plane of an energy that is not quadratic, for many structures at once, by Newton-CG.

With T the projector onto the tangent of C p = Q, F(p) = T dE/dp and A(p) = d2E/dp2, each step solves T A d = -F by
conjugate gradients up to a forcing term (Eisenstat & Walker, SIAM J. Sci. Comput. 17, 16, choice 2), which end at a
direction of curvature 0 or less (Nocedal & Wright, Numerical Optimization, algorithm 7.1), and halves d until

    E(p + t d) <= E(p) + delta t F.d    or, where roundoff hides that,    F(p + t d).d <= (2 delta - 1) F.d

(Hager & Zhang, SIAM J. Optim. 16, 170). Each structure has its own forcing and length, and rests when it is done.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leyden.solve.constraint import Plane
from leyden.solve.implicit import reattached
from leyden.solve.linear import Linear, Rows, conjugate_gradients
from leyden.solve.solution import Solution, Status, outcome
from leyden.solve.stationary import ENOUGH, Curvature, Settings, chemical_potential

LOOSEST = 0.5
"""Largest forcing term, and the first."""
DECREASE = 0.1
"""delta above: the part of the decrease that the slope promises which a step has to keep."""
HALVINGS = 40
ROUNDOFF = 1e3
"""Errors of an energy, in units of the spacing of its floating-point numbers."""
PROBED = 1e-3
"""Part of a direction that may be left when the sign of the curvature along it is taken as known."""


@dataclass(frozen=True)
class Objective:
    """value: densities (N, dim) -> energies (S,) eV and dE/dp (N, dim) eV/e, differentiable in p and in all that they
    depend on; curved: densities -> A(p), and a positive definite preconditioner for it that keeps to the tangent."""

    value: Callable[[Tensor], tuple[Tensor, Tensor]]
    curved: Callable[[Tensor], tuple[Linear, Linear]]
    plane: Plane
    rows: Rows
    settings: Settings
    trained: bool = True


@dataclass(frozen=True)
class _Point:
    """A density with its energies (S,) and dE/dp (N, dim)."""

    density: Tensor
    energy: Tensor
    force: Tensor


def minimise(objective: Objective, start: Tensor) -> Solution:
    """The minimum that is reached from a density (N, dim), with derivatives; iterations count products with A.

    Raises Unconverged.
    """
    solution = descended(objective, start)
    if objective.settings.unconverged == "raise":
        solution.require()
    return attached(objective, solution)


def attached(objective: Objective, solution: Solution) -> Solution:
    """The solution with the derivatives of the root of F, exact for three derivatives of the energy."""
    plane, rows, settings = objective.plane, objective.rows, objective.settings
    with torch.no_grad():
        inverse = Curvature(*objective.curved(solution.density.detach()), plane, rows, settings, objective.trained)
        inverse.floor = 2.0 * torch.maximum(solution.residual, 0.01 * settings.target(solution.residual))
    root = plane.onto(solution.density.detach())
    return replace(solution, density=reattached(root, lambda p: plane.tangent(objective.value(p)[1]), inverse))


@torch.no_grad()
def descended(objective: Objective, start: Tensor) -> Solution:
    """The end of the descent from a density (N, dim), without derivatives; what failed has a status that says so."""
    plane, rows, limit = objective.plane, objective.rows, objective.settings.iterations
    point = _at(objective, plane.onto(start))
    residual = rows.largest(plane.tangent(point.force))
    target = objective.settings.target(residual)
    forcing, curvature = torch.full_like(residual, LOOSEST), torch.full_like(residual, torch.inf)
    used = torch.zeros(rows.count, dtype=torch.long, device=residual.device)
    finite = residual.isfinite() & point.energy.isfinite()
    going = finite & (residual > target)
    while bool(going.any()):
        enough = torch.where(going, torch.maximum(forcing * residual, 0.5 * target), torch.inf)
        direction, products, bend = _direction(objective, point, enough)
        finite = finite & ~bend.isnan()
        curvature = torch.where(going & bend.isfinite(), bend, curvature)
        point, moved = _searched(objective, point, direction, going & ~bend.isnan())
        old, residual = residual, rows.largest(plane.tangent(point.force))
        forcing = _forcing(forcing, residual / old)
        used += torch.where(going, products, 0)
        going = moved & (residual > target) & (used < limit)
    none = torch.full_like(residual, torch.nan)
    status = outcome(residual <= ENOUGH * target, ~finite, curvature <= 0)
    curvature = torch.where(curvature.isinf(), none, curvature)
    potential = chemical_potential(plane, rows, point.force)
    return Solution(point.density, used, residual, status, potential, curvature, none)


@torch.no_grad()
def verified(objective: Objective, solution: Solution) -> Solution:
    """The solution with the curvature at its density; its status is INDEFINITE where that is a saddle.

    Conjugate gradients from a direction without symmetry meet every sign of curvature before they end.
    """
    plane, rows = objective.plane, objective.rows
    matrix, precondition = objective.curved(solution.density)
    b = asymmetric(objective, solution.density)
    enough = PROBED * rows.largest(b)
    limit = objective.settings.iterations
    found = conjugate_gradients(lambda x: plane.tangent(matrix(x)), b, precondition, rows, enough, limit)
    at_rest = torch.tensor([status is Status.CONVERGED for status in solution.status], device=b.device)
    told = outcome(found.residual <= enough, ~found.residual.isfinite(), found.curvature <= 0)
    status = tuple(new if rest else was for new, was, rest in zip(told, solution.status, at_rest.tolist(), strict=True))
    curvature = torch.where(found.curvature.isinf(), torch.nan, found.curvature)
    return replace(solution, status=status, curvature=curvature, iterations=solution.iterations + found.iterations)


def asymmetric(objective: Objective, like: Tensor) -> Tensor:
    """A direction (N, dim) along the tangent that no symmetry of a structure keeps, the same in any batch."""
    return objective.plane.tangent(objective.rows.asymmetric(like))


def _at(objective: Objective, density: Tensor) -> _Point:
    return _Point(density, *objective.value(density))


def _direction(objective: Objective, point: _Point, enough: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A direction (N, dim) of descent for a residual (S,), its products with A, and the smallest curvature met."""
    plane, rows = objective.plane, objective.rows
    matrix, precondition = objective.curved(point.density)
    b = -plane.tangent(point.force)
    limit = objective.settings.iterations
    found = conjugate_gradients(lambda x: plane.tangent(matrix(x)), b, precondition, rows, enough, limit)
    bent = found.curvature <= 0
    at_once = (bent & (found.iterations == 0))[rows.index, None]
    return torch.where(at_once, precondition(b), found.x), found.iterations + bent, found.curvature


def _searched(objective: Objective, point: _Point, direction: Tensor, going: Tensor) -> tuple[_Point, Tensor]:
    """The point a step further, and which structures (S,) moved: none where no length lowers the energy."""
    rows = objective.rows
    slope = rows.dot(objective.plane.tangent(point.force), direction)
    noise = ROUNDOFF * torch.finfo(slope.dtype).eps * point.energy.abs().clamp(min=1.0)
    searching = going & (slope < 0)
    length, moved = searching.to(slope.dtype), searching
    for _ in range(HALVINGS):
        trial = _at(objective, point.density + length[rows.index, None] * direction)
        change = trial.energy - point.energy
        along = rows.dot(objective.plane.tangent(trial.force), direction)
        flat = (change <= noise) & (along <= (2.0 * DECREASE - 1.0) * slope)
        accepted = along.isfinite() & change.isfinite() & ((change <= DECREASE * length * slope) | flat)
        searching = searching & ~accepted
        if not bool(searching.any()):
            return trial, moved
        length = torch.where(searching, 0.5 * length, length)
    moved = moved & ~searching
    return _at(objective, point.density + (length * moved)[rows.index, None] * direction), moved


def _forcing(old: Tensor, ratio: Tensor) -> Tensor:
    """Forcing terms (S,) after a step that changed the residuals by a ratio."""
    kept = 0.9 * old.square()
    new = 0.9 * ratio.square()
    return torch.where(kept > 0.1, torch.maximum(new, kept), new).clamp(max=LOOSEST)
