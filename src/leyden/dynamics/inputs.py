"""What a resumed run keeps of the run before: charge, spin, masses, and the fields that are held."""

import math
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

from leyden.checks import InputError
from leyden.info import CHARGE_KEYS, DISPLACEMENT_KEY, FIELD_KEYS, SPIN_KEYS
from leyden.system import System

INPUTS = {
    "charge": (CHARGE_KEYS, " e"), "spin": (SPIN_KEYS, ""), "field": (FIELD_KEYS, " V/Å"),
    "displacement": ((DISPLACEMENT_KEY,), " V/Å"),
}  # fmt: skip
"""What a resumed run keeps, as a System names it, the keys of info, and the unit."""
ROUNDING = 1e-6
"""Of masses in a file, u."""


def keep_inputs(atoms: Atoms, trajectory: Path) -> None:
    """Take charge, spin, masses and field from the first frame of the run; what is given of them has to be the same."""
    try:
        frame = read(trajectory, index=0, format="extxyz")
    except (OSError, ValueError, KeyError, IndexError):
        raise InputError(
            f"{trajectory}: expected the trajectory of the run to resume, got another file; put it back, or run without"
            " --resume to another output."
        ) from None
    assert isinstance(frame, Atoms)
    for keys, _ in INPUTS.values():
        if not any(key in atoms.info for key in keys):
            atoms.info |= {key: frame.info[key] for key in keys if key in frame.info}
    before, given = System.from_ase(frame), System.from_ase(atoms)
    for name, (keys, unit) in INPUTS.items():
        kept, new = (_input(system, name) for system in (before, given))
        if kept != new:
            raise InputError(
                f"{keys[0]}: expected the {name} of the run to resume, {kept}{unit}, got {new}{unit}; leave it out,"
                " or run without --resume to another output."
            )
    _keep_masses(atoms, frame)


def _keep_masses(atoms: Atoms, frame: Atoms) -> None:
    if frame.has("masses") and not atoms.has("masses"):
        atoms.set_masses(frame.get_masses())
    before, given = frame.get_masses(), atoms.get_masses()
    other = ~np.isclose(given, before, rtol=0.0, atol=ROUNDING)
    if other.any():
        n = int(other.argmax())
        raise InputError(
            f"masses: expected those of the run to resume, {before[n]:g} u for atom {n}, got {given[n]:g} u; leave them"
            " out, or run without --resume to another output."
        )


def _input(system: System, name: str) -> object:
    """An input of a single structure as plain data, None for what is not held."""
    value = getattr(system, name)
    if value is None:
        return None
    plain = value[0].tolist()
    return [None if math.isnan(x) else x for x in plain] if isinstance(plain, list) else plain
