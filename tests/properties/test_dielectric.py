"""Dielectric tensors: against nuclei that relax in a field, and modes of long waves (Lyddane, Sachs & Teller)."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from ase.build import bulk
from torch import Tensor

from leyden.charges import Equilibration
from leyden.checks import InputError
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.derivatives import forces, hessian_vector
from leyden.potential import Potential
from leyden.properties import born_charges, dielectric_tensor, polarizability
from leyden.properties.relaxation import compliance
from leyden.properties.vibrations import hessian
from leyden.system import System
from leyden.testing.assembly import SALT, assembled, batch
from leyden.testing.backbone import SLAB
from leyden.testing.ionic import LENGTH, ROCKSALT, ZINCBLENDE, distorted, equilibrated, latent, relaxed, transferred
from leyden.testing.numeric import close
from leyden.units import COULOMB

FIELD = torch.tensor([[0.6, -0.5, 0.4]], dtype=torch.float64)
UNIT = torch.eye(3, dtype=torch.float64)


def fixed() -> Potential:
    """Charges that stay what they are."""
    return latent(slope=0.0)


def waves(potential: Potential, cells: int, system: System) -> Tensor:
    """Squares (4,) eV/Å^2/amu of frequencies of longitudinal waves along x that are as long as so many cubic cells."""
    x, magnesium = system.positions[:, 0], system.numbers == 12
    shape = torch.cos(2 * math.pi * x / (cells * 2 * LENGTH))
    patterns = [shape * kind for kind in (magnesium, ~magnesium)]
    weights = [24.0, 16.0]
    matrix = torch.zeros(2, 2, dtype=torch.float64)
    for row, pattern in enumerate(patterns):
        direction = torch.zeros_like(system.positions)
        direction[:, 0] = pattern
        answer = hessian_vector(potential, system, direction)
        close(answer[:, 1:], torch.zeros_like(answer[:, 1:]), 1e-7)
        for column, other in enumerate(patterns):
            root = math.sqrt(weights[row] * weights[column])
            matrix[row, column] = (answer[:, 0] @ other) / (other @ other) / root
    return torch.linalg.eigvalsh(0.5 * (matrix + matrix.mT))


@pytest.mark.parametrize("make", [fixed, transferred, equilibrated])
def test_lyddane_sachs_teller(make: Callable[[], Potential]) -> None:
    """eps_0 / eps_inf is the square of the frequencies of longitudinal over transverse waves, in the limit of long
    ones; those that are not long enough differ by even powers of their wave vector."""
    potential, system = make(), System.from_ase(ROCKSALT)
    cubic = bulk("MgO", "rocksalt", a=2 * LENGTH, cubic=True)
    near, far, further = (waves(potential, n, System.from_ase(cubic.repeat((n, 1, 1))))[-1].item() for n in (2, 4, 8))
    first, second = (4 * far - near) / 3, (4 * further - far) / 3
    longitudinal = (16 * second - first) / 15
    transverse = hessian(potential, system)[0, 0].item() * (1 / 24 + 1 / 16)
    electronic = dielectric_tensor(potential, system)[0]
    static = dielectric_tensor(potential, system, ionic=True)[0]
    close(electronic, electronic[0, 0] * UNIT, 1e-8)
    close(static, static[0, 0] * UNIT, 1e-8)
    ratio = static[0, 0] / electronic[0, 0]
    assert ratio > 1.3 and ratio.item() == pytest.approx(longitudinal / transverse, rel=2e-4)


def at_rest(potential: Potential, system: System, pull: Tensor, steps: int = 8) -> System:
    """Relaxed in a field, and with further forces on its atoms (N, 3)."""
    give = compliance(potential, replace(system, field=torch.zeros_like(system.field)))
    for _ in range(steps):
        force = forces(potential, system, stress=False).forces + pull
        system = replace(system, positions=system.positions + (give @ force.flatten()).view(-1, 3))
    assert (forces(potential, system, stress=False).forces + pull).abs().max() < 1e-9
    return system


@pytest.mark.parametrize("make", [transferred, equilibrated])
def test_polarization_in_a_field(make: Callable[[], Potential]) -> None:
    """Of ions that follow it, and of ions that do not."""
    potential = make()
    system = System.from_ase(relaxed(potential, distorted(ZINCBLENDE)))
    none, size = torch.zeros_like(system.positions), 4 * math.pi * COULOMB / system.volume

    def polarization(sign: float, ionic: bool) -> Tensor:
        there = replace(system, field=sign * 1e-3 * FIELD)
        return potential(at_rest(potential, there, none) if ionic else there).dipole[0].detach()

    for ionic in (False, True):
        slope = (polarization(1.0, ionic) - polarization(-1.0, ionic)) / 2e-3
        found = dielectric_tensor(potential, system, ionic)[0]
        close(FIELD[0] + size * slope, found @ FIELD[0], 1e-5)
        close(found, found.mT, 1e-8)
    assert (found - found[0, 0] * UNIT).abs().max() > 0.01


def test_forces_of_a_field() -> None:
    """Latent charges: displacements under the forces Z* E carry charges Z*."""
    potential = latent(scale=1.3)
    system = System.from_ase(relaxed(potential, distorted(ZINCBLENDE)))
    born = born_charges(potential, system)
    close(born.sum(0), 0.0 * UNIT, 1e-8)
    pull = 1e-3 * torch.einsum("a,nab->nb", FIELD[0], born)
    up, down = (at_rest(potential, system, sign * pull).positions for sign in (1.0, -1.0))
    slope = torch.einsum("nab,nb->a", born, up - down) / 2e-3
    static = dielectric_tensor(potential, system, ionic=True)[0]
    close(1.69 * FIELD[0] + 4 * math.pi * COULOMB / system.volume * slope, static @ FIELD[0], 1e-5)


def test_electrons() -> None:
    """1, or the square of the scale, of charges that feel no field; otherwise by the polarizability of a cell, which
    grows with the cell."""
    rough = System.from_ase([distorted(ZINCBLENDE), ROCKSALT])
    for potential, expected in ((latent(), 1.0), (latent(scale=1.2), 1.44), (transferred(scale=1.2), 1.44)):
        close(dielectric_tensor(potential, rough), expected * UNIT.expand(2, 3, 3), 1e-12)
    potential = equilibrated()
    found = dielectric_tensor(potential, rough)
    close(found[1], UNIT + 4 * math.pi / rough.volume[1] * polarizability(potential, rough)[1], 1e-12)
    assert (found.diagonal(dim1=1, dim2=2) > 1.05).all()
    twice = System.from_ase(distorted(ZINCBLENDE).repeat((2, 1, 1)))
    close(dielectric_tensor(potential, twice)[0], found[0], 1e-7)


def test_batch_and_supercell() -> None:
    potential = latent()
    both = dielectric_tensor(potential, System.from_ase([ROCKSALT, ZINCBLENDE]), ionic=True)
    twice = dielectric_tensor(potential, System.from_ase(ROCKSALT.repeat((1, 2, 1))), ionic=True)
    close(twice[0], both[0], 1e-7)
    assert both[0, 0, 0] > 1.3 and (both[0] - both[1]).abs().max() > 1e-3


def test_compliance() -> None:
    """The inverse of the Hessian, without translations."""
    potential = latent()
    system = System.from_ase(relaxed(potential, distorted(ZINCBLENDE)))
    give, moves = compliance(potential, system), UNIT.repeat(2, 1)
    close(hessian(potential, system) @ give, torch.eye(6, dtype=torch.float64) - 0.5 * moves @ moves.mT, 1e-9)
    close(give @ moves, 0.0 * moves, 1e-9)


def test_a_structure_that_is_not_at_rest() -> None:
    with pytest.raises(InputError, match=r"^positions: expected a structure at rest, got a force of .* relax it first"):
        dielectric_tensor(latent(), System.from_ase(distorted(ZINCBLENDE)), ionic=True)
    with pytest.raises(InputError, match=r"^positions: expected a minimum of the energy, got a curvature of -"):
        dielectric_tensor(latent(charge=4.0), System.from_ase(ROCKSALT), ionic=True)


def test_mistakes(short_range: Potential) -> None:
    def held(charge: float = 0.0) -> System:
        return System.from_ase(ROCKSALT, charge=charge)

    with pytest.raises(InputError, match=r"^dielectric_tensor: expected a model with charges, got a short-range one"):
        dielectric_tensor(short_range, batch())
    potential = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    with pytest.raises(InputError, match="got Equilibration, whose charge can flow round the cell"):
        dielectric_tensor(potential, System.from_ase(SALT))
    with pytest.raises(InputError, match=r"expected structures periodic along three axes, got pbc \[True, True, False"):
        dielectric_tensor(potential, System.from_ase([SALT, SLAB]))
    with pytest.raises(InputError, match="expected neutral structures, got a total charge of 1 e"):
        dielectric_tensor(latent(), held(1.0), ionic=True)
    potential = latent()
    potential.coulomb = Coulomb(surroundings=1.0)
    with pytest.raises(InputError, match="expected conducting surroundings, got a permittivity of 1"):
        dielectric_tensor(potential, held())


def test_single_precision() -> None:
    for make in (latent, equilibrated):
        exact = dielectric_tensor(make(), System.from_ase(ROCKSALT), ionic=True)
        rough = dielectric_tensor(make().float(), System.from_ase(ROCKSALT, dtype=torch.float32), ionic=True)
        assert rough.dtype == torch.float32
        close(rough.double(), exact, 1e-3)
