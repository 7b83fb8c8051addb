"""Far-range probe: E(r) of two charged fragments pulled apart, evaluated with potentials.

At large r every potential that knows the charges approaches k_e q1 q2 / r; a short-range one is flat.
"""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from ase import Atoms

from leyden.checks import require
from leyden.potential import Potential
from leyden.report.content import Array, FarRange
from leyden.system import System
from leyden.train.molecules import molecules


def energies(potential: Potential, frames: Sequence[Atoms]) -> Array:
    """Total energies (P,) eV in float64, one frame at a time; total_charge is read from each frame's info."""
    exact = in_float64(potential)
    device = next((p.device for p in exact.parameters()), torch.device("cpu"))
    with torch.no_grad():
        found = [exact(System.from_ase(frame).to(device=device)).energy.item() for frame in frames]
    return np.array(found, dtype=np.float64)


def fragments(atoms: Atoms) -> list[np.ndarray]:
    """Atoms of each molecule, as leyden.train.molecules tells them apart."""
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    label = molecules(System.from_ase(bare)).numpy()
    return [np.flatnonzero(label == n) for n in range(label.max() + 1)]


def centre_distance(atoms: Atoms) -> float:
    """Distance between the centres of mass of two molecules, Å: close to that of their charges."""
    first, second = fragments(atoms)
    return float(np.linalg.norm(atoms[first].get_center_of_mass() - atoms[second].get_center_of_mass()))


def far_range(
    label: str,
    potentials: Mapping[str, Potential],
    frames: Sequence[Atoms],
    separation: Sequence[float] | Array,
    charges: tuple[float, float] = (1.0, -1.0),
    reference: Sequence[float] | Array | None = None,
) -> FarRange:
    """Curves of all potentials (the model first, then baselines), relative to the largest separation.

    frames: P structures, separation: P distances between the fragments' centres of charge (Å), charges: of the two
    fragments in e, reference: P energies (eV). Raises InputError where the lengths differ.
    """
    count = len(frames)
    require(count > 1, f"far_range: expected at least two frames, got {count}.")
    require(len(separation) == count, f"far_range: expected {count} separations, one a frame, got {len(separation)}.")
    known = None if reference is None else np.asarray(reference, dtype=np.float64)
    require(
        known is None or len(known) == count,
        f"far_range: expected {count} reference energies, got {0 if known is None else len(known)}.",
    )
    curves = {name: energies(potential, frames) for name, potential in potentials.items()}
    return FarRange(label, np.asarray(separation, dtype=np.float64), known, curves, charges[0] * charges[1])


def in_float64(potential: Potential) -> Potential:
    """A copy in double precision, for evaluation only; the original stays as it is."""
    exact = copy.deepcopy(potential).double().eval()
    exact.requires_grad_(False)
    return exact
