"""SymmetricResponse: the response that derives from an energy,

    U(p; h) = 1/2 (p - p0) . alpha^-1 (p - p0),    p = p0(h) - alpha(h) (v - mu c),

with positive definite alpha, one block for each atom, the chemical potential mu of C p = Q and c = C^T: the shift onto
the total charge has the weights alpha c (Fukui). dp/dv = -alpha is symmetric and negative, hence 1 + alpha V is regular
and the fixed point the one minimum of U + 1/2 <p|V|p> + <p|v_ext>. It is `Equilibration` with J = alpha^-1 and
chi = -J p0, up to 1/2 p0.J p0 (Baldwin et al., arXiv 2603.14700).
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from leyden.charges.affine import factored
from leyden.charges.demands import charges_or_dipoles
from leyden.charges.electronegativity import electronegativity
from leyden.charges.local import INITIAL_CHARGE
from leyden.charges.model import Quiet, Solved
from leyden.charges.problem import Problem
from leyden.charges.readout import Equivariant, Invariant, element_table, inverse_softplus, positive_blocks
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Settings, Solution
from leyden.solve.fixed_point import fixed_point

LEAST = 1e-3
"""e^2/eV and e^2 Å^2/eV: no softness or polarizability is below."""
INITIAL_SOFTNESS = 0.1
"""e^2/eV; of a dipole, e^2 Å^2/eV, with which training starts."""


class SymmetricResponse(Solved, Quiet):
    """Charges, and dipoles if the basis has lmax 1, that answer to the potential; settings: of the solver."""

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
        charges_or_dipoles("SymmetricResponse", channels, basis)
        self.basis, self.hidden, self.settings = basis, hidden, settings or Settings()
        elements = tuple(sorted(elements))
        chi = torch.tensor([electronegativity(z) for z in elements])
        self.register_buffer("element", element_table(elements), persistent=False)
        self.charge = Invariant(channels.scalars, hidden, INITIAL_CHARGE * (chi.mean() - chi))
        soft = torch.full_like(chi, INITIAL_SOFTNESS)
        self.softness = Invariant(channels.scalars, hidden, inverse_softplus(soft))
        if basis.lmax:
            self.dipole = Equivariant(channels.scalars, channels.vectors)
            self.stretch = Invariant(channels.scalars, hidden, inverse_softplus(soft.sqrt()))
            self.anisotropy = nn.Linear(channels.tensors, 1, bias=False) if channels.tensors else None

    def solve(self, problem: Problem) -> Solution:
        """The fixed point; one derivative of the density gives three of the energy, which is stationary."""
        rest, alpha = problem.once(self.parameters_of)
        coulomb, plane, weights = problem.coulomb, problem.plane, alpha[:, :1, 0]

        def answered(u: Tensor) -> Tensor:
            answer = torch.einsum("nab,nb->na", alpha, u[:, 0] + problem.external)
            return plane.onto(rest - answer, weights)

        start = torch.zeros_like(rest) if problem.start is None else problem.start
        settings = problem.settings(self.settings)
        newton = factored(answered, self.basis, problem, settings)
        found = fixed_point(
            lambda p: answered(coulomb.apply(p)[:, None]), start, problem.rows, plane, settings, newton=newton
        )
        return replace(found, hardness=1.0 / alpha[:, 0, 0].detach())

    def direct(self, problem: Problem) -> Solution:
        """p0, shifted onto the plane."""
        rest, alpha = problem.once(self.parameters_of)
        return Solution.direct(problem.plane.onto(rest, alpha[:, :1, 0]), problem.system.charge)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """1/2 (p - p0) . alpha^-1 (p - p0), (S,) eV."""
        rest, alpha = problem.once(self.parameters_of)
        away = density - rest
        return 0.5 * problem.rows.dot(away, torch.linalg.solve(alpha, away))

    def sources(self) -> Iterable[nn.Parameter]:
        """Of charges and dipoles."""
        return [*self.charge.linear(), *(self.dipole.linear() if self.basis.lmax else [])]

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """p0 (N, dim) and alpha (N, dim, dim)."""
        h, element = problem.features, self.element[problem.system.numbers]
        charge = self.charge(h.scalars, element)[:, None]
        softness = nn.functional.softplus(self.softness(h.scalars, element)) + LEAST
        if not self.basis.lmax:
            return charge, softness[:, None, None]
        bent = None if self.anisotropy is None else self.anisotropy(h.tensors)[..., 0]
        alpha = positive_blocks(softness, self.stretch(h.scalars, element), bent, LEAST)
        return torch.cat([charge, self.dipole(h.scalars, h.vectors)], 1), alpha
