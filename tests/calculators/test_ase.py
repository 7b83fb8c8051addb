"""LeydenCalculator: the contract of a calculator, and what this one offers beyond it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError
from ase.optimize import BFGS

from leyden.calculators import LeydenCalculator
from leyden.charges import Equilibration, Local, SplitChargeEquilibration
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.potential import Potential
from leyden.properties import born_charges, dielectric_tensor, polarizability
from leyden.storage import save
from leyden.system import System
from leyden.testing.assembly import assembled
from leyden.testing.backbone import CRYSTAL, MOLECULE
from leyden.testing.calculator import CalculatorContract


class TestLeydenCalculator(CalculatorContract):
    def make(self) -> Calculator:
        return LeydenCalculator(assembled(lambda c, e: Local(c, e, GaussianBasis(0.6, 1), hidden=4)))


def with_(calculator: Calculator, atoms: Atoms = MOLECULE, **info: object) -> Atoms:
    atoms = atoms.copy()
    atoms.info |= info
    atoms.calc = calculator
    return atoms


def test_parts_of_the_energy(potential: Potential) -> None:
    atoms = with_(LeydenCalculator(potential))
    output = potential(System.from_ase(MOLECULE))
    for name, part in (("E_short", output.energy_short), ("E_long", output.energy_long), ("energy", output.energy)):
        assert atoms.calc.get_property(name, atoms) == part.item() != 0.0
    np.testing.assert_array_equal(atoms.get_charges(), output.charges.detach().numpy())
    np.testing.assert_array_equal(atoms.get_dipole_moment(), output.dipole[0].detach().numpy())


def test_born_charges(potential: Potential) -> None:
    atoms = with_(LeydenCalculator(potential))
    atoms.get_potential_energy()
    found = atoms.calc.get_property("born_effective_charges", atoms)
    np.testing.assert_allclose(found, born_charges(potential, System.from_ase(MOLECULE)).numpy(), atol=1e-12)
    assert np.abs(found).max() > 0.1
    assert not atoms.calc.calculation_required(atoms, ["energy", "forces", "born_effective_charges"])


def test_polarizability() -> None:
    """Of an open structure, beside everything else; where there is none, ASE's own error says what it needs."""
    model = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6, 1), hidden=4))
    atoms = with_(LeydenCalculator(model), external_field=[0.0, 0.1, 0.0])
    found = atoms.calc.get_property("polarizability", atoms)
    np.testing.assert_allclose(found, polarizability(model, System.from_ase(atoms))[0].numpy(), atol=1e-9)
    assert found.shape == (3, 3) and np.linalg.eigvalsh(found).min() > 0.1
    assert not atoms.calc.calculation_required(atoms, ["energy", "forces", "dipole", "polarizability"])
    crystal = with_(LeydenCalculator(model), CRYSTAL)
    with pytest.raises(PropertyNotImplementedError, match=r"^polarizability needs an open structure and a model with"):
        crystal.calc.get_property("polarizability", crystal)


def test_crystals() -> None:
    """The dielectric tensor; and a polarizability, where charge moves along bonds."""
    model = assembled(lambda c, e: SplitChargeEquilibration(c, e, GaussianBasis(0.6), hidden=4))
    atoms = with_(LeydenCalculator(model), CRYSTAL)
    found = atoms.calc.get_property("dielectric_tensor", atoms)
    np.testing.assert_allclose(found, dielectric_tensor(model, System.from_ase(CRYSTAL))[0].numpy(), atol=1e-9)
    assert found.shape == (3, 3) and np.abs(found - np.eye(3)).max() > 1e-2
    alpha = atoms.calc.get_property("polarizability", atoms)
    np.testing.assert_allclose(found, np.eye(3) + 4 * np.pi * alpha / atoms.get_volume(), atol=1e-9)
    molecule = with_(LeydenCalculator(model))
    with pytest.raises(
        PropertyNotImplementedError, match=r"^dielectric_tensor needs a structure that is periodic along"
    ):
        molecule.calc.get_property("dielectric_tensor", molecule)


def test_short_range_model_has_no_polarizability(short_range: Potential) -> None:
    atoms = with_(LeydenCalculator(short_range))
    with pytest.raises(PropertyNotImplementedError, match=r"^polarizability needs an open structure and a model with"):
        atoms.calc.get_property("polarizability", atoms)
    with pytest.raises(PropertyNotImplementedError, match=r"^born_effective_charges needs a model with charges\.$"):
        atoms.calc.get_property("born_effective_charges", atoms)


def test_folder_and_potential_give_the_same(potential: Potential, tmp_path: Path) -> None:
    folder = save(potential, tmp_path / "model")
    energies = [with_(LeydenCalculator(source)).get_potential_energy() for source in (potential, folder, str(folder))]
    assert energies[0] == energies[1] == energies[2]


def test_the_potential_given_stays_as_it_is(potential: Potential) -> None:
    potential.float()
    calculator = LeydenCalculator(potential, dtype="float64")
    assert with_(calculator).get_forces().dtype == np.float64
    assert all(w.dtype == torch.float32 and w.requires_grad for w in potential.parameters())


def test_single_precision(potential: Potential) -> None:
    exact, rough = (with_(LeydenCalculator(potential, dtype=dtype), CRYSTAL) for dtype in ("float64", "float32"))
    assert rough.get_potential_energy() != exact.get_potential_energy()
    np.testing.assert_allclose(rough.get_potential_energy(), exact.get_potential_energy(), atol=1e-4)
    np.testing.assert_allclose(rough.get_forces(), exact.get_forces(), atol=1e-3)
    np.testing.assert_allclose(rough.get_stress(), exact.get_stress(), atol=1e-4)


def test_charge_and_multiplicity_of_the_calculator_come_first(potential: Potential) -> None:
    given = with_(LeydenCalculator(potential, charge=-1, multiplicity=2), total_charge=1, total_spin=1)
    read = with_(LeydenCalculator(potential), total_charge=-1, total_spin=2)
    assert given.get_potential_energy() == read.get_potential_energy()
    assert given.get_charges().sum() == pytest.approx(-1.0, abs=1e-12)


@pytest.mark.parametrize("trained_on", [[0.0, 1.0], [-1.0]])
def test_missing_charge_where_the_model_demands_it(potential: Potential, tmp_path: Path, trained_on: list) -> None:
    folder = save(potential, tmp_path / "model", {"total_charges": trained_on})
    with pytest.raises(InputError, match=r"total_charge: .*0 for neutral\."):
        with_(LeydenCalculator(folder)).get_potential_energy()
    expected = with_(LeydenCalculator(potential), total_charge=1).get_potential_energy()
    for atoms in (
        with_(LeydenCalculator(folder), total_charge=1),
        with_(LeydenCalculator(folder), charge=1),
        with_(LeydenCalculator(folder, charge=1)),
    ):
        assert atoms.get_potential_energy() == expected


def test_missing_charge_of_a_model_of_neutral_structures(potential: Potential, tmp_path: Path) -> None:
    folder = save(potential, tmp_path / "model", {"total_charges": [0.0]})
    assert with_(LeydenCalculator(folder)).get_charges().sum() == pytest.approx(0.0, abs=1e-12)


def test_short_range_model(short_range: Potential) -> None:
    atoms = with_(LeydenCalculator(short_range))
    assert atoms.calc.get_property("E_long", atoms) == 0.0
    assert np.abs(atoms.get_forces()).max() > 1e-2
    with pytest.raises(PropertyNotImplementedError, match=r"^charges needs a model with charges\.$"):
        atoms.get_charges()
    with pytest.raises(
        PropertyNotImplementedError, match=r"^dipole needs an open structure and a model with charges, or one"
    ):
        atoms.get_dipole_moment()


def test_unknown_dtype(potential: Potential) -> None:
    with pytest.raises(InputError, match=r"dtype: expected one of float32, float64, got 'half'\."):
        LeydenCalculator(potential, dtype="half")


def test_geometry_optimization(short_range: Potential) -> None:
    """Energies go down and forces vanish: ASE's optimizers accept the calculator."""
    atoms = with_(LeydenCalculator(short_range))
    before = atoms.get_potential_energy()
    BFGS(atoms, logfile=None).run(fmax=0.05, steps=10)
    assert atoms.get_potential_energy() < before - 1e-3
