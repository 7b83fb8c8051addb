"""Variational model: the density that minimises a learned energy,

    E(p) = U(p; h) + 1/2 <p|V|p> + <p|v_ext>,    C p = Q,    U a sum over atoms, convex in p,

(energy functionals of Baldwin et al., arXiv 2603.14700; self-consistent Coulomb of Thomas et al., arXiv 2406.10915).
V is positive, so that there is one minimum, reached from any start; forces are those of Hellmann and Feynman. Without
the bends of U this is `Equilibration`; they let the response to a potential saturate, and differ between charges.
"""

import torch
from torch import Tensor

from leyden import segment
from leyden.charges.convex import Convex, ConvexEnergy, LocalEnergy
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem
from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Blocks, Plane, Settings, Solution
from leyden.solve.linear import Linear
from leyden.solve.minimise import Objective, minimise


class Variational(ChargeModel):
    """Charges, and dipoles if the basis has lmax 1; terms: bends of U of each atom; settings: of the solver, whose
    iterations count products with V."""

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        hidden: int = 32,
        terms: int = 4,
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        require(terms > 0, f"charges.Variational: expected at least one term, got {terms}; use Equilibration for none.")
        self.basis, self.hidden, self.terms, self.settings = basis, hidden, terms, settings or Settings()
        self.local = Convex(channels, elements, basis, hidden, terms)

    def solve(self, problem: Problem) -> Solution:
        """The minimum, by Newton steps with conjugate gradients."""
        local = self.local.bind(problem)
        start = isolated(local, problem.plane) if problem.start is None else problem.start
        return minimise(objective(local, problem, problem.settings(self.settings), self.trained), start)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """U(p; h) of each structure, (S,) eV."""
        local = self.local.bind(problem).energy(density)
        return segment.total(local, problem.system.index, problem.system.count)


def objective(local: LocalEnergy, problem: Problem, settings: Settings, trained: bool) -> Objective:
    """E(p) of a local energy in the potential of its own density and the external one."""
    coulomb, external, plane, rows = problem.coulomb, problem.external, problem.plane, problem.rows

    def value(density: Tensor) -> tuple[Tensor, Tensor]:
        felt = coulomb.apply(density)
        each = local.energy(density) + (density * (0.5 * felt + external)).sum(1)
        return segment.total(each, rows.index, rows.count), local.force(density) + felt + external

    def curved(density: Tensor) -> tuple[Linear, Linear]:
        blocks = local.curvature(density).detach()
        near = problem.preconditioner(local.upper(density))
        return lambda x: torch.einsum("nab,nb->na", blocks, x) + coulomb.apply(x), near

    return Objective(value, curved, plane, rows, settings, trained)


@torch.no_grad()
def isolated(local: ConvexEnergy, plane: Plane) -> Tensor:
    """The minimum of chi.p + 1/2 p.J p on the plane, (N, dim): of atoms that feel no potential."""
    first = plane.onto(torch.zeros_like(local.chi))
    slope = local.chi + torch.einsum("nab,nb->na", local.stiffness, first)
    return first - Blocks(local.stiffness, plane)(slope)
