"""Of the density p and the energy E of a charge model,

    sum_i q_i = Q,    q(R x) = q(x),    mu(R x) = R mu(x),    Theta(R x) = R Theta(x) R^T,

and neither depends on the origin, the order of atoms, the company in a batch or, to its precision, the dtype.
"""

from dataclasses import replace

import pytest
import torch

from leyden import segment
from leyden.density.harmonics import rotation
from leyden.derivatives import forces
from leyden.system import System
from leyden.testing.assembly import batch
from leyden.testing.backbone import MOLECULE
from leyden.testing.charges.case import ChargeModelCase
from leyden.testing.numeric import close, random


class Invariance(ChargeModelCase):
    """Total charge and symmetries of density and energy."""

    def test_total_charge(self) -> None:
        """Charges, of all shells, sum to the total charge of each structure, or, if a model leaves it free, do not."""
        system = batch()
        output, density = self.evaluate(system)
        total = self.charge(density, system)
        assert output.charges is not None
        close(segment.total(output.charges, system.index, system.count), total, 1e-12)
        error = (total - system.charge).abs()
        assert error.max() < 1e-10 if self.conserves else error.min() > 1e-3

    @pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
    def test_orthogonal(self, sign: int) -> None:
        """Energies and charges are invariant, multipoles of atoms and dipoles of structures turn along."""
        system, turn = batch(), torch.linalg.qr(random(1, 3, 3)).Q
        turn = turn * torch.linalg.det(turn).sign() * sign
        turned = replace(system, positions=system.positions @ turn.T, cell=system.cell @ turn.T)
        (a, before), (b, after) = self.evaluate(system), self.evaluate(turned)
        assert a.dipole is not None and b.dipole is not None
        close(b.energy, a.energy, 1e-12)
        close(b.dipole, a.dipole @ turn.T, 1e-10)
        basis = self.basis()
        close(after, before @ torch.block_diag(*[rotation(turn, basis.lmax)] * basis.shells).T, 1e-10)

    def test_translation(self) -> None:
        """Nothing depends on the origin but the dipole of what is charged."""
        system, step = batch(), torch.tensor([3.0, -2.0, 7.0], dtype=torch.float64)
        moved = replace(system, positions=system.positions + step)
        (a, before), (b, after) = self.evaluate(system), self.evaluate(moved)
        assert a.dipole is not None and b.dipole is not None
        close(b.energy, a.energy, 1e-12)
        close(after, before, 1e-10)
        close(b.dipole, a.dipole + self.charge(before, system)[:, None] * step, 1e-10)

    def test_permutation(self) -> None:
        """Reordering the atoms of a structure reorders its density."""
        order = [3, 0, 6, 1, 5, 2, 4]
        (a, before), (b, after) = (self.evaluate(System.from_ase(atoms)) for atoms in (MOLECULE, MOLECULE[order]))
        close(b.energy, a.energy, 1e-12)
        close(after, before[order], 1e-10)

    def test_batch_equals_singles(self) -> None:
        """Structures do not see each other, whatever their charges and boundary conditions."""
        potential, system = self.potential(), batch()
        whole, parts = potential(system), [potential(single) for single in system.split()]
        assert whole.density is not None
        close(whole.energy_long, torch.cat([part.energy_long for part in parts]), 1e-10)
        close(whole.density, torch.cat([part.density for part in parts]), 1e-12)
        close(whole.dipole, torch.cat([part.dipole for part in parts]), 1e-12)

    def test_single_precision(self) -> None:
        """float32 agrees with float64: density, long-range energy and forces."""
        found = [forces(self.potential(dtype), batch(dtype)) for dtype in (torch.float32, torch.float64)]
        rough, exact = found
        assert rough.output.density is not None and rough.output.density.dtype == torch.float32
        assert rough.output.energy.dtype == torch.float64
        for a, b in (
            (rough.output.density, exact.output.density),
            (rough.output.energy_long, exact.output.energy_long),
            (rough.forces, exact.forces),
        ):
            assert b is not None
            close(a.double(), b, 1e-4)
