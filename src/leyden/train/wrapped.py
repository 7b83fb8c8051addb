"""Structures that wrapping into a cell has cut in two along an axis where nothing is periodic.

A slab or a molecule of a calculation with a periodic code often crosses the end of its cell, and its atoms are written
wrapped. With that axis open the halves are no neighbors any more: they stand a whole cell apart.
"""

from collections.abc import Iterable

import numpy as np
from ase import Atoms

from leyden.train.values import place

EMPTY = 5.0
"""Å without any atom between the halves."""
NEAR = 2.5
"""Å from half to half across the end of the cell, about a bond."""
FLAT = 1e-3
"""Å^3, of cells whose vectors are not independent."""


def halves(atoms: Atoms) -> list[tuple[str, float]]:
    """Open axes along which a structure looks cut, and the empty length between its halves, Å."""
    if len(atoms) < 2 or not np.isfinite(atoms.cell.array).all() or atoms.cell.volume < FLAT:
        return []
    heights = 1.0 / np.linalg.norm(atoms.cell.reciprocal().array, axis=1)
    along = np.sort(atoms.cell.scaled_positions(atoms.positions) * heights, axis=0)
    empty, across = np.diff(along, axis=0).max(axis=0), heights - np.ptp(along, axis=0)
    return [
        (name, float(gap))
        for name, periodic, gap, end in zip("abc", atoms.pbc, empty, across, strict=True)
        if not periodic and gap > EMPTY and abs(end) < NEAR
    ]


def warnings(structures: Iterable[Atoms], file: str) -> tuple[str, ...]:
    """A sentence about the first such structure of a file and the number of all; none if there is none."""
    cut = [(n, *found[0]) for n, found in enumerate(map(halves, structures)) if found]
    if not cut:
        return ()
    n, axis, gap = cut[0]
    return (
        f"{place(file, n)}: open along {axis}, yet its atoms stand at both ends of the cell with {gap:.1f} Å of nothing"
        f" between ({len(cut)} such frames); if wrapping cut one piece in two, move them together before training.",
    )
