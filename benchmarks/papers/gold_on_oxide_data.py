"""What is published of two gold atoms on MgO(001), as gold_on_oxide.py uses it: frames to train on, structures that DFT
relaxed, and energies as the upright dimer moves along the normal.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

SURFACES = ("undoped", "doped")
UPRIGHT, FLAT = 1, 3
"""Numbers of the relaxed structures."""


def training_set(data: Path) -> Path:
    """The 18 published frames."""
    return published(data / "au2_mgo_subset18.xyz")


def published(path: Path) -> Path:
    """A file of DATA. Raises SystemExit where there is none."""
    if not path.exists():
        raise SystemExit(f"{path}: expected published data, got no file; give the folder that has it as DATA.")
    return path


def reference(data: Path) -> dict[str, dict]:
    """By surface, of DFT: E(wetting) - E(non-wetting) (eV), charge of the gold (e) upright and flat, its forces (eV/Å),
    and Au-O (Å); and the published curves, (2, M) Å and eV."""
    out: dict[str, dict] = {}
    for surface in SURFACES:
        upright, flat = (relaxed(data, number, surface) for number in (UPRIGHT, FLAT))
        gold = upright.numbers == 79
        curves = np.load(published(data / "au2_mgo_fig5" / f"energy-bondlength-{surface}.npz"))
        out[surface] = {
            "wetting": flat.get_potential_energy() - upright.get_potential_energy(),
            "charges": [float(atoms.get_charges()[gold].sum()) for atoms in (upright, flat)],
            "forces": mean_force([atoms.get_forces()[gold] for atoms in (upright, flat)]),
            "distance": above_oxygen(upright),
            "latent charges": curves["lr"][::-1].T,
            "short-range": curves["sr"][::-1].T,
        }
    return out


def relaxed(data: Path, number: int, surface: str) -> Atoms:
    """A structure that DFT relaxed, with energy and charges; its forces are zero on the oxide, which was held."""
    return read(published(data / "au2_mgo_opt" / f"{number}-{surface}.xyz"))


def mean_force(forces: Sequence[np.ndarray]) -> float:
    """Root mean square over components and structures."""
    return float(np.sqrt(np.mean(np.square(forces))))


def moved(atoms: Atoms, distance: float) -> Atoms:
    """The dimer, which is below the slab, moved along the normal to a distance (Å) from its oxygen."""
    out = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    out.positions[atoms.numbers == 79, 2] -= distance - above_oxygen(atoms)
    return out


def above_oxygen(atoms: Atoms) -> float:
    """Distance (Å) of the gold and the oxygen that are closest."""
    gold, oxygen = (np.flatnonzero(atoms.numbers == z) for z in (79, 8))
    return float(atoms.get_all_distances(mic=True)[np.ix_(gold, oxygen)].min())


def lowest(x: np.ndarray, y: np.ndarray) -> float:
    """Where the parabola through the lowest point and its neighbors is lowest; NaN where that is at an end."""
    n = int(y.argmin())
    if n in (0, len(y) - 1):
        return float("nan")
    second, first, _ = np.polyfit(x[n - 1 : n + 2] - x[n], y[n - 1 : n + 2], 2)
    return float(x[n] - first / (2 * second))
