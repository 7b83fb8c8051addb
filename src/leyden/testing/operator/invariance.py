"""E does not depend on the origin, the orientation, the order of atoms or the company in a batch."""

from dataclasses import replace

import torch
from ase import Atoms

from leyden.system import System
from leyden.testing.numeric import random
from leyden.testing.operator.case import FRAMES, OperatorCase, agree

MIXED = [(True, True, False), (False, False, False), (True, True, True), (False, True, True), (False, True, False)]


class Invariance(OperatorCase):
    """Symmetries of the energy."""

    def test_translation(self) -> None:
        """Energies and potentials do not depend on the origin, be it many cells away."""
        system = self.system()
        moved = system.positions + torch.tensor([12.3, -45.6, 7.8], dtype=torch.float64)
        agree(self.both(replace(system, positions=moved)), self.both(system), self.tolerance)

    def test_rotation(self) -> None:
        """Rotations and reflections of atoms and cell: multipoles and what they feel turn along."""
        system, orthogonal = self.system(), torch.linalg.qr(random(6, 3, 3)).Q
        energy, felt = self.both(system)
        for matrix in (orthogonal, -orthogonal):
            turned = replace(system, positions=system.positions @ matrix.T, cell=system.cell @ matrix.T)
            turn = self.turn(matrix)
            after = self.both(turned, self.density() @ turn.T)
            assert (after[0] - energy).abs().max() < self.tolerance * max(1.0, energy.abs().max().item())
            agree(after, (energy, felt @ turn.T), self.tolerance)

    def test_permutation(self) -> None:
        """Reordering the atoms of the structures reorders what they feel."""
        system, order = self.system(), torch.tensor([2, 0, 3, 1, 6, 4, 5])
        other = replace(system, positions=system.positions[order], numbers=system.numbers[order])
        energy, felt = self.both(system)
        agree(self.both(other, self.density()[order]), (energy, felt[order]), 1e-10)

    def test_order_of_axes(self) -> None:
        """Which cell vector is called first does not matter, along open axes as well."""
        system, order = self.system(), torch.tensor([2, 0, 1])
        other = replace(system, cell=system.cell[:, order], pbc=system.pbc[:, order])
        agree(self.both(other), self.both(system), self.tolerance)

    def test_batch_equals_singles(self) -> None:
        """Structures of different atoms and cells do not see each other."""
        self.equal_parts(self.system().split())

    def test_mixed_boundaries(self) -> None:
        """In one batch, each structure keeps its own boundary condition: open, wire, slabs of two normals, bulk."""
        parts = [System.from_ase(Atoms(FRAMES[n % 2], pbc=pbc)) for n, pbc in enumerate(MIXED)]
        self.equal_parts(parts)
