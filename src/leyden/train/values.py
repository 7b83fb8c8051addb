"""One value of a data file, as a tensor in the canonical shape, or an InputError that says what is wrong with it.

Tensors: 9 numbers are taken row by row; 6 numbers in the Voigt order of ASE, xx yy zz yz xz xy.
Quadrupole: only the traceless part sum_i q_i (r_i r_i - r_i^2 1/3) acts at a distance, and files differ in whether they
keep the trace; it is removed.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from leyden.checks import InputError, finite, require
from leyden.train.keys import Source
from leyden.train.labels import ANY, POINTS, Property

VOIGT = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]
"""Position of each entry of a symmetric 3x3 tensor in xx yy zz yz xz xy."""


def read_value(atoms: Atoms, source: Source) -> Tensor | None:
    """The property of one structure: (N, ...) or (1, ...), float64, in its unit; None where the structure lacks it.

    Raises InputError for text, a wrong shape, NaN or infinity.
    """
    raw = source.raw(atoms)
    if raw is None:
        return None
    prop = source.of
    values = _shaped(prop, source.key, _numbers(prop, source.key, raw), len(atoms))
    tensor = finite(f"{prop.name} (key `{source.key}`)", torch.from_numpy(values.copy()))
    if source.transposed:
        tensor = tensor.transpose(1, 2)
    if prop.name == "quadrupole":
        tensor = tensor - torch.eye(3, dtype=tensor.dtype) * torch.einsum("saa->s", tensor)[:, None, None] / 3
    return tensor.contiguous()


def require_points(values: Mapping[str, Tensor | None]) -> None:
    """Raise InputError unless the electrostatic potentials of one structure, if it has any, are of as many points."""
    potential, points = values.get("electrostatic_potential"), values.get(POINTS.name)
    if potential is None:
        return
    given = "none" if points is None else f"{points.shape[1]}"
    require(
        points is not None and points.shape[1] == potential.shape[1],
        f"electrostatic_potential: expected {POINTS.name}, one point for each of {potential.shape[1]} values, got"
        f" {given}; add {POINTS.key}, or name yours under `keys`.",
    )


def place(path: Path | str, frame: int) -> str:
    """How messages name a frame; the first frame of a file is 0, as in ASE."""
    return f"{path}, frame {frame}"


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put a place in front of the message of an InputError raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _numbers(prop: Property, key: str, raw: object) -> NDArray[np.float64]:
    try:
        values = np.asarray(raw)
        if values.dtype.kind in "iuf":
            return values.astype(np.float64)
    except ValueError:  # lists of unequal length
        pass
    raise InputError(
        f"{prop.name} (key `{key}`): expected numbers of shape {prop.shape_text}, got {raw!r:.60}; correct or"
        " remove it."
    )


def _shaped(prop: Property, key: str, values: NDArray[np.float64], atoms: int) -> NDArray[np.float64]:
    """Bring values to (N, *shape) or (1, *shape)."""
    lead, flat = (atoms,) if prop.per_atom else (1,), values
    fixed = math.prod(n for n in prop.shape if n != ANY) * (atoms if prop.per_atom else 1)
    shape = tuple(values.size // fixed if n == ANY else n for n in prop.shape)
    size = int(np.prod(shape))
    if not prop.per_atom:  # 3, (3,), (1, 3) and (1, 1, 3) are one entry
        while flat.ndim > 0 and flat.shape[0] == 1:
            flat = flat[0]
        flat = flat[None]
    if prop.symmetric and flat.shape == (*lead, 6):
        flat = flat[..., VOIGT]
    if flat.shape in {(*lead, *shape), (*lead, size)} or (flat.shape == lead and size == 1):
        return flat.reshape(*lead, *shape)
    raise InputError(
        f"{prop.name} (key `{key}`): expected shape {prop.shape_text}{f' with N = {atoms}' * prop.per_atom}, got"
        f" {values.shape}; correct that frame, or name another key under `keys`."
    )
