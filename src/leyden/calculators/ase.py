"""ASE calculator: energy, free_energy, forces, stress, charges, dipole, born_effective_charges, dielectric_tensor, by
ASE's names, and E_short, E_long, polarizability.

Units are ASE's (eV, Å, e); free_energy equals energy. The dipole, in e Å about the origin, and the polarizability, (3,
3) in Å^3, are those of open structures, or of models whose charge moves along bonds. Born charges are (N, 3, 3), row =
polarization; the dielectric tensor is that of fixed nuclei.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from torch import Tensor

from leyden.charges.model import Bonded
from leyden.checks import InputError
from leyden.derivatives import forces
from leyden.info import CHARGE_KEYS, DISPLACEMENT_KEY, FIELD_KEYS, SPIN_KEYS
from leyden.potential import Potential
from leyden.properties import born_charges, dielectric_tensor, polarizability
from leyden.storage import load, metadata
from leyden.system import System

DTYPES = {"float32": torch.float32, "float64": torch.float64}
STATE_KEYS = (*CHARGE_KEYS, *SPIN_KEYS, *FIELD_KEYS, DISPLACEMENT_KEY)
"""What of atoms.info an energy depends on."""
NEEDS = {
    "stress": "a structure that is periodic along three axes",
    "charges": "a model with charges",
    "dipole": "an open structure and a model with charges, or one whose charge moves along bonds",
    "polarizability": "an open structure and a model with charges, or one whose charge moves along bonds",
    "born_effective_charges": "a model with charges",
    "dielectric_tensor": "a structure that is periodic along three axes and a model with charges",
}


class LeydenCalculator(Calculator):
    """A potential (of which it takes a copy), or the folder of one, as an ASE calculator.

    charge and multiplicity: given here, or read from atoms.info (total_charge, total_spin). A model that was trained on
    charged structures demands one of the two; otherwise structures are neutral.
    """

    implemented_properties: ClassVar[list[str]] = [  # type: ignore[misc]
        "energy", "free_energy", "forces", "stress", "charges", "dipole", "E_short", "E_long", "born_effective_charges",
        "dielectric_tensor", "polarizability",
    ]  # fmt: skip

    def __init__(
        self,
        potential: str | Path | Potential,
        device: str = "cpu",
        dtype: str = "float64",
        charge: float | None = None,
        multiplicity: float | None = None,
    ) -> None:
        super().__init__()
        if dtype not in DTYPES:
            raise InputError(f"dtype: expected one of {', '.join(DTYPES)}, got {dtype!r}.")
        self.demands_charge = False
        if not isinstance(potential, Potential):
            self.demands_charge = any(metadata(potential).get("total_charges", []))
            potential = load(potential)
        self.potential = deepcopy(potential).to(device=device, dtype=DTYPES[dtype])
        self.potential.requires_grad_(False)
        self.device, self.dtype, self.charge, self.multiplicity = device, DTYPES[dtype], charge, multiplicity
        self.last: tuple[Tensor, Tensor | None] = (torch.empty(0), None)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What changed since the last calculation: ASE compares arrays and cells, here charge, spin and field too."""
        changes = super().check_state(atoms, tol)
        if self.atoms is not None:
            before, after = self.atoms.info, atoms.info
            changes += [key for key in STATE_KEYS if not np.array_equal(before.get(key), after.get(key))]
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill results. Raises InputError for structures the model cannot evaluate."""
        super().calculate(atoms, properties, system_changes)
        system = self.system(self.atoms)
        periodic = bool(system.pbc.all())
        found = forces(self.potential, system, stress=periodic, start=self._start(system))
        output = found.output
        self.last = system.numbers, output.density
        self.results: dict[str, Any] = {
            "energy": output.energy.item(),
            "free_energy": output.energy.item(),
            "forces": found.forces.cpu().double().numpy(),
            "E_short": output.energy_short.item(),
            "E_long": output.energy_long.item(),
        }
        if found.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(found.stress[0].cpu().double().numpy())
        if output.charges is not None and output.dipole is not None:
            self.results["charges"] = output.charges.cpu().double().numpy()
            if self._answers(system):
                self.results["dipole"] = output.dipole[0].cpu().double().numpy()
        if "charges" in self.results:
            self.results |= self._derived(system, properties)
        for name in properties:
            if name not in self.results:
                raise PropertyNotImplementedError(f"{name} needs {NEEDS.get(name, 'another calculator')}.")

    def _derived(self, system: System, properties: Sequence[str]) -> dict[str, Any]:
        """Of a model with charges, what is computed only where it is asked for."""
        found = {}
        if "born_effective_charges" in properties:
            found["born_effective_charges"] = born_charges(self.potential, system)
        if "polarizability" in properties and self._answers(system):
            found["polarizability"] = polarizability(self.potential, system)[0]
        if "dielectric_tensor" in properties and system.pbc.all():
            found["dielectric_tensor"] = dielectric_tensor(self.potential, system)[0]
        return {name: value.cpu().double().numpy() for name, value in found.items()}

    def _answers(self, system: System) -> bool:
        """Whether there is a polarization on which fields act: in crystals, where charge moves along bonds."""
        return isinstance(self.potential.charges, Bonded) or not bool(system.pbc.any())

    def system(self, atoms: Atoms) -> System:
        """A structure as the potential takes it. Raises InputError for a total charge that the model demands."""
        if self.demands_charge and self.charge is None and not any(key in atoms.info for key in CHARGE_KEYS):
            raise InputError(
                "total_charge: expected the total charge of the structure, as this model was trained on charged ones;"
                " set atoms.info['total_charge'] or LeydenCalculator(charge=...), 0 for neutral."
            )
        return System.from_ase(atoms, self.charge, self.multiplicity).to(self.device, self.dtype)

    def _start(self, system: System) -> Tensor | None:
        """The density of the last structure, if this one has the same atoms."""
        numbers, density = self.last
        return density if density is not None and torch.equal(numbers, system.numbers) else None
