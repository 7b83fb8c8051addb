"""Potential: the parts of the energy, the field, charge and spin."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from leyden.baseline import Baseline
from leyden.charges import Equilibration, Problem
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.neighbors import neighbor_list
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.solve import Status
from leyden.system import System
from leyden.testing.assembly import assembled, batch, molecules
from leyden.testing.backbone import CRYSTAL, MOLECULE
from leyden.testing.numeric import close, random


def test_energy_is_baseline_plus_short_plus_long(potential: Potential) -> None:
    system = batch()
    output = potential(system)
    reference = potential.baseline(system)
    assert reference[1] - replace(potential.baseline, charging=0.0)(system)[1] == 7.5
    assert torch.equal(output.energy, reference + output.energy_short + output.energy_long)
    assert reference[0].item() == pytest.approx(4 * -13.6 - 2 * 1030.0 - 2040.0, abs=1e-9)
    for part in (output.energy_short, output.energy_long):
        assert part.abs().min() > 1e-3
    assert output.solution.status == (Status.DIRECT,) * 4
    assert torch.equal(output.charges, output.density[:, 0])


def test_long_range_energy_is_that_of_its_charges(potential: Potential) -> None:
    """U(p) + 1/2 <p|V|p>, with the density that the output names."""
    system = batch()
    output = potential(system)
    bound = potential.coulomb.bind(system, potential.charges.basis)
    problem = Problem(system, None, None, bound, torch.zeros_like(output.density))
    expected = bound.energy(output.density) + potential.charges.energy(output.density, problem)
    close(output.energy_long, expected, 1e-14)


def test_short_range_model_has_no_charges(short_range: Potential) -> None:
    output = short_range(batch())
    assert torch.equal(output.energy_long, torch.zeros(4, dtype=torch.float64))
    assert output.energy_short.abs().min() > 1e-3
    assert output.density is output.charges is output.dipole is output.solution is None


def test_short_part_is_that_of_the_backbone(potential: Potential, short_range: Potential) -> None:
    system = batch()
    short_range.backbone.load_state_dict(potential.backbone.state_dict())
    assert torch.equal(potential(system).energy_short, short_range(system).energy_short)


def test_energy_is_float64_whatever_the_model(potential: Potential, short_range: Potential) -> None:
    for model in (potential, short_range):
        output = model.float()(batch(torch.float32))
        assert output.energy.dtype == torch.float64
        assert output.energy_short.dtype == output.energy_long.dtype == torch.float32


def test_given_pairs_are_used(potential: Potential) -> None:
    system = batch()
    pairs = neighbor_list(system, potential.backbone.cutoff)
    assert torch.equal(potential(system, pairs).energy, potential(system).energy)
    half = replace(pairs, centers=pairs.centers[::2], neighbors=pairs.neighbors[::2], shifts=pairs.shifts[::2])
    assert not torch.equal(potential(system, half).energy, potential(system).energy)


def test_field_acts_on_the_dipole(potential: Potential) -> None:
    """E(F) = E(0) - mu.F for charges that do not respond; latent dipoles included."""
    system, field = molecules(), 0.5 * random(0, 2, 3)
    free, inside = potential(system), potential(replace(system, field=field))
    close(inside.energy - free.energy, -(free.dipole * field).sum(1), 1e-12)
    close(inside.energy_long - free.energy_long, -(free.dipole * field).sum(1), 1e-12)
    point = torch.zeros(2, 3, dtype=torch.float64).index_add(0, system.index, free.charges[:, None] * system.positions)
    atomic = torch.zeros(2, 3, dtype=torch.float64).index_add(0, system.index, free.density[:, 1:])
    close(free.dipole, point + atomic, 1e-13)
    assert point.abs().max() > 1e-2 and atomic.abs().max() > 1e-2


def test_forces_in_a_field_on_a_charged_structure_sum_to_qe(potential: Potential) -> None:
    system = System.from_ase(MOLECULE, charge=2)
    positions = system.positions.requires_grad_()
    inside = replace(system, positions=positions, field=torch.tensor([[0.1, 0.2, -0.3]], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(potential(inside).energy.sum(), positions)
    close(-gradient.sum(0), 2 * inside.field[0], 1e-10)


def test_field_is_read_from_ase(potential: Potential) -> None:
    atoms = MOLECULE.copy()
    atoms.info["external_field"] = [0.0, 0.0, 0.2]
    free, inside = potential(System.from_ase(MOLECULE)), potential(System.from_ase(atoms))
    close(inside.energy - free.energy, -0.2 * free.dipole[:, 2], 1e-12)


def test_field_on_a_periodic_structure_is_refused(potential: Potential) -> None:
    """Also where only one of a batch is periodic; a field on its open neighbor alone is fine."""
    system = batch()
    field = torch.zeros(4, 3, dtype=torch.float64)
    field[0, 2] = 0.1
    assert torch.isfinite(potential(replace(system, field=field)).energy).all()
    field[1, 0] = 0.1
    with pytest.raises(
        InputError, match=r"external_field: expected no component along.*set pbc to False along it, or take"
    ):
        potential(replace(system, field=field))


def test_field_without_charges_is_refused(short_range: Potential) -> None:
    system = replace(molecules(), field=0.1 * torch.ones(2, 3, dtype=torch.float64))
    with pytest.raises(InputError, match=r"external_field: expected no field.*drop it\."):
        short_range(system)


def test_field_across_a_slab(potential: Potential) -> None:
    """Along the open axis: energy -mu.F, whatever the vacuum."""
    slab = Atoms("OH", [[0, 0, 0], [0.3, 0, 1]], cell=[3, 3, 9], pbc=[True, True, False])
    free = potential(System.from_ase(slab))
    slab.info["external_field"] = [0.0, 0.0, 0.2]
    slab.cell[2] = [0.0, 0.0, 30.0]
    inside = potential(System.from_ase(slab))
    close(inside.energy - free.energy, -0.2 * free.dipole[:, 2], 1e-12)
    assert free.dipole[0, 2].abs() > 1e-3


def test_charge_and_spin_change_all_parts(potential: Potential) -> None:
    states = [(0, 1), (1, 1), (-1, 1), (0, 3)]
    system = System.from_ase([MOLECULE] * 4, charge=[q for q, _ in states], spin=[m for _, m in states])
    output = potential(system)
    for part in (output.energy_short, output.energy_long):
        assert ((part[:, None] - part).abs() + torch.eye(4)).min() > 1e-5
    close(output.charges.view(4, 7).sum(1), torch.tensor([0.0, 1.0, -1.0, 0.0], dtype=torch.float64), 1e-12)
    assert (output.charges[:7] - output.charges[21:]).abs().max() > 1e-4


def test_electrodes_are_held_against_the_whole_energy() -> None:
    """A reference energy of charge, also of that on electrodes, shifts the potential at which they hold the same."""
    potential = assembled(lambda channels, elements: Equilibration(channels, elements, GaussianBasis(0.6), hidden=4))
    found = []
    for charging in (0.0, 3.0):
        atoms = MOLECULE.copy()
        held = np.where(atoms.numbers == 1, 0.5 + charging, np.nan)
        atoms.new_array("electrode_potential", held)
        potential.baseline = Baseline({}, charging)
        found.append(potential(System.from_ase(atoms, charge=0.25)))
    electrode = found[0].charges[MOLECULE.numbers == 1].sum()
    assert electrode.abs() > 1e-2
    close(found[1].charges, found[0].charges, 1e-10)
    close(found[1].energy - found[0].energy, torch.tensor([3.0 * 0.25], dtype=torch.float64), 1e-9)


def test_chemical_potential_has_that_of_the_reference(potential: Potential) -> None:
    found = []
    for charging in (0.0, 4.0):
        potential.baseline = replace(potential.baseline, charging=charging)
        found.append(forces(potential, batch(), chemical_potential=True))
    close(found[1].chemical_potential - found[0].chemical_potential, torch.full((4,), 4.0).double(), 1e-10)
    close(found[1].output.energy - found[0].output.energy, 4.0 * batch().charge, 1e-9)
    close(found[1].forces, found[0].forces, 1e-12)


def test_features_that_are_not_conditioned_see_neither_charge_nor_spin(potential: Potential) -> None:
    """The charge then acts through the charge model alone."""
    potential.conditioned = False
    states = [(0, 1), (1, 1), (-1, 1), (0, 3)]
    system = System.from_ase([MOLECULE] * 4, charge=[q for q, _ in states], spin=[m for _, m in states])
    output = potential(system)
    neutral = potential(System.from_ase(MOLECULE))
    close(output.energy_short, neutral.energy_short.expand(4), 1e-13)
    close(output.charges.view(4, 7).sum(1), torch.tensor([0.0, 1.0, -1.0, 0.0], dtype=torch.float64), 1e-12)
    assert (output.energy_long[1:3] - neutral.energy_long).abs().min() > 1e-3
    close(output.energy_long[3:], neutral.energy_long, 1e-13)


def test_periodic_born_charges_are_of_the_same_features(potential: Potential) -> None:
    """Those of a potential that is not conditioned, and of one whose conditioning has no weight."""
    system = System.from_ase(CRYSTAL, charge=1, spin=2)
    before = born_charges(potential, system)
    potential.conditioned = False
    found = born_charges(potential, system)
    potential.conditioned = True
    with torch.no_grad():
        potential.backbone.embedding.conditioning.outer.zero_()
    close(found, born_charges(potential, system), 1e-12)
    assert (found - before).abs().max() > 1e-4
