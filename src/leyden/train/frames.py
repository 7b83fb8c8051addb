"""Labelled frames for a given potential: what evaluation and reports need."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from leyden.potential import Potential
from leyden.train.data import FrameSet, read_frames, with_pairs


def frames_for(
    potential: Potential, path: Path, pbc: bool | None = None, keys: Mapping[str, str] | None = None
) -> FrameSet:
    """Read a file, whatever labels it has, with neighbor lists of the potential's cutoff."""
    found = read_frames(path, keys, required=(), pbc=pbc)
    return replace(found, frames=with_pairs(found.frames, potential.backbone.cutoff))
