"""The size of what a charge model gives: not zero; of far molecules, as much as alone; from any start, the same.

A model is size-consistent if molecules A and B far apart have the energy

    E(A B) = E(A) + E(B) + <p_A|V|p_B>

at the charge and multiplicity that they have alone. Here all are neutral, as features see the total charge.
"""

import torch
from ase import Atoms
from torch import Tensor

from leyden.system import System
from leyden.testing.assembly import HYDROGENS, batch
from leyden.testing.backbone import MOLECULE
from leyden.testing.charges.case import ChargeModelCase
from leyden.testing.numeric import close, random

WATER = Atoms("OH2", [[0.1, 0.0, 0.2], [0.5, 0.7, -0.3], [-0.8, 0.3, 0.1]])
FAR = 1000.0
"""Å."""
ENOUGH = 1e-6
"""eV: energies closer than this are equal."""


class Size(ChargeModelCase):
    """Magnitude, size consistency, starts."""

    def test_not_trivial(self) -> None:
        """Shapes; charges and dipoles depend on the surroundings, and the long-range energy on them."""
        system = batch()
        output, density = self.evaluate(system)
        charges = self.potential().charges
        assert charges is not None and density.shape == (len(system.positions), charges.basis.dim)
        assert output.solution is not None
        assert output.solution.iterations.shape == output.solution.residual.shape == (system.count,)
        assert (density[HYDROGENS].std(0) > 1e-3).all()
        assert (density.abs().amax(0) > 1e-2).all()
        assert (output.energy_long.abs() > 1e-3).all()

    def test_far_copies(self) -> None:
        """Two copies of a molecule have twice its energy: equal ones exchange no charge."""
        assert self.excess(MOLECULE, MOLECULE).abs() < ENOUGH

    def test_far_molecules(self) -> None:
        """Different ones have the sum of their energies if the model is size-consistent, and not if it is not."""
        excess = self.excess(MOLECULE, WATER).abs()
        assert excess < ENOUGH if self.size_consistent else excess > ENOUGH

    @torch.no_grad()
    def excess(self, first: Atoms, second: Atoms) -> Tensor:
        """Energy of two neutral molecules far apart above those of each, and of their densities' interaction, eV."""
        potential, moved = self.potential(), second.copy()
        assert potential.charges is not None
        moved.translate([FAR, 0.0, 0.0])
        together, *alone = (System.from_ase(atoms, charge=0) for atoms in (first + moved, first, moved))
        whole, parts = potential(together).energy[0], [potential(part) for part in alone]
        bound = potential.coulomb.bind(together, potential.charges.basis)
        left, right = (part.density for part in parts)
        between = (bound.apply(torch.cat([left, 0.0 * right])) * torch.cat([0.0 * left, right])).sum()
        return whole - parts[0].energy[0] - parts[1].energy[0] - between

    def test_start(self) -> None:
        """A solve that starts close to the density ends in it."""
        potential, system = self.potential(), batch()
        density = potential(system).density
        assert density is not None
        start = density.detach() + 0.01 * random(11, *density.shape)
        close(potential(system, start=start).density, density, 1e-8)
