"""Structures from a file, with every way a file can be broken turned into one sentence.

ASE stops silently at a blank line between frames and at a short last frame may raise anything; extended XYZ files are
therefore counted line by line before ASE reads them.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io.formats import UnknownFileTypeError, filetype, ioformats, open_with_compression

from leyden.checks import InputError, nearest, require
from leyden.train.progress import track
from leyden.train.values import place

READ_ERRORS = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, UnknownFileTypeError,
)  # fmt: skip
"""What ase.io raises for files it cannot read."""


def load(path: Path) -> list[Atoms]:
    """All structures of a file that ase.io can read. Raises InputError naming the file and the frame."""
    kind = _kind(path)
    total = _count(path) if kind == "extxyz" else None
    structures = list(track(_structures(path, kind), f"reading {path.name}", total))
    require(len(structures) > 0, f"{path}: expected at least one structure, got none; check the file.")
    if total is not None:
        require(len(structures) == total, f"{path}: expected {total} frames, got {len(structures)}; check the file.")
    return structures


def sha256(path: Path) -> str:
    """Hash of the bytes of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kind(path: Path) -> str:
    """ASE's name of the file format; raises InputError for a path that is no readable file."""
    if not path.is_file():
        beside = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        found = "a folder" if path.is_dir() else "nothing there"
        raise InputError(f"{path}: expected a file, got {found}{nearest(path.name, beside)}; check the path.")
    require(path.stat().st_size > 0, f"{path}: expected structures, got an empty file; write it again.")
    try:
        kind = str(filetype(str(path)))
    except READ_ERRORS as error:
        kind = _said(error)
    require(
        kind in ioformats,
        f"{path}: expected a format that ase.io reads, such as extended XYZ, got {kind}; convert the file.",
    )
    return kind


def _structures(path: Path, kind: str) -> Iterator[Atoms]:
    number = 0
    try:
        for atoms in ase.io.iread(str(path), index=":", format=kind, do_not_split_by_at_sign=True):
            yield atoms
            number += 1
    except READ_ERRORS as error:
        raise InputError(
            f"{place(path, number)}: expected a readable structure, got {_said(error)}; correct the header line or the"
            " columns of that frame."
        ) from None


def _count(path: Path) -> int:
    """Number of frames of an extended XYZ file. Raises InputError where the lines do not add up."""
    try:
        with open_with_compression(str(path), "rt") as file:
            return _count_lines(path, file)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a text file, got {_said(error)}; check the file.") from None


def _count_lines(path: Path, lines: Iterable[str]) -> int:
    frames, line, file = 0, 0, iter(lines)
    for header in file:
        line += 1
        if header.startswith("VEC"):  # cell vectors of a plain XYZ file
            continue
        where = place(path, frames)
        if not header.strip():
            rest = any(text.strip() for text in file)
            require(not rest, f"{where}: expected a number of atoms on line {line}, got a blank line; remove it.")
            break
        text = header.strip()
        require(
            text.isdigit() and int(text) > 0,
            f"{where}: expected a number of atoms on line {line}, got {text!r:.40}; check that the frame before it"
            " has as many atoms as it announces.",
        )
        body = list(islice(file, 1 + int(text)))
        atoms = sum(1 for row in body[1:] if row.strip())
        require(
            len(body) == 1 + int(text) and atoms == int(text),
            f"{where}: expected {text} atoms after line {line}, got {atoms}; the file is cut off or the frame is short:"
            " write it again or remove that frame.",
        )
        frames, line = frames + 1, line + len(body)
    return frames


def _said(error: Exception) -> str:
    """An exception in words."""
    if isinstance(error, KeyError):
        return f"an unknown name {error.args[0]!r}"
    text = str(error).splitlines()[0] if str(error) else "no explanation"
    return f"{type(error).__name__} ({text:.120})"
