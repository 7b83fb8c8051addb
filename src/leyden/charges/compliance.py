"""Split-charge equilibration: charges that move along bonds only, q = q0 + T t, and dipoles mu if the density has them,
where the energy of bonded.py is lowest (SQE: Nistor et al., J. Chem. Phys. 125, 094108; ACKS2: Verstraelen et al., J.
Chem. Phys. 138, 074108).

The compliance c_b >= 0 of a bond goes smoothly to 0 at the cutoff, so that atoms without a chain of bonds between them
exchange no charge (transfer.py); for large c it is `Equilibration`. A crystal has a polarization, Born charges and a
dielectric constant, as charge goes round its cell only along bonds, each of which costs energy.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from leyden.charges.bonded import BondedEnergy
from leyden.charges.demands import charges_or_dipoles
from leyden.charges.equilibration import Equilibration
from leyden.charges.model import Bonded, Quiet
from leyden.charges.polarization import Polarization
from leyden.charges.problem import Problem
from leyden.charges.readout import inverse_softplus
from leyden.charges.transfer import Bonds, FormalCharges, Pair
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Curvature, Settings, Solution, stationary

INITIAL_ROOT = 1.0
"""g of a very short bond with which training starts."""


class SplitChargeEquilibration(Bonded, Quiet):
    """Charges that minimise the energy by moving along bonds, and dipoles if the basis has lmax 1.

    formal: charge (e) of elements by atomic number, 0 where none is given; settings: of the solver.
    """

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
        charges_or_dipoles("SplitChargeEquilibration", channels, basis)
        self.basis, self.formal, self.hidden, self.settings = basis, formal, hidden, settings or Settings()
        elements = tuple(sorted(elements))
        root = inverse_softplus(torch.full((len(elements), len(elements)), INITIAL_ROOT))
        self.initial = FormalCharges(channels.scalars, hidden, elements, formal)
        self.quadratic = Equilibration(channels, elements, basis, hidden)
        self.root = Pair(channels.scalars, hidden, root)

    def solve(self, problem: Problem) -> Solution:
        """The minimum, by conjugate gradients in the variables of bonded.py."""
        problem.require_closed("charges.SplitChargeEquilibration")
        bonded, settings = problem.once(self.bind), problem.settings(self.settings)
        inverse = Curvature(bonded.curved, _unchanged, bonded.everything, bonded.rows, settings, self.trained)
        with torch.no_grad():
            start = bonded.nothing if problem.start is None else bonded.variables(problem.start)
        found = stationary(bonded.force, inverse, start, max(1, problem.solving.order - 2))
        return replace(found, density=bonded.density(found.density), hardness=bonded.hardness[:, 0, 0].detach())

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """chi.p + 1/2 p.J p + sum_b t_b^2 / (2 c_b), and that of fields along periodic axes, (S,) eV: at the solution,
        and to first order about it."""
        return problem.once(self.bind).energy(density)

    def sources(self) -> Iterable[nn.Parameter]:
        """Of electronegativities, and of what pulls dipoles."""
        return self.quadratic.sources()

    def polarization(self, problem: Problem, density: Tensor) -> Polarization:
        """q0 is carried by the atoms; the rest is sum_i mu_i - sum_b t_b r_b."""
        bonded = problem.once(self.bind)
        return self.initial.polarization(problem, bonded.initial, bonded.rest(density))

    def bind(self, problem: Problem) -> BondedEnergy:
        """E of the atoms and bonds of a problem."""
        scalars, element = problem.features.scalars, self.quadratic.element[problem.system.numbers]
        bonds = Bonds.once(problem)
        both = self.root(scalars, element, bonds) + self.root(scalars, element, bonds.reversed)
        root = bonds.envelope * nn.functional.softplus(0.5 * both)
        chi, hardness = self.quadratic.parameters_of(problem)
        felt = problem.system, problem.coulomb, problem.external, problem.macroscopic
        return BondedEnergy(*felt, self.initial(problem), chi, hardness, bonds, root)


def _unchanged(r: Tensor) -> Tensor:
    """No preconditioner: all but N of the curvatures of bonds are kappa, which conjugate gradients profit from and a
    diagonal would hide.
    """
    return r
