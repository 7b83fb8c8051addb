"""E does not depend on the origin, the orientation, the order of atoms or the company in a batch."""

from dataclasses import replace

import torch
from ase import Atoms

from leyden.system import System
from leyden.testing.numeric import close, random
from leyden.testing.operator.case import FRAMES, OperatorCase, agree


class Invariance(OperatorCase):
    """Symmetries of the energy."""

    def test_translation(self) -> None:
        """Energies and potentials do not depend on the origin, be it many cells away."""
        system = self.system()
        moved = system.positions + torch.tensor([12.3, -45.6, 7.8], dtype=torch.float64)
        agree(self.both(replace(system, positions=moved)), self.both(system), self.tolerance)

    def test_rotation(self) -> None:
        """Rotations and reflections of atoms and cell: energies to 1e-10 eV; dipoles and what they feel turn along."""
        system, turn = self.system(), torch.linalg.qr(random(6, 3, 3)).Q
        energy, felt = self.both(system)
        for matrix in (turn, -turn):
            turned = replace(system, positions=system.positions @ matrix.T, cell=system.cell @ matrix.T)
            large = torch.block_diag(torch.ones(1, 1, dtype=torch.float64), matrix)[: self.basis.dim, : self.basis.dim]
            after = self.both(turned, self.density() @ large.T)
            assert (after[0] - energy).abs().max() < max(1e-10, self.tolerance)
            close(after[1], felt @ large.T, self.tolerance)

    def test_permutation(self) -> None:
        """Reordering the atoms of the structures reorders what they feel."""
        system, order = self.system(), torch.tensor([2, 0, 3, 1, 6, 4, 5])
        other = replace(system, positions=system.positions[order], numbers=system.numbers[order])
        energy, felt = self.both(system)
        agree(self.both(other, self.density()[order]), (energy, felt[order]), self.tolerance)

    def test_batch_equals_singles(self) -> None:
        """Structures of different atoms and cells do not see each other."""
        self.equal_parts(self.system().split())

    def test_mixed_boundaries(self) -> None:
        """In one batch, open and periodic structures each keep their boundary condition."""
        batches = [System.from_ase([Atoms(f, pbc=pbc) for f in FRAMES]) for pbc in (False, True)]
        open_, periodic = (self.automatic(batch).energy(self.density()) for batch in batches)
        assert (open_ - periodic).abs().min() > 0.1
        (a, b), (c, d) = (batch.split() for batch in batches)
        self.equal_parts([c, b, a, d])
