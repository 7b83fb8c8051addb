"""Training data: files to labelled structures, neighbor lists, and the split into training and validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from torch import Tensor

from leyden import ensemble
from leyden.checks import InputError, require
from leyden.info import DISPLACEMENT_KEY
from leyden.neighbors import neighbor_list
from leyden.system import System
from leyden.train.batch import Batch, Frame, Labels, collate
from leyden.train.files import load, sha256
from leyden.train.keys import Resolution, entries, resolve
from leyden.train.labels import INPUTS, LABELS, POINTS, known
from leyden.train.progress import track
from leyden.train.values import located, place, read_value, require_points

__all__ = ["Batch", "Frame", "FrameSet", "Labels", "collate", "random_split", "read_frames", "with_pairs"]


@dataclass(frozen=True)
class FrameSet:
    """The structures of a file, where each label was read from, what the user should know, and the hash of the file."""

    path: Path
    frames: list[Frame]
    resolution: Resolution
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    sha256: str


def read_frames(
    path: Path | str,
    keys: Mapping[str, str] | None = None,
    required: Sequence[str] = ("energy", "forces"),
    pbc: bool | None = None,
    partial: Sequence[str] = (),
) -> FrameSet:
    """Read the labelled structures of a file that ase.io can read; every label found is kept, whether required or not.

    keys: names of properties to the keys the file uses; required: labels that every frame must have; partial: labels
    that at least one frame must have; pbc: True or False overrides the periodicity the file states.

    Raises InputError, naming file and frame, for a file that cannot be read, missing labels, text, wrong shapes, NaN,
    a singular periodic cell, and total charges given for some frames only.
    """
    path = Path(path)
    structures = load(path)
    if pbc is not None:
        for atoms in structures:
            atoms.pbc = pbc
    with located(str(path)):
        resolution = resolve(structures, keys)
        _demand(resolution, required, partial)
    _demand_everywhere(structures, resolution, required, path)
    frames = [
        Frame(system, read_labels(atoms, resolution, place(path, n)), _config_type(atoms), None, place(path, n))
        for n, (system, atoms) in enumerate(zip(systems(structures, resolution, path), structures, strict=True))
    ]
    one_width([frame.labels.present() for frame in frames], path)
    return FrameSet(path, frames, resolution, notes(resolution, pbc), resolution.warnings, sha256(path))


def read_labels(atoms: Atoms, resolution: Resolution, where: str) -> Labels:
    """The labels of one structure. Raises InputError that starts with where."""
    wanted = [p.name for p in (*LABELS, POINTS) if p.name in resolution.sources]
    with located(where):
        values = {name: read_value(atoms, resolution.sources[name]) for name in wanted}
        require_points(values)
    if values.get("electrostatic_potential") is None:
        values.pop(POINTS.name, None)
    return Labels(**values)


def systems(structures: Sequence[Atoms], resolution: Resolution, path: Path) -> list[System]:
    """One System for each structure, with charge, spin and field from where the resolution says.

    Raises InputError naming file and frame, also where total charge or spin is given for some structures only.
    """
    bare = []
    for n, atoms in enumerate(structures):
        with located(place(path, n)):
            bare.append(_bare(atoms, resolution))
    try:
        return System.from_ase(bare).split()
    except InputError as error:
        for n, atoms in enumerate(bare):  # a frame that is wrong by itself is named; otherwise the frames disagree
            with located(place(path, n)):
                System.from_ase(atoms)
        raise InputError(f"{path}: {error}") from None


def one_width(labels: Sequence[Mapping[str, Tensor]], path: Path | str) -> None:
    """Raise InputError unless the density coefficients of all structures that have them are as many an atom."""
    given = [(n, values["density_coefficients"]) for n, values in enumerate(labels) if "density_coefficients" in values]
    for number, value in given:
        first, width = given[0][1].shape[1], value.shape[1]
        require(
            width == first,
            f"{place(path, number)}: density_coefficients: expected {first} an atom as in frame {given[0][0]}, got"
            f" {width}; fit all frames in one basis.",
        )


def notes(resolution: Resolution, pbc: bool | None = None) -> tuple[str, ...]:
    """What to tell the user about a file: aliases, defaults taken for inputs nobody set, periodicity overridden."""
    said = list(resolution.notes)
    if "total_charge" not in resolution.sources:
        said.append("total_charge: no frame has it, every structure is taken as neutral")
    if "total_spin" not in resolution.sources:
        said.append("total_spin: no frame has it, every structure is taken as a singlet (2S+1 = 1)")
    if 0 < resolution.count("external_field") < resolution.frames:
        said.append("external_field: the frames without it are taken as having no field")
    if "quadrupole" in resolution.sources:
        said.append("quadrupole: the trace is removed")
    if pbc is not None:
        said.append(f"pbc: every structure is taken as {'periodic' if pbc else 'open'}, whatever the file says")
    return tuple(said)


def with_pairs(frames: Sequence[Frame], cutoff: float) -> list[Frame]:
    """The frames with their neighbor lists up to a cutoff (Å). Raises InputError for two atoms on one point."""
    paired = []
    for frame in track(frames, "neighbor lists", len(frames)):
        with located(frame.origin or "frame"):
            paired.append(replace(frame, pairs=neighbor_list(frame.system, cutoff)))
    return paired


def random_split(frames: Sequence[Frame], fraction: float, seed: int) -> tuple[list[Frame], list[Frame]]:
    """Training and validation frames; fraction of them, at least one, go to validation. The same seed, the same split.

    Raises InputError for a fraction outside (0, 1) or fewer than two frames.
    """
    require(0.0 < fraction < 1.0, f"validation fraction: expected a number between 0 and 1, got {fraction}.")
    require(len(frames) > 1, f"validation split: expected at least two frames, got {len(frames)}; give a file.")
    size = min(max(1, round(fraction * len(frames))), len(frames) - 1)
    chosen = set(np.random.default_rng(seed).permutation(len(frames))[:size].tolist())
    return [f for n, f in enumerate(frames) if n not in chosen], [f for n, f in enumerate(frames) if n in chosen]


def _demand(resolution: Resolution, required: Sequence[str], partial: Sequence[str]) -> None:
    """Raise InputError unless some frame has each of the labels asked for."""
    for name in (*required, *partial):
        require(known(name).name in resolution.sources, resolution.missing(name))


def _demand_everywhere(structures: list[Atoms], resolution: Resolution, required: Sequence[str], path: Path) -> None:
    """Raise InputError unless every frame has the required labels, naming the first that lacks one."""
    for name in required:
        source = resolution.sources[name]
        absent = sorted(set(range(len(structures))) - set(source.frames))
        if absent:
            there = ", ".join(key for _, key in entries(structures[absent[0]])) or "none"
            raise InputError(
                f"{place(path, absent[0])}: {name}: expected `{source.key}` in every frame, got it in"
                f" {len(source.frames)} of {len(structures)} (keys of this frame: {there}); add it or remove the"
                f" {len(absent)} frames without."
            )


def _bare(atoms: Atoms, resolution: Resolution) -> Atoms:
    """The geometry with the inputs under their canonical names, fragments, electrodes and a displacement, and nothing
    else."""
    info: dict[str, object] = {key: atoms.info[key] for key in (DISPLACEMENT_KEY,) if key in atoms.info}
    for prop in INPUTS:
        value = read_value(atoms, resolution.sources[prop.name]) if prop.name in resolution.sources else None
        if value is not None:
            info[prop.name] = value[0].numpy()
    out = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc, info=info)
    for key in ensemble.KEYS:
        if key in atoms.arrays:
            out.set_array(key, atoms.arrays[key])
    return out


def _config_type(atoms: Atoms) -> str:
    return str(atoms.info.get("config_type", "default"))
