"""Charge equilibration: the density that minimises an energy quadratic in it,

    E(p) = chi.p + 1/2 p.J p + 1/2 <p|V|p> + <p|v_ext>,    C p = Q,

with electronegativities chi and positive definite blocks J from the features of each atom (QEq: Rappe & Goddard, J.
Phys. Chem. 95, 3358; CENT and 4G: Ko et al., Nat. Commun. 12, 398). For charges J is a hardness eta > 0, eV/e^2. For
dipoles it is a 3 x 3 matrix kappa = L L + eps with L = a + sum_k c_k T_k of scalars and rank-2 features: an isolated
atom has the polarizability (kappa + k_e / (6 sqrt(pi) sigma^3))^-1. V keeps its self terms and J is positive, so there
is one minimum and no polarization catastrophe. In the limit of infinite J the density is -J^-1 chi, shifted: `Local`.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from leyden.charges.demands import charges_or_dipoles
from leyden.charges.electronegativity import electronegativity
from leyden.charges.model import Quiet, Solved
from leyden.charges.problem import Problem
from leyden.charges.readout import Equivariant, Invariant, element_table, inverse_softplus, positive_blocks
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Blocks, Curvature, Plane, Settings, Solution, stationary

SOFTEST = 0.5
"""eV/e^2 and eV/(e Å)^2; no hardness is below."""
INITIAL_HARDNESS = 8.0
INITIAL_STIFFNESS = 10.0
"""eV/(e Å)^2: of a dipole, with which training starts."""
INITIAL_SLOPE = 5.0
"""eV/e for each unit of electronegativity with which training starts."""


class Equilibration(Solved, Quiet):
    """Charges, and dipoles if the basis has lmax 1, that minimise the energy; settings: of the solver."""

    element: Tensor

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        hidden: int = 32,
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        charges_or_dipoles("Equilibration", channels, basis)
        self.basis, self.hidden, self.settings = basis, hidden, settings or Settings()
        elements = tuple(sorted(elements))
        chi = torch.tensor([electronegativity(z) for z in elements])
        self.register_buffer("element", element_table(elements), persistent=False)
        self.chi = Invariant(channels.scalars, hidden, INITIAL_SLOPE * (chi - chi.mean()))
        self.hardness = Invariant(channels.scalars, hidden, inverse_softplus(torch.full_like(chi, INITIAL_HARDNESS)))
        if basis.lmax:
            stiffness = torch.full_like(chi, INITIAL_STIFFNESS).sqrt()
            self.force = Equivariant(channels.scalars, channels.vectors)
            self.stiffness = Invariant(channels.scalars, hidden, inverse_softplus(stiffness))
            self.anisotropy = nn.Linear(channels.tensors, 1, bias=False) if channels.tensors else None

    def solve(self, problem: Problem) -> Solution:
        """The minimum, by conjugate gradients."""
        chi, stiffness = problem.once(self.parameters_of)
        coulomb, plane = problem.coulomb, problem.plane

        def turned(p: Tensor) -> Tensor:
            return torch.einsum("nab,nb->na", stiffness, p) + coulomb.apply(p)

        precondition = problem.preconditioner(stiffness)
        settings = problem.settings(self.settings)
        inverse = Curvature(turned, precondition, plane, problem.rows, settings, self.trained)
        start = torch.zeros_like(chi) if problem.start is None else problem.start
        found = stationary(lambda p: chi + problem.external + turned(p), inverse, start)
        return replace(found, hardness=stiffness[:, 0, 0].detach())

    def direct(self, problem: Problem) -> Solution:
        """The minimum of chi.p + 1/2 p.J p on the plane."""
        return Solution.direct(isolated(*problem.once(self.parameters_of), problem.plane), problem.system.charge)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """chi.p + 1/2 p.J p, (S,) eV."""
        chi, stiffness = problem.once(self.parameters_of)
        return problem.rows.dot(density, chi + 0.5 * torch.einsum("nab,nb->na", stiffness, density))

    def sources(self) -> Iterable[nn.Parameter]:
        """Of electronegativities, and of what pulls dipoles."""
        return [*self.chi.linear(), *(self.force.linear() if self.basis.lmax else [])]

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """chi (N, dim) and J (N, dim, dim)."""
        h, element = problem.features, self.element[problem.system.numbers]
        chi = self.chi(h.scalars, element)[:, None]
        hardness = nn.functional.softplus(self.hardness(h.scalars, element)) + SOFTEST
        if not self.basis.lmax:
            return chi, hardness[:, None, None]
        chi = torch.cat([chi, self.force(h.scalars, h.vectors)], 1)
        bent = None if self.anisotropy is None else self.anisotropy(h.tensors)[..., 0]
        return chi, positive_blocks(hardness, self.stiffness(h.scalars, element), bent, SOFTEST)


def isolated(chi: Tensor, stiffness: Tensor, plane: Plane) -> Tensor:
    """The minimum of chi.p + 1/2 p.J p on the plane, (N, dim): of atoms that feel no potential."""
    first = plane.onto(torch.zeros_like(chi))
    slope = chi + torch.einsum("nab,nb->na", stiffness, first)
    return first - Blocks(stiffness, plane)(slope)
