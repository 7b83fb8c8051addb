"""Electron densities of water clusters beside their energies and forces: those of water_clusters/, and larger ones.

Clusters of up to four waters are for training, those of five and more for the test alone. Each frame has the density on
two sets of Gaussians (density_fit.py): REF_density_coefficients on shells of 0.3 and 0.6 Å up to quadrupoles, (N, 18),
and small_density on one of 0.5 Å up to dipoles, (N, 4). Of the density itself: REF_dipole, REF_quadrupole (traceless,
e Å^2), REF_electrostatic_potential (V) at REF_potential_points (Å), 1.6 or 2.2 van der Waals radii from the closest
atom, and <rho|V|rho> (eV), with `lacking` and `small_lacking`, the same of what the fits leave.

    python water_densities.py FOLDER --sizes 7 8                  adds clusters of these sizes to FOLDER/large.xyz
    python water_densities.py FOLDER                              densities of all of water_clusters/
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from command import append
from density_fit import fit
from pyscf.scf.hf import RHF
from reference import BOHR, HARTREE, ground_state, label
from water_clusters import TEMPERATURES, trajectory

HERE = Path(__file__).parent
TRAINED = 4
"""Largest number of waters in training."""
WIDTHS, SMALL = (0.3, 0.6), (0.5,)
"""Å, of the shells."""
SEED = 20261127
POINTS, SCALES = 60, (1.6, 2.2)
RADII = {1: 1.10, 8: 1.52}
"""Å, van der Waals: Mantina et al., J. Phys. Chem. A 113, 5806 (2009)."""
KEYS = ("REF_energy", "REF_dipole", "total_charge", "total_spin", "config_type", "n_water", "temperature")


def with_density(atoms: Atoms) -> Atoms:
    """A labelled frame with its density. Raises RuntimeError where the self-consistent field does not converge."""
    field = ground_state(atoms, 0)
    if field is None:
        raise RuntimeError(f"{atoms.symbols}: the self-consistent field did not converge, which it did before")
    out = Atoms(atoms.numbers, atoms.positions)
    out.info = {key: atoms.info[key] for key in KEYS}
    out.arrays["REF_forces"] = atoms.arrays["REF_forces"]
    whole, small, points = fit(field, WIDTHS, 2), fit(field, SMALL, 1), shells(out)
    out.arrays |= {"REF_density_coefficients": whole.coefficients, "small_density": small.coefficients}
    out.info |= {
        "whole": whole.whole,
        "lacking": whole.lacking,
        "small_lacking": small.lacking,
        "REF_quadrupole": quadrupole(field).ravel(),
        "REF_potential_points": points,
        "REF_electrostatic_potential": potential(field, points),
    }
    return out


def shells(atoms: Atoms) -> np.ndarray:
    """Points (POINTS, 3) Å in random directions, none closer to another atom, in radii of that, than to its own."""
    rng, radii = np.random.default_rng(len(atoms)), np.array([RADII[z] for z in atoms.numbers])
    kept: list[np.ndarray] = []
    while len(kept) < POINTS:
        direction, n, scale = rng.normal(size=3), rng.integers(len(atoms)), rng.choice(SCALES)
        point = atoms.positions[n] + scale * radii[n] * direction / np.linalg.norm(direction)
        if (np.linalg.norm(point - atoms.positions, axis=1) / radii).min() > scale - 1e-9:
            kept.append(point)
    return np.array(kept)


def potential(field: RHF, points: np.ndarray) -> np.ndarray:
    """Of nuclei and electrons, (M,) V."""
    molecule, there = field.mol, points / BOHR
    distance = np.linalg.norm(there[:, None] - molecule.atom_coords(), axis=2)
    electrons = np.einsum("pij,ij->p", molecule.intor("int1e_grids", grids=there), field.make_rdm1())
    return HARTREE * ((molecule.atom_charges() / distance).sum(1) - electrons)


def quadrupole(field: RHF) -> np.ndarray:
    """Traceless second moment (3, 3) of nuclei and electrons about the origin, e Å^2."""
    molecule, density = field.mol, field.make_rdm1()
    r = molecule.atom_coords()
    with molecule.with_common_origin((0, 0, 0)):
        electrons = molecule.intor("int1e_rr").reshape(3, 3, *density.shape)
    second = np.einsum("i,ia,ib->ab", molecule.atom_charges(), r, r) - np.einsum("abij,ij->ab", electrons, density)
    return BOHR**2 * (second - np.eye(3) * np.trace(second) / 3)


def larger(sizes: Iterable[int], frames: int) -> Iterable[Atoms]:
    """So many labelled clusters of each of these sizes."""
    for size in sizes:
        rng, kept = np.random.default_rng(SEED + size), 0
        while kept < frames:
            for snapshot in trajectory(size, float(rng.choice(TEMPERATURES)), rng):
                labelled = label(snapshot, 0)
                if labelled is not None and kept < frames:
                    kept += 1
                    yield labelled


def known() -> Iterable[tuple[str, Atoms]]:
    """The frames of water_clusters, and the file that each belongs to here."""
    for part in ("train", "val", "test"):
        for atoms in read(HERE / "water_clusters" / f"{part}.xyz", ":"):
            yield part if atoms.info["n_water"] <= TRAINED else "large", atoms


def main() -> None:
    """Add what is asked for to the files; frames that are there already are not made again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    parser.add_argument("--frames", type=int, default=6, help="of each size")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    there = {_energy(atoms) for path in given.folder.glob("*.xyz") for atoms in read(path, ":")}
    wanted = (("large", atoms) for atoms in larger(given.sizes, given.frames)) if given.sizes else known()
    for part, atoms in wanted:
        if _energy(atoms) not in there:
            frame = with_density(atoms)
            append(given.folder / f"{part}.xyz", frame)
            left = [frame.info[name] / frame.info["whole"] for name in ("lacking", "small_lacking")]
            print(part, frame.symbols, "fits lack {:.2%} and {:.2%}".format(*left), flush=True)


def _energy(atoms: Atoms) -> float:
    """What tells frames apart: no two have the same."""
    return round(float(atoms.info["REF_energy"]), 6)


if __name__ == "__main__":
    main()
