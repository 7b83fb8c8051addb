"""Deterministic training, validation and test splits of the raw frames.

Ion pairs: every frame beyond 10 Å is test (the far field is extrapolated, never trained on); of the others a random
tenth each of every config_type is test and validation. Water clusters: the same by number of waters and by whole
trajectories, so that consecutive snapshots stay together. The scan is copied as it stands.

    python split.py RAW_DIRECTORY      reads RAW_DIRECTORY/{ion_pairs_SEED,water_clusters_SEED,ion_pair_scan}.xyz
"""

import argparse
from itertools import groupby
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from command import append

SEED = 20261125
FAR = 10.0  # Å
FRACTION = 0.1  # of the groups of each kind, for validation and again for test
IONIC_RANGE, IONIC_SHARE = 6.0, 0.85  # Å, and the least dipole along the Na-Cl axis in units of e r
KEYS = ("REF_energy", "REF_dipole", "total_charge", "total_spin", "config_type")
EXTRA_KEYS = {"ion_pairs": ("separation",), "water_clusters": ("n_water", "temperature")}

Group = list[Atoms]  # frames that must stay in one split
Splits = dict[str, list[Atoms]]


def ionic(frame: Atoms) -> bool:
    """Whether Na and Cl beyond 6 Å carry about one charge each: mu . r / r^2 >= 0.85 e, r from Cl to Na.

    Where a water molecule nearly touches chloride, part of the electron goes back to sodium: a few frames lie between
    the ionic and the neutral state, and their labels depend on how the self-consistent field was started.
    """
    if frame.info["config_type"] != "Na+/Cl-+H2O" or frame.info["separation"] < IONIC_RANGE:
        return True
    r = frame.positions[0] - frame.positions[1]
    return bool(frame.info["REF_dipole"] @ r >= IONIC_SHARE * (r @ r))


def stratified_splits(groups: list[Group], kind: str, rng: np.random.Generator) -> Splits:
    """Whole groups to train, val and test at random, separately for each value of the header key `kind`.

    Validation and test each take at least one group, then more of them up to the nearest to their share of frames.
    """
    splits: Splits = {"train": [], "val": [], "test": []}
    for value in sorted({group[0].info[kind] for group in groups}):
        members = [group for group in groups if group[0].info[kind] == value]
        share = FRACTION * sum(len(group) for group in members)
        held_out: Splits = {"val": [], "test": []}
        for index in rng.permutation(len(members)):
            group = members[index]
            open_splits = [taken for taken in held_out.values() if not taken or len(taken) + len(group) / 2 <= share]
            (open_splits[0] if open_splits else splits["train"]).extend(group)
        for name, taken in held_out.items():
            splits[name] += taken
    return splits


def ion_pair_splits(frames: list[Atoms], rng: np.random.Generator) -> Splits:
    """Frames beyond 10 Å to test, the others at random."""
    kept = [frame for frame in frames if ionic(frame)]
    print("not ionic, left out:", len(frames) - len(kept))
    splits = stratified_splits([[frame] for frame in kept if frame.info["separation"] <= FAR], "config_type", rng)
    splits["test"] += [frame for frame in kept if frame.info["separation"] > FAR]
    return splits


def water_cluster_splits(frames: list[Atoms], rng: np.random.Generator) -> Splits:
    """Trajectories at random; two in a row with equal size and temperature count as one."""
    runs = groupby(frames, key=lambda frame: (frame.info["n_water"], frame.info["temperature"]))
    return stratified_splits([list(run) for _, run in runs], "n_water", rng)


def raw_frames(directory: Path, name: str) -> list[Atoms]:
    """Frames of all raw files of a data set, in the order of their seeds, with only the documented keys."""
    frames = []
    for path in sorted(directory.glob(f"{name}_2*.xyz")):
        frames += [cleaned(frame, name) for frame in read(path, ":")]
    return frames


def cleaned(frame: Atoms, name: str) -> Atoms:
    """Copy with positions, forces and the documented header keys only."""
    copy = Atoms(frame.numbers, frame.positions)
    copy.arrays["REF_forces"] = frame.arrays["REF_forces"]
    copy.info = {key: frame.info[key] for key in KEYS + EXTRA_KEYS[name]}
    return copy


def write_all(path: Path, frames: list[Atoms]) -> None:
    """Write a new file and print its number of frames."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    for frame in frames:
        append(path, frame)
    print(path, len(frames))


def main() -> None:
    """Read the raw files and write the splits next to this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, help="directory with the files the generators wrote")
    raw, here = parser.parse_args().raw, Path(__file__).parent
    for name, splitter in (("ion_pairs", ion_pair_splits), ("water_clusters", water_cluster_splits)):
        splits = splitter(raw_frames(raw, name), np.random.default_rng(SEED))
        for split, frames in splits.items():
            write_all(here / name / f"{split}.xyz", frames)
    scan = [cleaned(frame, "ion_pairs") for frame in read(raw / "ion_pair_scan.xyz", ":")]
    write_all(here / "ion_pairs" / "scan.xyz", scan)


if __name__ == "__main__":
    main()
