"""What the benchmarks in electric fields share: published frames in our conventions, their runs and errors in parts."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from harness import Job, complete, numbers, of_frames, spread, write_frames
from numpy.typing import NDArray

from leyden.train.config import Config
from leyden.train.metrics import Evaluation, Parity
from leyden.units import COULOMB

STRONGEST = 25.0
"""eV/Å; frames with a larger force on an atom are left out."""


@dataclass(frozen=True)
class Signs:
    """What turns fields and dipoles of the published files into E = E_0 - mu.F with positive hydrogens."""

    field: float
    dipole: float


def converted(path: Path, signs: Signs) -> tuple[list[Atoms], int]:
    """The frames of a published file with our keys, units and signs, and how many were left out for their forces."""
    frames = read(path, ":")
    kept = [atoms for atoms in frames if np.linalg.norm(atoms.arrays["REF_forces"], axis=1).max() <= STRONGEST]
    return [_converted(atoms, signs) for atoms in kept], len(frames) - len(kept)


def _converted(atoms: Atoms, signs: Signs) -> Atoms:
    out = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    out.arrays["REF_forces"] = atoms.arrays["REF_forces"]
    out.info = {
        "REF_energy": atoms.info["REF_energy"],
        "REF_dipole": signs.dipole * atoms.info["REF_dipole"],
        "REF_polarizability": -COULOMB * np.reshape(atoms.info["REF_polarizability_raw"], (3, 3)),
        "external_field": signs.field * atoms.info["external_field"],
        "total_charge": float(atoms.info["total_charge"]),
    }
    return out


def strength(atoms: Atoms) -> float:
    """|F| in V/Å."""
    return float(np.linalg.norm(atoms.info["external_field"]))


def store(frames: Sequence[Atoms], path: Path) -> Path:
    """Write the frames, unless an earlier run has."""
    return path if path.exists() else write_frames(frames, path)


def figures(found: Evaluation, chosen: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """RMSE, MAE, R2 and slope over chosen frames (F,) of every property, of polarizabilities also by parts."""
    parities = {name: of_frames(parity, chosen) for name, parity in found.parities.items()}
    if "polarizability" in parities:
        parities |= parts(parities["polarizability"])
    return numbers(replace(found, parities=parities))


def parts(polarizability: Parity) -> dict[str, Parity]:
    """One third of the trace, and the six components without it.

    All nine components together have a high R2 in any model, since those of the diagonal are far from the others.
    """
    pair = [np.reshape(values, (-1, 3, 3)) for values in (polarizability.reference, polarizability.predicted)]
    mean = [np.trace(tensor, axis1=1, axis2=2) / 3 for tensor in pair]
    rest = [tensor - np.eye(3) * trace[:, None, None] for tensor, trace in zip(pair, mean, strict=True)]
    rows, columns = np.triu_indices(3)
    return {
        name: Parity(name, "Å^3", *(np.ravel(v) for v in values), np.zeros(0, int))
        for name, values in (("isotropic", mean), ("anisotropic", [tensor[:, rows, columns] for tensor in rest]))
    }


def figure(rows: Sequence[Mapping], where: Sequence[str], scale: float = 1.0, digits: int = 1) -> str:
    """Mean and standard deviation over the runs that have such a number, '-' where none has."""
    found = [value for row in rows if (value := _at(row, where)) is not None]
    return spread(found, scale, digits) if found else "-"


def _at(row: Mapping, where: Sequence[str]) -> float | None:
    value = row
    for key in where:
        if key not in value:
            return None
        value = value[key]
    return value


def benchmark(
    name: str,
    given: Namespace,
    config: Callable[[Job, str], Config],
    measure: Callable[[Path], dict],
    table: Callable[[list[dict]], list[str]],
) -> None:
    """All runs asked for, the first seed of all before the second of any, and the table of all finished ones.

    config takes a job and what it is trained on; measure a model folder.
    """
    jobs = [
        Job(preset, seed, given.output / f"{preset}-{labels}-{seed}", {"labels": labels})
        for seed, labels, preset in product(given.seed, given.labels, given.preset)
    ]
    complete(
        name,
        given,
        jobs,
        lambda job: config(job, str(job.about["labels"])),
        lambda best, job: measure(best),
        table,
    )
