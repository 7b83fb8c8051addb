"""What phonopy needs for the splitting of longitudinal and transverse modes: Born charges Z* and eps_inf, with which it
adds the non-analytical term (Gonze & Lee, Phys. Rev. B 55, 10355)

    D_ia,jb(q -> 0) += 4 pi k_e / V (q.Z*_i)_a (q.Z*_j)_b / (q.eps_inf.q) / sqrt(m_i m_j).

Force constants come from forces of the same model. Of charges that feel no field, the energy knows Z* / sqrt(eps_inf):
another eps_inf changes Z* with it, and no frequency.
"""

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ase import Atoms

from leyden.calculators.ase import LeydenCalculator
from leyden.checks import InputError, require
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.properties.dielectric import FIELDLESS, dielectric_tensor, require_neutral
from leyden.units import COULOMB

if TYPE_CHECKING:
    from phonopy.structure.atoms import PhonopyAtoms


def nac_params(
    potential: str | Path | Potential, structure: "Atoms | PhonopyAtoms", eps_inf: float | None = None
) -> dict[str, Any]:
    """`Phonopy.nac_params` of its primitive cell: born (N, 3, 3) e, dielectric (3, 3), factor k_e in eV Å.

    potential: a model or its folder; eps_inf: instead of that of the model. Raises InputError as
    `born_charges` and `dielectric_tensor` do, and for an eps_inf where charges answer to fields by themselves.
    """
    calculator = LeydenCalculator(potential)
    system = calculator.system(structure if isinstance(structure, Atoms) else _converted(structure))
    require_neutral("nac_params", system)
    dielectric = dielectric_tensor(calculator.potential, system)[0]
    born = born_charges(calculator.potential, system)
    if eps_inf is not None:
        charges = calculator.potential.charges
        known = f"eps_inf: expected none, as {type(charges).__name__} has one of its own; drop it."
        require(isinstance(charges, FIELDLESS), known)
        require(eps_inf >= 1.0, f"eps_inf: expected at least 1, got {eps_inf:g}.")
        born = born * math.sqrt(eps_inf / dielectric[0, 0].item())
        dielectric = eps_inf * torch.eye(3)
    return {"born": born.cpu().numpy(), "factor": COULOMB, "dielectric": dielectric.detach().cpu().double().numpy()}


def write_born(
    path: str | Path,
    potential: str | Path | Potential,
    structure: "Atoms | PhonopyAtoms",
    eps_inf: float | None = None,
) -> None:
    """A BORN file: k_e, eps_inf, and Z* of the atoms that symmetry tells apart. Arguments are those of `nac_params`.

    Raises InputError as that does, without phonopy, and for a file that cannot be written.
    """
    require_phonopy("write_born")
    from phonopy.file_IO import get_BORN_lines

    found = nac_params(potential, structure, eps_inf)
    first, *others = get_BORN_lines(_phonopy(structure), found["born"], found["dielectric"])
    try:
        Path(path).write_text("\n".join((f"{COULOMB} {first}", *others, "")))
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be written, got {error.strerror}.") from None


def require_phonopy(name: str) -> None:
    """Raise InputError where it is not installed."""
    require(
        find_spec("phonopy") is not None, f"{name}: expected phonopy, found none; run: pip install 'leyden[phonopy]'."
    )


def _converted(structure: "PhonopyAtoms") -> Atoms:
    return Atoms(
        structure.symbols,
        cell=structure.cell,
        scaled_positions=structure.scaled_positions,
        pbc=True,
        info={"total_charge": 0},
    )


def _phonopy(structure: "Atoms | PhonopyAtoms") -> "PhonopyAtoms":
    if not isinstance(structure, Atoms):
        return structure
    from phonopy.structure.atoms import PhonopyAtoms

    symbols, cell = structure.get_chemical_symbols(), structure.cell.array
    return PhonopyAtoms(symbols=symbols, cell=cell, scaled_positions=structure.get_scaled_positions())
