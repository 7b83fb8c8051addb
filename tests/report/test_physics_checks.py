"""A sound potential passes every check; each defect is caught by the check that is meant for it, and by name."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from leyden.backbones.cartesian import Cartesian
from leyden.baseline import Baseline
from leyden.charges import Local
from leyden.checks import InputError
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.potential import Potential
from leyden.report.physics_checks import run_checks
from leyden.report.probe import energies, far_range
from leyden.report.trends import tail
from leyden.system import System

ALWAYS = {"rotation", "translation", "permutation", "batch equals single"}


def small_potential(kind=Potential, charges=True):
    torch.manual_seed(1)
    backbone = Cartesian((1, 3, 8, 9), cutoff=3.0, channels=2, layers=1)
    model = Local(backbone.channels, backbone.elements, GaussianBasis(), mode="softness") if charges else None
    return kind(backbone, model, Coulomb(), Baseline({1: -13.6, 8: -2041.0}))


def water(charge=0):
    atoms = molecule("H2O")
    atoms.info["total_charge"] = charge
    return System.from_ase(atoms)


def crystal():
    return System.from_ase(
        Atoms("LiFLiF", [[0, 0, 0], [2, 0.1, 0], [0.1, 2, 0], [2, 2.1, 0]], cell=[4, 4.2, 3.5], pbc=True)
    )


class Drifting(Potential):
    """Depends on where the structure is."""

    def forward(self, system, pairs=None, start=None):
        output = super().forward(system, pairs, start)
        return replace(output, energy=output.energy + 0.1 * system.positions[:, 0].square().sum())


class Inconsistent(Potential):
    """An energy term that autograd does not see."""

    def forward(self, system, pairs=None, start=None):
        output = super().forward(system, pairs, start)
        return replace(
            output, energy=output.energy + 0.1 * (system.positions.detach() ** 2).sum() + system.volume.detach()
        )


class Ordered(Potential):
    """The first atom is special."""

    def forward(self, system, pairs=None, start=None):
        output = super().forward(system, pairs, start)
        first = system.positions[0] - system.positions[: int(system.size[0])].mean(0)
        return replace(output, energy=output.energy + first.square().sum())


class Inextensive(Potential):
    """Energy grows as the square of the number of atoms."""

    def forward(self, system, pairs=None, start=None):
        output = super().forward(system, pairs, start)
        return replace(output, energy=output.energy + 0.01 * system.size**2)


class Mixing(Potential):
    """Structures of a batch see each other."""

    def forward(self, system, pairs=None, start=None):
        output = super().forward(system, pairs, start)
        return replace(output, energy=output.energy.mean().expand_as(output.energy))


class Leaking(Potential):
    """Charge is lost."""

    def forward(self, system, pairs=None, start=None):
        output = super().forward(system, pairs, start)
        energy = output.energy - 0.1 * (output.dipole * system.field).sum(1)
        return replace(
            output,
            energy=energy,
            density=output.density + 0.01,
            charges=output.charges + 0.01,
            dipole=output.dipole * 1.1,
        )


def failed(potential, system):
    return {check.name.split(",")[0] for check in run_checks(potential, system) if not check.passed}


def test_open_molecules_pass_and_the_ion_counts():
    potential = small_potential()
    system = System.join([water(), water(1)])
    checks = {check.name: check for check in run_checks(potential, system)}
    assert all(check.passed for check in checks.values()), checks
    assert {name.split(",")[0] for name in checks} == ALWAYS | {
        "sum of charges", "acoustic sum rule", "forces by finite difference", "size extensivity"
    }  # fmt: skip
    assert next(potential.parameters()).dtype == torch.float32, "the potential itself must stay as it was"
    assert all(parameter.requires_grad for parameter in potential.parameters())


def test_crystal_passes_with_stress_and_a_short_range_model_has_no_charge_checks():
    found = {check.name for check in run_checks(small_potential(), crystal()) if check.passed}
    assert "stress by finite difference" in found and "acoustic sum rule" not in found and len(found) == 13
    short = run_checks(small_potential(charges=False), water())
    assert all(check.passed for check in short) and not {"sum of charges", "acoustic sum rule"} & {
        c.name for c in short
    }


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (Drifting, {"translation", "rotation", "size extensivity"}),
        (Inconsistent, {"forces by finite difference"}),
        (Ordered, {"permutation"}),
        (Inextensive, {"size extensivity"}),
        (Mixing, {"batch equals single"}),
        (Leaking, {"sum of charges", "acoustic sum rule"}),
    ],
)
def test_each_defect_is_caught(kind, caught):
    assert caught <= failed(small_potential(kind), water(1 if kind is Leaking else 0))


def test_wrong_stress_is_caught():
    assert {"stress by finite difference", "forces by finite difference"} <= failed(
        small_potential(Inconsistent), crystal()
    )


def pair(distance):
    return Atoms("LiF", [[0, 0, 0], [distance, 0, 0]], info={"total_charge": 0})


def test_probe_sees_the_charges_of_the_model():
    separation = np.array([8.0, 12.0, 20.0, 30.0, 50.0])
    frames = [pair(r) for r in separation]
    potential = small_potential()
    short = small_potential(charges=False)
    probe = far_range("LiF", {"model": potential, "short": short}, frames, separation, charges=(1, -1))
    q = potential.double()(System.from_ase(frames[0])).charges.detach()
    assert abs(q[0]) > 1e-2
    assert tail(probe, probe.curves["model"]) == pytest.approx(float(q[0] * q[1]), rel=1e-5)
    assert tail(probe, probe.curves["short"]) == pytest.approx(0.0, abs=1e-8)
    assert probe.charge_product == -1


def test_probe_of_unequal_lengths_is_an_error():
    with pytest.raises(InputError, match="expected 2 separations"):
        far_range("x", {}, [pair(5), pair(6)], [5.0])
    with pytest.raises(InputError, match="expected 2 reference energies, got 1"):
        far_range("x", {}, [pair(5), pair(6)], [5.0, 6.0], reference=[1.0])
    assert energies(small_potential(), [pair(5.0)]).dtype == np.float64
