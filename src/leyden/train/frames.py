"""Labelled frames for a given potential: what evaluation and reports need."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ase.data import chemical_symbols

from leyden.checks import InputError, require
from leyden.potential import Potential
from leyden.train.data import Frame, FrameSet, read_frames, with_pairs
from leyden.train.labels import LABELS


def frames_for(
    potential: Potential, path: Path, pbc: bool | None = None, keys: Mapping[str, str] | None = None
) -> FrameSet:
    """Read a file, whatever labels it has, with neighbor lists of the potential's cutoff.

    Raises InputError for a file without any label, or with elements that the potential does not know.
    """
    found = read_frames(path, keys, required=(), pbc=pbc)
    labels = [prop.key for prop in LABELS]
    require(
        any(prop.name in found.resolution.sources for prop in LABELS),
        f"{path}: expected reference labels to compare with, got none; add {', '.join(labels[:2])} or another of"
        f" {', '.join(labels[2:])}.",
    )
    for frame in found.frames:
        _check_elements(frame, potential.backbone.elements)
    return replace(found, frames=with_pairs(found.frames, potential.backbone.cutoff))


def _check_elements(frame: Frame, elements: tuple[int, ...]) -> None:
    unknown = set(frame.system.numbers.tolist()) - set(elements)
    if unknown:
        raise InputError(
            f"{frame.origin}: expected the elements this model was trained on, {_symbols(elements)}, got"
            f" {_symbols(unknown)}; remove the frame, or train on structures with it."
        )


def _symbols(numbers: Iterable[int]) -> str:
    return ", ".join(chemical_symbols[z] for z in sorted(numbers))
