"""Split-charge equilibration: charges that move along bonds only, q = q0 + T t, as far as it lowers the energy

    E(t) = chi.q + 1/2 q.eta q + sum_b t_b^2 / (2 c_b) + 1/2 <q|V|q> + <q|v_ext>

with one transfer t_b for each bond (SQE: Nistor et al., J. Chem. Phys. 125, 094108; ACKS2: Verstraelen et al., J. Chem.
Phys. 138, 074108). The compliance c_b >= 0 goes smoothly to 0 at the cutoff, so that atoms without a chain of
bonds between them exchange no charge (transfer.py); for large c it is `Equilibration`. With c = g^2 / kappa and the
variables t = g s nothing is infinite, and no curvature below kappa: with v = chi + (eta + V) q + v_ext,

    F(s) = kappa s + g T^T v = 0,    dF/ds = kappa + g T^T (eta + V) T g.

Charges do not tell the transfers. The energy of the bonds is therefore taken from its dual,

    sum_b t_b^2 / (2 c_b) = max over v of -v.(q - q0) - 1/2 v.T c T^T v,

at the v above: so written, E is stationary in q, and the rule of solve/implicit.py gives exact derivatives.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from leyden.charges.demands import charges_only
from leyden.charges.electronegativity import electronegativity
from leyden.charges.equilibration import INITIAL_HARDNESS, INITIAL_SLOPE, SOFTEST
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem
from leyden.charges.readout import Invariant, element_table, inverse_softplus
from leyden.charges.transfer import Bonds, FormalCharges, Pair
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Curvature, Plane, Rows, Settings, Solution, stationary

STIFFNESS = 10.0
"""kappa, eV/e^2: of a bond with g = 1."""
INITIAL_ROOT = 1.0
"""g of a very short bond with which training starts."""


class SplitChargeEquilibration(ChargeModel):
    """Charges that minimise the energy by moving along bonds.

    formal: charge (e) of elements by atomic number, 0 where none is given; settings: of the solver of F(s) = 0.
    """

    element: Tensor

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        formal: dict[int, float] | None = None,
        hidden: int = 32,
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        charges_only("SplitChargeEquilibration", basis)
        self.basis, self.formal, self.hidden, self.settings = basis, formal, hidden, settings or Settings()
        elements = tuple(sorted(elements))
        chi = torch.tensor([electronegativity(z) for z in elements])
        hardness = inverse_softplus(torch.full_like(chi, INITIAL_HARDNESS))
        root = inverse_softplus(torch.full((len(chi), len(chi)), INITIAL_ROOT))
        self.register_buffer("element", element_table(elements), persistent=False)
        self.initial = FormalCharges(channels.scalars, hidden, elements, formal)
        self.chi = Invariant(channels.scalars, hidden, INITIAL_SLOPE * (chi - chi.mean()))
        self.hardness = Invariant(channels.scalars, hidden, hardness)
        self.root = Pair(channels.scalars, hidden, root)

    def solve(self, problem: Problem) -> Solution:
        """The minimum, by conjugate gradients in the variables s."""
        problem.require_closed("charges.SplitChargeEquilibration")
        initial, chi, hardness = self.parameters_of(problem)
        bonds, rows, root = self.bonds_of(problem)
        external, coulomb = chi + problem.external, problem.coulomb

        def charges(s: Tensor) -> Tensor:
            return bonds.received(root * s, len(initial))

        def slope(q: Tensor) -> Tensor:
            return root * bonds.difference(hardness * q + coulomb.apply(q))

        def force(s: Tensor) -> Tensor:
            return STIFFNESS * s + root * bonds.difference(external) + slope(initial + charges(s))

        def curved(s: Tensor) -> Tensor:
            return STIFFNESS * s + slope(charges(s))

        everything = Plane((0,), rows.index, external.new_zeros(rows.count), rows.index.new_zeros(rows.count).bool())
        inverse = Curvature(curved, _unchanged, everything, rows, problem.settings(self.settings), self.trained)
        start = torch.zeros_like(root)
        if problem.start is not None:
            with torch.no_grad():
                start = -(root * bonds.difference(external) + slope(problem.start)) / STIFFNESS
        solution = stationary(force, inverse, start)
        return replace(solution, density=initial + charges(solution.density), hardness=hardness[:, 0].detach())

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """chi.q + 1/2 q.eta q + sum_b t_b^2 / (2 c_b), (S,) eV: at the solution, and to first order about it."""
        initial, chi, hardness = self.parameters_of(problem)
        bonds, rows, root = self.bonds_of(problem)
        potential = chi + problem.external + hardness * density + problem.coulomb.apply(density)
        slope = root * bonds.difference(potential)
        own = problem.rows.dot(density, chi + 0.5 * hardness * density)
        return own - problem.rows.dot(density - initial, potential) - 0.5 / STIFFNESS * rows.dot(slope, slope)

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor, Tensor]:
        """q0, chi and eta, (N, 1) each."""
        scalars, element = problem.features.scalars, self.element[problem.system.numbers]
        hardness = nn.functional.softplus(self.hardness(scalars, element)) + SOFTEST
        return self.initial(problem, element), self.chi(scalars, element)[:, None], hardness[:, None]

    def bonds_of(self, problem: Problem) -> tuple[Bonds, Rows, Tensor]:
        """The B bonds, the structure of each, and g (B, 1), which does not depend on their direction."""
        system, scalars, bonds = problem.system, problem.features.scalars, Bonds.once(problem)
        element = self.element[system.numbers]
        both = self.root(scalars, element, bonds) + self.root(scalars, element, bonds.reversed)
        root = bonds.envelope * nn.functional.softplus(0.5 * both)
        return bonds, Rows(system.index[bonds.receivers], system.count), root


def _unchanged(r: Tensor) -> Tensor:
    """No preconditioner: all but N of the curvatures are kappa, which conjugate gradients profit from and a diagonal
    would hide.
    """
    return r
