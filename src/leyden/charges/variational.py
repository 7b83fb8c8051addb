"""Variational model: the density that minimises a learned energy,

    E(p) = U(p; h) + 1/2 <p|V|p> + <p|v_ext>,    C p = Q,    U a sum over atoms, convex in p,

(energy functionals of Baldwin et al., arXiv 2603.14700; self-consistent Coulomb of Thomas et al., arXiv 2406.10915).
V is positive, so that there is one minimum, reached from any start; forces are those of Hellmann and Feynman. Without
the bends of U this is `Equilibration`; they let the response to a potential saturate, and differ between charges.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from leyden import segment
from leyden.charges.convex import Convex, LocalEnergy
from leyden.charges.equilibration import isolated
from leyden.charges.model import Quiet, Solved
from leyden.charges.problem import Problem
from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Settings, Solution
from leyden.solve.linear import Linear
from leyden.solve.minimise import Objective, minimise


class Variational(Solved, Quiet):
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
        local = problem.once(self.local.bind)
        start = problem.start
        if start is None:
            with torch.no_grad():
                start = isolated(local.chi, local.stiffness, problem.plane)
        found = minimise(objective(local, problem, problem.settings(self.settings), self.trained), start)
        return replace(found, hardness=local.curvature(found.density.detach())[:, 0, 0].detach())

    def direct(self, problem: Problem) -> Solution:
        """The minimum of the quadratic part of U on the plane."""
        local = problem.once(self.local.bind)
        return Solution.direct(isolated(local.chi, local.stiffness, problem.plane), problem.system.charge)

    def sources(self) -> Iterable[nn.Parameter]:
        """Of electronegativities, of what pulls dipoles, and of bends that are not even in the charge."""
        return self.local.sources()

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """U(p; h) of each structure, (S,) eV."""
        local = problem.once(self.local.bind).energy(density)
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
