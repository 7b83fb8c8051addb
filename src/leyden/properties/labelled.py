"""Electrical properties as labels of an ase.Atoms, under the keys of docs/conventions.md."""

from ase import Atoms
from torch import Tensor

from leyden.properties.summary import OF_CRYSTALS, ElectricalProperties

ATOMS = ("charges", "born_effective_charges")
STRUCTURE = {name: f"REF_{name}" for name in ("dipole", "quadrupole", "polarizability", "chemical_potential")} | {
    name: name for name in ("hardness", *OF_CRYSTALS)
}
"""Keys of info: labels, and what goes under its own name."""


def labelled(found: ElectricalProperties) -> Atoms:
    """The structure with its inputs, and as REF_ labels whatever of its properties there is: tensors as 9 numbers, row
    by row; hardness and what crystals have under their own names."""
    (atoms,) = found.system.to_ase()
    values = {name: value for name, value in vars(found).items() if isinstance(value, Tensor)}
    for name in ATOMS:
        if name in values:
            value = values[name].cpu().double().numpy()
            atoms.arrays[f"REF_{name}"] = value.reshape(len(atoms), -1) if value.ndim > 1 else value
    for name, key in STRUCTURE.items():
        if name in values:
            value = values[name].cpu().double().numpy()
            atoms.info[key] = value.flatten() if value.ndim > 0 else value.item()
    return atoms
