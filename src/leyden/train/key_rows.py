"""The keys of a data file, one row each: what they hold, and what they are taken for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from leyden.train.keys import PER_ATOM_RESULTS, Key, Resolution, entries


@dataclass(frozen=True)
class KeyRow:
    """One key of the file: where it is, frames that have it, shape, range (or texts), and what it is taken for."""

    place: str
    key: str
    count: int
    shape: str
    span: str
    taken_for: str


def key_rows(structures: Sequence[Atoms], resolution: Resolution) -> tuple[KeyRow, ...]:
    """One row for each key, those that are used first."""
    per_atom = [("calculator", name) for name in PER_ATOM_RESULTS]
    gathered: dict[Key, list[object]] = {key: [] for key in resolution.counts}
    shapes: dict[Key, set[str]] = {key: set() for key in resolution.counts}
    for atoms in structures:
        for key, value in entries(atoms).items():
            gathered[key].append(value)
            shapes[key].add(_shape(value, key[0] == "array" or key in per_atom))
    rows = [
        KeyRow(*key, len(values), " or ".join(sorted(shapes[key])), _span(values), resolution.taken_for(key))
        for key, values in gathered.items()
    ]
    return tuple(sorted(rows, key=lambda row: row.taken_for.endswith("not used")))


def _shape(value: object, per_atom: bool) -> str:
    """A shape as people write it; the first axis of per-atom values is N."""
    if not isinstance(value, np.ndarray | list | tuple):
        return "text" if isinstance(value, str) else "()"
    sizes = [str(n) for n in np.asarray(value, dtype=object).shape]
    if per_atom and sizes:
        sizes[0] = "N"
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


def _span(values: Sequence[object]) -> str:
    """Lowest and highest number over all frames, with a word on NaN; or the first few texts."""
    arrays = [np.asarray(value) for value in values if not isinstance(value, list | dict)]
    numbers = [a.ravel().astype(float) for a in arrays if a.dtype.kind in "iufb"]
    if numbers:
        flat = np.concatenate(numbers)
        good = flat[np.isfinite(flat)]
        span = f"{good.min():.6g} .. {good.max():.6g}" if len(good) else "no finite number"
        return span + f", {len(flat) - len(good)} not finite" * (len(good) < len(flat))
    texts = sorted({str(value) for value in values})
    return f"{', '.join(texts[:3])[:40]}{', ...' * (len(texts) > 3)}"
