"""What atoms.info says of a structure: its total charge, spin, external field, and displacement that is held."""

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from leyden.checks import InputError, require, shaped

Number = float | int
CHARGE_KEYS = ("total_charge", "charge")
SPIN_KEYS = ("total_spin", "spin", "mult", "multiplicity")
FIELD_KEYS = ("external_field",)
DISPLACEMENT_KEY = "displacement_field"


def per_frame(
    frames: Sequence[Atoms], given: Number | Sequence[Number] | None, keys: tuple[str, ...], absent: float
) -> list[float]:
    """One number for each frame: given by the caller, or read from atoms.info; `absent` where no frame has one.

    Raises InputError where some frames have a number and others none, and for a wrong number of numbers.
    """
    if given is not None:
        values = np.asarray(given, dtype=float)
        fits = values.ndim == 0 or values.shape == (len(frames),)
        require(fits, f"{keys[0]}: expected one number or {len(frames)}, one a structure, got {values.size}.")
        return list(np.broadcast_to(values, len(frames)).tolist())
    found = [next((frame.info[k] for k in keys if k in frame.info), None) for frame in frames]
    missing = [n for n, value in enumerate(found) if value is None]
    if 0 < len(missing) < len(frames):
        raise InputError(
            f"{keys[0]}: {len(missing)} of {len(frames)} structures lack it (the first is structure {missing[0]}) while"
            f" others have it; add {keys[0]} to every structure, 0 for neutral ones."
        )
    return [absent if value is None else float(np.asarray(value).item()) for value in found]


def field(atoms: Atoms, dtype: torch.dtype) -> Tensor:
    """External field (1, 3), V/Å; zero without any."""
    given = next((atoms.info[key] for key in FIELD_KEYS if key in atoms.info), np.zeros(3))
    return shaped(FIELD_KEYS[0], torch.as_tensor(np.asarray(given, dtype=float), dtype=dtype), 3)[None]


def displacement(atoms: Atoms, dtype: torch.dtype) -> Tensor | None:
    """D / eps_0 (1, 3), V/Å, NaN along directions where it is not held; None without any.

    Raises InputError for a structure that is not periodic along three axes.
    """
    if DISPLACEMENT_KEY not in atoms.info:
        return None
    given = torch.as_tensor(np.asarray(atoms.info[DISPLACEMENT_KEY], dtype=float), dtype=dtype)
    held = shaped(DISPLACEMENT_KEY, given, 3)
    if bool(held.isnan().all()):
        return None
    require(
        bool(np.all(atoms.pbc)),
        f"{DISPLACEMENT_KEY}: expected a structure that is periodic along three axes, got pbc {atoms.pbc.tolist()};"
        " across open axes external_field is the displacement.",
    )
    return held[None]
