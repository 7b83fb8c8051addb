"""Command line shared by the generators: label a stream of geometries frame by frame into an extended XYZ file.

Sampling knows nothing of labelling, so a seed fixes the geometries whatever happens to the labels.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

DECIMALS = 8  # of eV, Å, eV/Å and e Å in the files


def rounded(frame: Atoms) -> Atoms:
    """Copy of a labelled frame whose floating-point header values have 8 decimals (arrays get them on writing)."""
    copy = frame.copy()
    for key, value in frame.info.items():
        if isinstance(value, (float, np.ndarray)):
            copy.info[key] = np.round(value, DECIMALS)
    return copy


def append(path: Path, frame: Atoms) -> None:
    """Append one labelled frame to an extended XYZ file and flush it to disk, so that a stop loses nothing."""
    with path.open("a") as stream:
        write(stream, rounded(frame), format="extxyz")
        stream.flush()
        os.fsync(stream.fileno())


def label_until(out: Path, geometries: Iterable[tuple[Atoms, int]], frames: int) -> None:
    """Label (atoms, charge in e) in order, skipping untrustworthy labels, until `frames` are written to `out`."""
    from reference import label  # heavy: PySCF

    written = 0
    for atoms, charge in geometries:
        frame = label(atoms, charge)
        if frame is not None:
            append(out, frame)
            written += 1
            print(written, frame.symbols, frame.info["config_type"], f"{frame.info['REF_energy']:.6f} eV", flush=True)
        if written >= frames:
            return


def label_stream(geometries: Callable[[int], Iterator[tuple[Atoms, int]]], description: str) -> None:
    """Command `OUT --seed N --frames N` for a generator whose geometries are fixed by a seed."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="extended XYZ file to append to")
    parser.add_argument("--seed", type=int, required=True, help="fixes the geometries and their order")
    parser.add_argument("--frames", type=int, default=100, help="number of labelled frames to write")
    arguments = parser.parse_args()
    label_until(arguments.out, geometries(arguments.seed), arguments.frames)
