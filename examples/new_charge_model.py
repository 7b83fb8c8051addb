"""A charge model of one's own: latent charges whose field induces dipoles.

    E(mu) = sum_i |mu_i|^2 / 2 alpha_i(h_i) + 1/2 <p|V|p> + <p|v_ext>,    p = (q(h), mu),

charges q as in `Local`, polarizabilities alpha > 0 from the features of each atom. In the dipoles the energy is a
convex quadratic: it has one minimum, where mu_i / alpha_i + (V p + v_ext)_i = 0.
"""

from dataclasses import replace

import torch
from ase.build import molecule
from torch import Tensor, nn

from leyden import Coulomb, GaussianBasis, System
from leyden.backbones import Cartesian
from leyden.baseline import Baseline
from leyden.charges import ChargeModel, Local, Problem
from leyden.charges.readout import Invariant, element_table
from leyden.derivatives import forces
from leyden.features import Channels
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.solve import Curvature, Plane, Settings, Solution, stationary

LEAST = 1e-3
"""e^2 Å^2/eV; no polarizability is below."""


class Induced(ChargeModel):
    """Latent charges and induced dipoles; width of the Gaussians in Å."""

    element: Tensor

    def __init__(self, channels: Channels, elements: tuple[int, ...], width: float = 0.7, hidden: int = 16) -> None:
        super().__init__()
        self.basis, self.width, self.hidden = GaussianBasis(width, lmax=1), width, hidden
        self.charges = Local(channels, elements, GaussianBasis(width), hidden=hidden)
        self.register_buffer("element", element_table(tuple(sorted(elements))), persistent=False)
        self.alpha = Invariant(channels.scalars, hidden, torch.full((len(elements),), -2.5))

    def solve(self, problem: Problem) -> Solution:
        """Charges from the features, then dipoles by conjugate gradients."""
        charges, alpha = self.charges.solve(problem).density, self.polarizability(problem)

        def felt(p: Tensor) -> Tensor:
            return problem.coulomb.apply(p)[:, 1:]

        def force(dipoles: Tensor) -> Tensor:
            return dipoles / alpha + felt(torch.cat([charges, dipoles], 1)) + problem.external[:, 1:]

        def curved(dipoles: Tensor) -> Tensor:
            return dipoles / alpha + felt(nn.functional.pad(dipoles, (1, 0)))

        total = problem.system.charge
        anything = Plane((), problem.system.index, torch.zeros_like(total), torch.zeros_like(total).bool())
        settings = problem.settings(Settings())
        inverse = Curvature(curved, lambda r: alpha * r, anything, problem.rows, settings, self.trained)
        start = torch.zeros_like(problem.external) if problem.start is None else problem.start
        found = stationary(force, inverse, start[:, 1:])
        return replace(found, density=torch.cat([charges, found.density], 1))

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """sum_i |mu_i|^2 / 2 alpha_i, (S,) eV."""
        dipoles = density[:, 1:]
        return 0.5 * problem.rows.dot(dipoles, dipoles / self.polarizability(problem))

    def polarizability(self, problem: Problem) -> Tensor:
        """alpha (N, 1), e^2 Å^2/eV."""
        element = self.element[problem.system.numbers]
        return nn.functional.softplus(self.alpha(problem.features.scalars, element))[:, None] + LEAST


if __name__ == "__main__":
    torch.manual_seed(0)
    backbone = Cartesian(elements=(1, 8), cutoff=4.0, channels=8, layers=1)
    induced = Induced(backbone.channels, backbone.elements)
    potential = Potential(backbone, induced, Coulomb(), Baseline({1: -13.6, 8: -2040.0})).double()

    water = System.from_ase(molecule("H2O"), charge=0)
    found = forces(potential, water)
    print(f"energy {found.output.energy.item():.4f} eV, long range {found.output.energy_long.item():.4f} eV")
    print("forces, eV/Å", (found.forces.numpy().round(4) + 0.0).tolist())
    print("charges, e", found.output.charges.detach().numpy().round(3).tolist())
    print("Born charges of O, e", (born_charges(potential, water)[0].numpy().round(3) + 0.0).tolist())
    print(found.output.solution.status[0].value, "after", int(found.output.solution.iterations[0]), "iterations")
