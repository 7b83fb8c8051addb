"""Contract of an ASE calculator as a test suite: inherit CalculatorContract in tests/calculators/, supply make.

    free_energy = energy,    forces = -dE/dr,    stress = (1/V) dE/dstrain in Voigt order,    sum_i q_i = Q

A result belongs to the structure and to its charge, spin and field in atoms.info: a change of either is seen.
"""

from abc import ABC, abstractmethod
from contextlib import suppress

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, compare_atoms
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.outputs import all_outputs
from ase.stress import voigt_6_to_full_3x3_stress

from leyden.checks import InputError
from leyden.testing.backbone import CRYSTAL, MOLECULE


class CalculatorContract(ABC):
    """Inherit, name the class Test..., and implement make."""

    @abstractmethod
    def make(self) -> Calculator:
        """A calculator in float64 of a model with charges that conserves them, and knows H, C and O."""

    def molecule(self, charge: float = 0) -> Atoms:
        """An open structure with the calculator under test."""
        return self.equipped(MOLECULE, charge)

    def crystal(self, charge: float = 0) -> Atoms:
        """A periodic structure with the calculator under test."""
        return self.equipped(CRYSTAL, charge)

    def equipped(self, atoms: Atoms, charge: float) -> Atoms:
        """A copy of the atoms with total_charge and the calculator under test."""
        atoms = atoms.copy()
        atoms.info["total_charge"] = charge
        atoms.calc = self.make()
        return atoms

    def test_energy(self) -> None:
        """One number, free of any fictitious temperature, of the total: it differs between structures."""
        for atoms in (self.molecule(), self.crystal()):
            energy = atoms.get_potential_energy()
            assert isinstance(energy, float)
            assert energy == atoms.get_potential_energy(force_consistent=True)
            assert energy == atoms.calc.get_property("free_energy")
        assert abs(self.molecule().get_potential_energy() - self.crystal().get_potential_energy()) > 1e-3

    @pytest.mark.parametrize("charge", [0, 1])
    def test_forces(self, charge: float) -> None:
        """Against finite differences by ASE, of open and periodic structures."""
        for atoms in (self.molecule(charge), self.crystal(charge)):
            found = atoms.get_forces()
            np.testing.assert_allclose(found, calculate_numerical_forces(atoms, eps=1e-4), atol=1e-5)
            assert np.abs(found).max() > 1e-2

    @pytest.mark.parametrize("charge", [0, 1])
    def test_stress(self, charge: float) -> None:
        """Sign, units and Voigt order against finite differences by ASE; open structures have none."""
        atoms = self.crystal(charge)
        found = atoms.get_stress()
        np.testing.assert_array_equal(atoms.get_stress(voigt=False), voigt_6_to_full_3x3_stress(found))
        np.testing.assert_allclose(found, calculate_numerical_stress(atoms, eps=1e-5), atol=1e-7)
        assert np.abs(found).min() > 1e-6
        with pytest.raises(PropertyNotImplementedError, match="stress"):
            self.molecule().get_stress()

    def test_charges(self) -> None:
        """They sum to the total charge, and differ."""
        for atoms in (self.molecule(1), self.crystal(-1), self.molecule(0)):
            charges = atoms.get_charges()
            assert charges.shape == (len(atoms),)
            assert charges.sum() == pytest.approx(atoms.info["total_charge"], abs=1e-10)
            assert charges.std() > 1e-3

    def test_dipole(self) -> None:
        """It moves with a charged structure by Q times the shift, is not there for a periodic one, and is not zero."""
        atoms = self.molecule(2)
        before = atoms.get_dipole_moment()
        atoms.translate([1.0, -2.0, 3.0])
        np.testing.assert_allclose(atoms.get_dipole_moment() - before, [2.0, -4.0, 6.0], atol=1e-9)
        assert np.abs(before).min() > 1e-4
        with pytest.raises(PropertyNotImplementedError, match="dipole"):
            self.crystal().get_dipole_moment()

    def test_names_of_ase(self) -> None:
        """What ASE has a name for has the shape that goes with it."""
        seen = set()
        for atoms in (self.molecule(), self.crystal()):
            for name in set(atoms.calc.implemented_properties) & set(all_outputs):
                with suppress(PropertyNotImplementedError):
                    shape = tuple(len(atoms) if n == "natoms" else n for n in all_outputs[name].shapespec)
                    assert np.shape(atoms.calc.get_property(name, atoms)) == shape
                    seen.add(name)
        assert seen == set(atoms.calc.implemented_properties) & set(all_outputs)

    def test_same_structure_is_not_calculated_again(self) -> None:
        """Results are kept until something changes, and handed out as copies."""
        atoms = self.molecule()
        forces = atoms.get_forces()
        assert not atoms.calc.calculation_required(atoms, ["energy", "forces"])
        forces[:] = 0.0
        assert np.abs(atoms.get_forces()).max() > 1e-2

    @pytest.mark.parametrize("what", ["positions", "numbers", "cell", "pbc"])
    def test_changes_of_the_structure(self, what: str) -> None:
        """A changed structure gives what a new calculator gives for it."""
        atoms = self.crystal()
        before = atoms.get_potential_energy()
        if what == "positions":
            atoms.positions[0] += [0.0, 0.05, 0.0]
        elif what == "numbers":
            atoms.numbers[0] = 8
        elif what == "cell":
            atoms.set_cell(atoms.cell * 1.02)
        else:
            atoms.pbc = False
        after = atoms.get_potential_energy()
        assert abs(after - before) > 1e-6
        assert after == self.equipped(atoms, 0).get_potential_energy()

    @pytest.mark.parametrize(
        ("key", "value"), [("total_charge", 1), ("total_spin", 3), ("external_field", [0.0, 0.1, 0.2])]
    )
    def test_changes_of_the_state(self, key: str, value: object) -> None:
        """Charge, spin and field in atoms.info count, also when they change between two calls."""
        atoms = self.molecule()
        before = atoms.get_potential_energy()
        atoms.info[key] = value
        assert atoms.calc.calculation_required(atoms, ["energy"])
        after = atoms.get_potential_energy()
        assert abs(after - before) > 1e-6
        fresh = atoms.copy()
        fresh.calc = self.make()
        assert after == fresh.get_potential_energy()
        atoms.info["comment"] = "of no interest"
        assert not atoms.calc.calculation_required(atoms, ["energy", "charges"])
        assert not compare_atoms(atoms.calc.atoms, atoms)

    def test_unknown_element(self) -> None:
        """It is named, and the structure before it is forgotten."""
        atoms = self.molecule()
        atoms.get_potential_energy()
        atoms.numbers[0] = 14
        for _ in range(2):
            with pytest.raises(InputError, match="14"):
                atoms.get_potential_energy()
