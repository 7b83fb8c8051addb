"""Where a data file keeps its labels and inputs.

ASE moves columns and header entries with plain names (energy, forces, stress, dipole, charges) into the results of
atoms.calc; both places are searched. One source is chosen for each property and file, so that values of different
origin are never mixed.

Born effective charges: Z*[i, a, b] = dP_a / dr_ib, row = polarization, column = displacement. The key `bec` comes from
the LES family of codes, which write row = displacement, and is transposed on reading. (The rotational sum rule sum_i
Z*_i,ab eps_bcd r_id = eps_acd mu_d holds to 1 % in the published SPICE sets only after that. The published `BEC` of
superionic water is in our order: a fit of derivatives of a polarization has R2 0.964 and 0.997 so, 0.947 and 0.995 with
rows and columns exchanged, which reverses the antisymmetric part in one of the two files.)
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms

from leyden import ensemble
from leyden.checks import InputError, nearest
from leyden.info import DISPLACEMENT_KEY
from leyden.train.labels import PROPERTIES, Property, known

Place = Literal["info", "array", "calculator"]
Key = tuple[Place, str]

GEOMETRY = ("numbers", "positions")
"""Arrays of every Atoms that are no labels."""

PER_ATOM_RESULTS = ("forces", "charges", "born_effective_charges", "energies", "stresses", "magmoms")
"""Calculator results with one entry per atom."""

ASE_COLUMNS = {"charge": "charges"}
"""Columns that ASE renames on reading: the file's name and ASE's."""

CONFIG_TYPE: Key = ("info", "config_type")
"""The kind of a structure, for colours in plots and weights."""

HELD: dict[Key, str] = {("array", key): what for key, what in zip(ensemble.KEYS, (
    "fragment of an atom", "charge of its fragment", "potential of its electrode"
), strict=True)} | {("info", DISPLACEMENT_KEY): "displacement that is held"}  # fmt: skip
"""What belongs to a structure itself, under these names only."""

LES_ORDER = ("bec",)
"""Keys whose Born effective charges have row = displacement."""

LABEL_LIKE = re.compile(
    r"^(ref|dft)_|energ|force|charge|dipole|quadrupole|stress|virial|(^|_)bec($|_)|born|polari[sz]a|field|spin"
    r"|density_coef|chemical_pot|electrostatic|(^|_)esp($|_)",
    re.IGNORECASE,
)
"""A key that matches and is not used is worth a warning."""


@dataclass(frozen=True)
class Source:
    """Where a file keeps a property, and the numbers of the frames that have it."""

    of: Property
    place: Place
    key: str
    frames: tuple[int, ...]

    @property
    def transposed(self) -> bool:
        """Whether the 3x3 entries have to be transposed on reading."""
        return self.of.name == "born_effective_charges" and self.key in LES_ORDER

    def raw(self, atoms: Atoms) -> object | None:
        """The value in one structure as it stands in the file, or None."""
        return entries(atoms).get((self.place, self.key))


@dataclass(frozen=True)
class Resolution:
    """What is read from where: sources by property name, the count of every key, and what the user should know."""

    sources: Mapping[str, Source]
    counts: Mapping[Key, int]
    frames: int
    notes: tuple[str, ...]
    unused: tuple[Key, ...]
    label_like: tuple[Key, ...]

    def count(self, name: str) -> int:
        """Number of frames that have a property."""
        return len(self.sources[name].frames) if name in self.sources else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence about the keys that look like labels and are not used, if there are any."""
        if not self.label_like:
            return ()
        listed = ", ".join(f"{place} `{key}`" for place, key in self.label_like)
        return (f"not used, though they look like labels: {listed}; to use one, name it under `keys`.",)

    def taken_for(self, key: Key) -> str:
        """What a key of the file is taken for."""
        if key == CONFIG_TYPE:
            return "kind of structure"
        if key in HELD:
            return HELD[key]
        for source in self.sources.values():
            if (source.place, source.key) == key:
                return source.of.name + (" (transposed)" if source.transposed else "")
        return "looks like a label, not used" if key in self.label_like else "not used"

    def missing(self, name: str) -> str:
        """The sentence for a property that no frame has."""
        if not self.counts:
            return f"{name}: expected in the file, got no keys at all; add {PROPERTIES[name].key} to the frames."
        found = sorted({key for _, key in self.counts})
        return (
            f"{name}: expected {PROPERTIES[name].key} or {' or '.join(PROPERTIES[name].aliases)}, got the keys"
            f" {', '.join(found)}{nearest(name, found)}; name the right one under `keys`, for example"
            f" {{{name}: my_{name}}}."
        )


def entries(atoms: Atoms) -> dict[Key, object]:
    """Everything a structure carries beside its geometry: header entries, per-atom columns, calculator results."""
    found: dict[Key, object] = {("info", str(key)): value for key, value in atoms.info.items()}
    found |= {("array", key): value for key, value in atoms.arrays.items() if key not in GEOMETRY}
    if atoms.calc is not None:
        found |= {("calculator", key): value for key, value in atoms.calc.results.items() if value is not None}
    return found


def resolve(frames: Sequence[Atoms], wanted: Mapping[str, str] | None = None) -> Resolution:
    """Find where the frames keep each property.

    wanted maps names of properties to the keys the user gave for them; those win. Otherwise the canonical key wins
    over aliases, in the order of the table. Raises InputError for an unknown property or a wanted key no frame has.
    """
    where: dict[Key, list[int]] = {}
    for number, atoms in enumerate(frames):
        for key in entries(atoms):
            where.setdefault(key, []).append(number)
    named = {name: _explicit(known(name), key, where) for name, key in (wanted or {}).items()}
    sources, notes, used = {}, [], set(named.values())
    for prop in PROPERTIES.values():
        free = [key for key in _candidates(prop, where) if key not in used]
        found = [named[prop.name]] if prop.name in named else free
        if found:
            sources[prop.name] = Source(prop, *found[0], tuple(where[found[0]]))
            notes += _notes(sources[prop.name], found[1:], len(frames))
            used.update(found)
    unused = tuple(key for key in where if key not in used and key not in HELD)
    label_like = tuple(key for key in unused if LABEL_LIKE.search(key[1]))
    return Resolution(sources, {k: len(v) for k, v in where.items()}, len(frames), tuple(notes), unused, label_like)


def _candidates(prop: Property, where: Mapping[Key, object]) -> list[Key]:
    """Keys of the file that hold a property, the best first."""
    places: tuple[Place, ...] = ("array", "calculator") if prop.per_atom else ("info", "calculator")
    return [(place, key) for key in (prop.key, *prop.aliases) for place in places if (place, key) in where]


def _explicit(prop: Property, key: str, where: Mapping[Key, object]) -> Key:
    """The key a user named for a property, wherever it is."""
    places: tuple[Place, ...] = ("array", "calculator", "info") if prop.per_atom else ("info", "calculator", "array")
    found: list[Key] = [(place, key) for place in places if (place, key) in where]
    if prop.per_atom and ("calculator", ASE_COLUMNS.get(key, "")) in where:
        found.insert(0, ("calculator", ASE_COLUMNS[key]))
    if not found:
        names = sorted({name for _, name in where})
        raise InputError(
            f"{prop.name}: expected the key {key!r} named for it, got only {', '.join(names) or 'no keys'}"
            f"{nearest(key, names)}; correct `keys`."
        )
    return found[0]


def _notes(source: Source, others: Sequence[Key], frames: int) -> list[str]:
    """What to say about a choice: an alias, a transposition, keys passed over, frames without it."""
    prop, notes = source.of, []
    if source.key != prop.key:
        notes.append(f"{prop.name}: read from {source.place} `{source.key}` ({prop.unit})")
    if source.transposed:
        notes.append(f"{prop.name}: `{source.key}` has row = displacement and is transposed to row = polarization")
    notes += [f"{prop.name}: {place} `{key}` is passed over, `{source.key}` is used" for place, key in others]
    if len(source.frames) < frames:
        absent = int(np.setdiff1d(np.arange(frames), source.frames)[0])
        notes.append(
            f"{prop.name}: {frames - len(source.frames)} of {frames} frames lack it (the first is frame {absent})"
        )
    return notes
