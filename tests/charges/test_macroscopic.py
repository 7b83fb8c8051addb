"""Fields along periodic axes on models whose charge moves along bonds: the polarization, and E or D held."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import read, write
from torch import Tensor

from leyden.charges import Equilibration, Local, Split, SplitChargeEquilibration
from leyden.checks import InputError
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties import born_charges, polarizability
from leyden.system import System
from leyden.testing.assembly import MOLECULE, SALT, assembled
from leyden.testing.backbone import SLAB
from leyden.testing.numeric import central, close, derivatives_of, random
from leyden.units import COULOMB

FORMAL = {1: 1.0, 6: 0.0, 8: -1.0}
NAN = math.nan


def split(lmax: int = 1, scale: float = 1.0) -> Potential:
    return assembled(lambda c, e: Split(c, e, GaussianBasis(0.6, lmax), FORMAL, scale=scale, hidden=4))


def equilibrated(lmax: int = 1) -> Potential:
    return assembled(lambda c, e: SplitChargeEquilibration(c, e, GaussianBasis(0.6, lmax), FORMAL, 4))


def scaled() -> Potential:
    return split(0, 1.3)


MAKERS = pytest.mark.parametrize("make", [split, scaled, equilibrated, lambda: equilibrated(0)])


def salt(field: tuple[float, ...] = (0.0, 0.0, 0.0), displacement: tuple[float, ...] | None = None) -> System:
    """One cell of a salt in a field."""
    atoms = SALT.copy()
    atoms.info["external_field"] = np.array(field)
    if displacement is not None:
        atoms.info["displacement_field"] = np.array(displacement)
    return System.from_ase(atoms, charge=0)


def value(potential: Potential, system: System) -> Tensor:
    return potential(system).energy.detach()


SYSTEMS = {
    "field": salt((0.2, -0.1, 0.15)),
    "displacement": salt((0.0, 0.0, 0.0), (0.4, -0.3, 0.2)),
    "mixed": salt((0.0, 0.3, 0.0), (NAN, NAN, -0.5)),
}
HELD = pytest.mark.parametrize("held", list(SYSTEMS))


@MAKERS
@HELD
def test_forces_and_stress(make: Callable[[], Potential], held: str) -> None:
    """Derivatives of the energy that a field is part of."""
    potential, system = make(), SYSTEMS[held]
    step, strain = random(2, *system.positions.shape), random(3, 1, 3, 3)
    strain = strain + strain.mT
    found = forces(potential, system)
    assert found.stress is not None
    moved = central(lambda h: value(potential, replace(system, positions=system.positions + h * step)))
    close(-(found.forces * step).sum(), moved[0], 1e-7)
    stretched = central(lambda h: value(potential, system.strained(h * strain)))
    close((found.stress * strain).sum((1, 2)) * system.volume, stretched, 1e-7)
    without = forces(potential, salt()).forces
    assert (found.forces - without).abs().max() > 0.1


@MAKERS
def test_polarization_is_minus_the_slope_by_the_field(make: Callable[[], Potential]) -> None:
    potential, step = make(), random(4, 3)
    system = SYSTEMS["field"]
    moved = central(lambda h: value(potential, replace(system, field=system.field + h * step)))
    dipole = potential(system).dipole.detach()
    close(-(dipole * step).sum(1), moved, 1e-8)
    assert dipole.abs().min() > 1e-3


@MAKERS
@HELD
def test_born_charges_are_slopes_of_forces_and_of_the_polarization(make: Callable[[], Potential], held: str) -> None:
    """dP/dr = dF/dE with the same fields held; their sum over atoms is the charge."""
    potential, system = make(), SYSTEMS[held]
    born, step = born_charges(potential, system), random(5, *system.positions.shape)
    moved = central(lambda h: potential(replace(system, positions=system.positions + h * step)).dipole.detach())
    close(torch.einsum("nab,nb->a", born, step), moved[0], 1e-8)
    close(born.sum(0), torch.zeros(3, 3, dtype=torch.float64), 1e-9)
    if held == "field":
        push = random(6, 3)
        turned = central(lambda h: forces(potential, replace(system, field=system.field + h * push)).forces)
        close(torch.einsum("nab,a->nb", born, push), turned, 1e-7)
    assert born.abs().max() > 0.1


@MAKERS
def test_images_change_the_polarization_by_formal_charges(make: Callable[[], Potential]) -> None:
    """And at constant E the energy by -E times that; forces, Born charges and the polarizability stay."""
    potential, moved = make(), SALT.copy()
    moved.positions[0] += SALT.cell[1]
    formal = FORMAL[int(SALT.numbers[0])]
    here, there = salt((0.2, -0.1, 0.15)), System.from_ase(moved, charge=0)
    there = replace(there, field=here.field)
    a, b = potential(here), potential(there)
    quantum = formal * torch.tensor(SALT.cell[1])
    close((b.dipole - a.dipole)[0], quantum, 1e-10)
    close(b.energy - a.energy, -(here.field * quantum).sum(1), 1e-10)
    close(forces(potential, there).forces, forces(potential, here).forces, 1e-9)
    close(born_charges(potential, there), born_charges(potential, here), 1e-8)


@MAKERS
def test_supercells(make: Callable[[], Potential]) -> None:
    """Twice the cell in the same field has twice the energy and polarization, up to a quantum."""
    potential = make()
    big = SALT.repeat((2, 1, 1))
    big.info["external_field"] = np.array([0.2, -0.1, 0.15])
    one, two = potential(SYSTEMS["field"]), potential(System.from_ase(big, charge=0))
    shift = sum(FORMAL[int(z)] for z in SALT.numbers) * torch.tensor(SALT.cell[0])
    close(two.dipole[0], 2 * one.dipole[0] + shift, 1e-9)
    close(two.energy, 2 * one.energy, 1e-9)


@pytest.mark.parametrize("lmax", [0, 1])
def test_polarizability(lmax: int) -> None:
    """dP/dE at constant nuclei, symmetric, per cell twice as large for two."""
    potential, system, step = equilibrated(lmax), SYSTEMS["field"], random(7, 3)
    found = polarizability(potential, system)
    moved = central(lambda h: potential(replace(system, field=system.field + h * step)).dipole.detach())
    close(found[0] @ step, COULOMB * moved[0], 1e-7)
    close(found, found.mT, 1e-9)
    assert torch.linalg.eigvalsh(found).min() > 5e-3
    twice = System.from_ase(SALT.repeat((1, 2, 1)), charge=0)
    close(polarizability(potential, replace(twice, field=system.field)), 2 * found, 1e-8)


@MAKERS
def test_displacement(make: Callable[[], Potential]) -> None:
    """D = eps F + 4 pi k_e P / V; the energy is E(P) + F.F V eps / 8 pi k_e, and its slope V F / 4 pi k_e."""
    potential, system = make(), SYSTEMS["displacement"]
    eps, factor = potential.charges.permittivity, 4.0 * math.pi * COULOMB / system.volume
    output = potential(system)
    inside = (system.displacement - factor[:, None] * output.dipole) / eps
    at_field = potential(replace(system, field=inside.detach(), displacement=None))
    close(at_field.dipole, output.dipole, 1e-8)
    stored = 0.5 * eps * (inside * inside).sum(1) / factor + (inside * output.dipole).sum(1)
    close(at_field.energy + stored, output.energy, 1e-9)
    step = random(8, 3)
    moved = central(lambda h: value(potential, replace(system, displacement=system.displacement + h * step)))
    close((inside * step).sum(1) / factor, moved, 1e-7)
    assert (inside - system.displacement).abs().min() > 1e-3


def neutral(kind: type) -> Potential:
    return assembled(lambda c, e: kind(c, e, GaussianBasis(0.6, 1), None, hidden=4))


@pytest.mark.parametrize("kind", [Split, SplitChargeEquilibration])
def test_a_molecule_in_a_wide_cell(kind: type) -> None:
    """With D held it has the dipole and the forces that it has in open space; both ways to hold a field agree."""
    field = np.array([0.2, -0.1, 0.3])
    alone, boxed = MOLECULE.copy(), MOLECULE.copy()
    alone.info["external_field"] = boxed.info["displacement_field"] = field
    boxed.set_cell(np.eye(3) * 60.0)
    boxed.pbc = True
    potential, (open_, held) = neutral(kind), (System.from_ase(a, charge=0) for a in (alone, boxed))
    close(potential(held).dipole, potential(open_).dipole, 1e-3)
    close(forces(potential, held).forces, forces(potential, open_).forces, 1e-3)
    without = replace(held, displacement=None)
    assert (forces(potential, without).forces - forces(potential, held).forces).abs().max() > 1e-2


@pytest.mark.parametrize("kind", [Split, SplitChargeEquilibration])
def test_a_slab(kind: type) -> None:
    """Along the slab a field acts on P, across it on the density; -P is the slope of the energy in both."""
    potential, step = neutral(kind), random(9, 3)
    system = replace(System.from_ase(SLAB, charge=0), field=torch.tensor([[0.1, 0.2, -0.15]], dtype=torch.float64))
    moved = central(lambda h: value(potential, replace(system, field=system.field + h * step)))
    dipole = potential(system).dipole.detach()
    close(-(dipole * step).sum(1), moved, 1e-8)
    moving = random(10, *system.positions.shape)
    work = central(lambda h: value(potential, replace(system, positions=system.positions + h * moving)))
    close(-(forces(potential, system).forces * moving).sum(), work[0], 1e-7)
    assert dipole.abs().min() > 1e-3


def test_clausius_mossotti() -> None:
    """(eps - 1) / (eps + 2) = 4 pi alpha / 3 V of a cubic lattice of polarizable atoms without bonds; PHYSICS T11."""
    potential = neutral(SplitChargeEquilibration)
    potential.coulomb = Coulomb(accuracy=1e-9)
    atom = Atoms("O", [[0, 0, 0]])
    alpha = polarizability(potential, System.from_ase(atom, charge=0))[0]
    atom.set_cell(np.eye(3) * 6.0)
    atom.pbc = True
    system = System.from_ase(atom, charge=0)
    eps = 1.0 + 4.0 * math.pi * polarizability(potential, system)[0, 0, 0].item() / 216.0
    assert (eps - 1.0) / (eps + 2.0) == pytest.approx(4.0 * math.pi * alpha[0, 0].item() / (3.0 * 216.0), rel=1e-6)
    assert eps > 1.01


@MAKERS
def test_second_derivatives(make: Callable[[], Potential]) -> None:
    """By positions, strain, field and displacement together."""
    potential, system = make(), SYSTEMS["mixed"]

    def energy(positions: Tensor, strain: Tensor, field: Tensor, displacement: Tensor) -> Tensor:
        along = torch.stack([0 * field[0], field[1], 0 * field[2]])[None]
        held = torch.cat([torch.full((2,), NAN, dtype=torch.float64), displacement])[None]
        inside = replace(system, positions=positions, field=along, displacement=held)
        return potential(inside.strained(strain)).energy_long

    derivatives_of(energy, system.positions, 0.02 * random(5, 1, 3, 3), 0.3 * random(6, 3), 0.4 * random(7, 1))


@MAKERS
def test_batches(make: Callable[[], Potential]) -> None:
    """Of open and periodic structures, in fields and displacements."""
    potential = make()
    water = System.from_ase(Atoms("OHC", [[0, 0, 0], [0.9, 0.2, 0], [-0.3, 1.2, 0.4]]), charge=0)
    whole = System.join([*SYSTEMS.values(), water])
    assert whole.displacement is not None and whole.split()[3].displacement.isnan().all()
    parts = [forces(potential, one) for one in [*SYSTEMS.values(), water]]
    found = forces(potential, whole)
    close(found.output.energy, torch.cat([part.output.energy for part in parts]), 1e-10)
    close(found.output.dipole, torch.cat([part.output.dipole for part in parts]), 1e-9)
    close(found.forces, torch.cat([part.forces for part in parts]), 1e-8)
    some, _ = whole.select(torch.tensor([1, 3]))
    close(potential(some).energy, found.output.energy[[1, 3]], 1e-10)


@MAKERS
@HELD
def test_single_precision(make: Callable[[], Potential], held: str) -> None:
    double, single = make(), make().float()
    system = SYSTEMS[held]
    a, b = forces(double, system), forces(single, system.to(dtype=torch.float32))
    assert b.forces.dtype == torch.float32 and b.output.dipole.dtype == torch.float32
    close(b.forces.double(), a.forces, 1e-3)
    close(b.output.dipole.double(), a.output.dipole, 1e-4)


def test_files_carry_the_displacement(tmp_path: Path) -> None:
    """NaN where it is not held, through System and extended xyz."""
    (atoms,) = SYSTEMS["mixed"].to_ase()
    write(tmp_path / "held.xyz", atoms, format="extxyz")
    again = System.from_ase(read(tmp_path / "held.xyz"))
    np.testing.assert_array_equal(again.displacement.numpy(), [[NAN, NAN, -0.5]])
    assert "displacement_field" not in SYSTEMS["field"].to_ase()[0].info


@pytest.mark.parametrize("kind", [Local, Equilibration])
def test_models_without_a_polarization_are_refused(kind: type) -> None:
    potential = assembled(lambda c, e: kind(c, e, GaussianBasis(0.6), hidden=4))
    with pytest.raises(InputError, match=r"along periodic axes.*or take a model whose charge moves along bonds"):
        potential(SYSTEMS["field"])
    with pytest.raises(InputError, match="displacement_field: expected none"):
        potential(SYSTEMS["displacement"])


def test_mistakes() -> None:
    with pytest.raises(InputError, match="expected no external_field along the directions where"):
        split()(salt((0.1, 0.0, 0.0), (0.2, NAN, NAN)))
    with pytest.raises(InputError, match=r"expected formal charges that sum to the total charge.*a rest of 1 e"):
        split()(replace(SYSTEMS["field"], charge=torch.ones(1, dtype=torch.float64)))
    vacuum = split()
    vacuum.coulomb = Coulomb(surroundings=1.0)
    with pytest.raises(InputError, match="expected conducting surroundings where they act along periodic axes, got a"):
        vacuum(SYSTEMS["displacement"])
    slab = SLAB.copy()
    slab.info["displacement_field"] = [0.0, 0.0, 0.1]
    with pytest.raises(InputError, match="expected a structure that is periodic along three axes"):
        System.from_ase(slab, charge=0)
