"""What a data file holds and what is wrong with it, before any training: the content of `leyden check-data`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from torch import Tensor

from leyden.checks import InputError
from leyden.neighbors import Graph, neighbor_list
from leyden.system import System
from leyden.train import physics, wrapped
from leyden.train.data import notes, one_width, systems
from leyden.train.files import load, sha256
from leyden.train.key_rows import KeyRow, key_rows
from leyden.train.keys import Resolution, resolve
from leyden.train.labels import LABELS
from leyden.train.progress import track
from leyden.train.values import located, place, read_value, require_points

REACH = 3.0
"""Distances are looked for up to this length, Å."""

SHOWN = 5
"""Problems of one kind that are written out."""

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Inspection:
    """A data file at a glance.

    structures and atoms: numbers; elements: atoms of each; periodicity: structures of each kind; total_charges:
    structures of each charge (e); duplicates: structures whose geometry came before; max_force eV/Å and closest Å,
    None where there is none; problems: sentences about what has to be repaired; notes: what to know.
    """

    path: Path
    sha256: str
    keys: tuple[KeyRow, ...]
    structures: int
    atoms: int
    elements: Mapping[str, int]
    periodicity: Mapping[str, int]
    total_charges: Mapping[float, int]
    duplicates: int
    max_force: float | None
    closest: float | None
    labels: Mapping[str, int]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]


def inspect(path: Path | str, keys: Mapping[str, str] | None = None) -> Inspection:
    """Read a file and report on it. keys: names of properties to the keys the file uses, as in read_frames.

    Raises InputError only where no structures can be read; everything else that is wrong becomes a problem.
    """
    path = Path(path)
    structures = load(path)
    with located(str(path)):
        resolution = resolve(structures, keys)
    values, problems = _values(structures, resolution, path)
    problems += _widths(values, path)
    built, broken = _systems(structures, resolution, path)
    closest, coincident = _closest(structures, path)
    forces = [v["forces"] for v in values if "forces" in v]
    return Inspection(
        path=path,
        sha256=sha256(path),
        keys=key_rows(structures, resolution),
        structures=len(structures),
        atoms=sum(len(atoms) for atoms in structures),
        elements=dict(Counter(chemical_symbols[z] for atoms in structures for z in atoms.numbers)),
        periodicity=Counter(_periodicity(atoms) for atoms in structures),
        total_charges=Counter(system.charge.item() for system in built),
        duplicates=len(structures) - len({_geometry(atoms) for atoms in structures}),
        max_force=max((f.norm(dim=1).max().item() for f in forces), default=None),
        closest=closest,
        labels={p.name: resolution.count(p.name) for p in LABELS if p.name in resolution.sources},
        notes=notes(resolution),
        warnings=(*resolution.warnings, *wrapped.warnings(structures, path.name)),
        problems=(*_gaps(resolution), *problems, *broken, *coincident, *physics.problems(values, built)),
    )


def _values(structures: Sequence[Atoms], resolution: Resolution, path: Path) -> tuple[list[Values], list[str]]:
    """The labels of each structure that can be read, and a problem for each that cannot."""
    values, wrong = [], []
    for n, atoms in enumerate(structures):
        found, problems = _read(atoms, resolution, place(path.name, n))
        values.append(found)
        wrong += problems
    return values, _shortened(wrong)


def _read(atoms: Atoms, resolution: Resolution, where: str) -> tuple[Values, list[str]]:
    """The same of one structure."""
    found: Values = {}
    wrong = []
    for name, source in resolution.sources.items():
        try:
            with located(where):
                value = read_value(atoms, source)
        except InputError as error:
            wrong.append(str(error))
        else:
            if value is not None:
                found[name] = value
    try:
        with located(where):
            require_points(found)
    except InputError as error:
        wrong += [] if wrong else [str(error)]
    return found, wrong


def _widths(values: Sequence[Values], path: Path) -> list[str]:
    try:
        one_width(values, path.name)
    except InputError as error:
        return [str(error)]
    return []


def _systems(structures: Sequence[Atoms], resolution: Resolution, path: Path) -> tuple[list[System], list[str]]:
    try:
        return systems(structures, resolution, Path(path.name)), []
    except InputError as error:
        return [], [str(error)]


def _closest(structures: Sequence[Atoms], path: Path) -> tuple[float | None, list[str]]:
    """Shortest distance up to REACH (Å), and a problem for each structure with two atoms on one point."""
    shortest, wrong = [], []
    for n, atoms in enumerate(track(structures, "distances", len(structures))):
        try:
            system = System.from_ase(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc))
        except InputError:  # _systems reports it
            continue
        try:
            with located(place(path.name, n)):
                pairs = neighbor_list(system, REACH)
        except InputError as error:
            wrong.append(str(error))
            continue
        if len(pairs.centers) > 0:
            shortest.append(Graph.of(system, pairs).lengths.min().item())
    return min(shortest, default=None), _shortened(wrong)


def _gaps(resolution: Resolution) -> list[str]:
    """Problems with labels that are absent, or that some frames lack."""
    if not any(p.name in resolution.sources for p in LABELS):
        return ["labels: expected at least one, got none; add REF_energy and REF_forces, or name yours under `keys`."]
    return [
        f"{name}: expected in every frame, got it in {resolution.count(name)} of {resolution.frames}; complete the file"
        " or remove the frames without."
        for name in ("energy", "forces")
        if 0 < resolution.count(name) < resolution.frames
    ]


def _periodicity(atoms: Atoms) -> str:
    axes = "".join(axis for axis, periodic in zip("abc", atoms.pbc, strict=True) if periodic)
    return {"": "open", "abc": "periodic"}.get(axes, f"periodic along {axes}")


def _geometry(atoms: Atoms) -> bytes:
    """Equal for structures with the same elements, positions and periodic cell to 1e-6 Å."""
    cell = atoms.cell.array[atoms.pbc]
    lengths = np.round(np.concatenate([atoms.positions, cell]), 6) + 0.0  # + 0.0 turns -0.0 into 0.0
    return bytes(atoms.numbers.tobytes() + atoms.pbc.tobytes() + lengths.tobytes())


def _shortened(problems: list[str]) -> list[str]:
    more = len(problems) - SHOWN
    return problems[:SHOWN] + ([f"... and {more} more of this kind."] if more > 0 else [])
