"""Small clusters whose energy depends on their total charge (PBE): Ag3 of +1 and -1 e, and Na4Cl4 beside Na5Cl4+.

    python charged_clusters.py FOLDER        two hours on one core, seeds fixed; frames that are there stay

silver  200 geometries, each labelled at both charges (Ag3+ is an equilateral triangle, Ag3- a chain): angles of 55 to
        180 degrees, bonds of 2.5 to 3.1 Å, Gaussian displacements of 0.08 Å
salt    36 trajectories of GFN2-xTB Langevin dynamics at 300, 600 or 900 K, of the cube Na4Cl4 and of Na5Cl4+ in turn,
        which has one sodium more on a face: four snapshots each, after 100 fs and then each 60 fs

Labels: density-fitted PBE in def2-SVP, for silver with its effective core potential, closed shells. A frame whose
self-consistent field does not converge, or has a gap below 0.3 eV, is left out and named in FOLDER/skipped.txt, as Ag3-
is below about 80 degrees, where a closed shell is no ground state. train, val and test have geometries and trajectories
of their own, 80, 10 and 10 %. Keys: REF_energy (eV), REF_forces (eV/Å), REF_dipole (e Å, about the centre of mass),
total_charge, total_spin, config_type, `origin`: geometry or trajectory, and `gap` (eV) between orbitals.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import FIRE
from command import rounded
from pyscf import dft, gto
from reference import BOHR, HARTREE, NET_FORCE_TOLERANCE, SCF_TOLERANCE
from tblite.ase import TBLite

FUNCTIONAL, BASIS = "pbe", "def2-svp"
GRIDS = {0: 1e-5, 2: SCF_TOLERANCE}
"""Level of each integration grid in turn, and to what energy is converged on it, Hartree."""
CYCLES = 60
LEAST_GAP = 0.3
"""eV."""
GEOMETRIES = {"train": 160, "val": 20, "test": 20}
TRAJECTORIES = {"train": 28, "val": 4, "test": 4}
SEED = 20261126
BONDS, ANGLES, DISPLACEMENT = (2.5, 3.1), (55.0, 180.0), 0.08
"""Å, degrees, Å."""
EDGE, HEIGHT = 2.65, 2.2
"""Å, of the cube, and of the fifth sodium above a face."""
TEMPERATURES = (300, 600, 900)
"""K."""
TIME_STEP = 0.5
"""fs."""
SNAPSHOT_STEPS = (200, 120, 120, 120)

Charged = tuple[Atoms, int]
"""A geometry (Å) and its total charge (e)."""


def silver(origin: str, _: int, rng: np.random.Generator) -> Iterator[Charged]:
    """One triangle with either charge."""
    (first, second), angle = rng.uniform(*BONDS, 2), np.radians(rng.uniform(*ANGLES))
    positions = np.array([[first, 0, 0], [0, 0, 0], [second * np.cos(angle), second * np.sin(angle), 0]])
    positions += DISPLACEMENT * rng.normal(size=(3, 3))
    for charge, name in ((1, "Ag3+"), (-1, "Ag3-")):
        yield described(Atoms("Ag3", positions), name, origin), charge


def salt(origin: str, number: int, rng: np.random.Generator) -> Iterator[Charged]:
    """Snapshots of one trajectory."""
    charge, temperature = number % 2, float(rng.choice(TEMPERATURES))
    corners = np.indices((2, 2, 2)).reshape(3, -1).T
    atoms = Atoms(np.where(corners.sum(1) % 2 == 0, 11, 17), EDGE * corners)
    if charge:
        atoms += Atoms("Na", [[0.5 * EDGE, 0.5 * EDGE, EDGE + HEIGHT]])
    atoms.calc = TBLite(method="GFN2-xTB", charge=charge, verbosity=0)
    FIRE(atoms, logfile=None).run(fmax=0.4, steps=30)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(atoms, TIME_STEP * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng)
    for steps in SNAPSHOT_STEPS:
        dynamics.run(steps)
        name = "Na5Cl4+" if charge else "Na4Cl4"
        yield described(Atoms(atoms.numbers, atoms.positions), name, origin), charge


def described(atoms: Atoms, kind: str, origin: str) -> Atoms:
    """About the centre of mass, with its kind and origin."""
    atoms.positions -= atoms.get_center_of_mass()
    atoms.info |= {"config_type": kind, "origin": origin}
    return atoms


def ground_state(atoms: Atoms, charge: int) -> dft.rks.RKS | str:
    """The self-consistent field, on a coarse grid first, which saves time; or why there is none."""
    geometry = list(zip(atoms.get_chemical_symbols(), atoms.positions, strict=True))
    core = {"Ag": BASIS} if "Ag" in atoms.symbols else {}
    molecule = gto.M(atom=geometry, basis=BASIS, ecp=core, charge=charge, verbose=0)
    density = None
    for level, tolerance in GRIDS.items():
        field = dft.RKS(molecule, xc=FUNCTIONAL).density_fit()
        field.grids.level, field.conv_tol, field.max_cycle = level, tolerance, CYCLES
        field.kernel(density)
        if gap(field) < LEAST_GAP:
            return f"gap of {gap(field):.2f} eV"
        density = field.make_rdm1()
    return field if field.converged else "the self-consistent field did not converge"


def gap(field: dft.rks.RKS) -> float:
    """Between occupied and empty orbitals, eV."""
    occupied = field.mo_occ > 0
    return HARTREE * float(field.mo_energy[~occupied].min() - field.mo_energy[occupied].max())


def labelled(atoms: Atoms, charge: int) -> Atoms | str:
    """A frame, or why there is none."""
    field = ground_state(atoms, charge)
    if isinstance(field, str):
        return field
    gradient = field.Gradients()
    gradient.grid_response = True
    forces = -gradient.kernel() * HARTREE / BOHR
    if np.abs(forces.sum(0)).max() > NET_FORCE_TOLERANCE:
        return "forces that do not sum to zero"
    out = atoms.copy()
    out.arrays["REF_forces"] = forces
    dipole = field.dip_moment(unit="AU", verbose=0) * BOHR
    out.info |= {"REF_energy": field.e_tot * HARTREE, "REF_dipole": dipole, "gap": gap(field)}
    out.info |= {"total_charge": charge, "total_spin": 1}
    return out


def groups(part: str) -> Iterator[tuple[str, Iterator[Charged]]]:
    """Every geometry and trajectory of a part by name, with a seed of its own."""
    number = list(GEOMETRIES).index(part)
    for kind, (make, counts) in enumerate({silver: GEOMETRIES, salt: TRAJECTORIES}.items()):
        for n in range(counts[part]):
            name = f"{make.__name__}-{part}-{n}"
            yield name, make(name, n, np.random.default_rng([SEED, number, kind, n]))


def generate(part: str, folder: Path) -> None:
    """Write or lengthen the file of a part: all frames of a geometry or trajectory at once, so that none is lost."""
    path, skipped = folder / f"{part}.xyz", folder / "skipped.txt"
    done = {atoms.info["origin"] for atoms in read(path, ":")} if path.exists() else set()
    done |= {line.split()[0] for line in lines(skipped)}
    for name, geometries in groups(part):
        if name not in done:
            found = [(atoms.info["config_type"], labelled(atoms, charge)) for atoms, charge in geometries]
            frames = [rounded(frame) for _, frame in found if isinstance(frame, Atoms)]
            if frames:
                write(path, frames, format="extxyz", append=True)
            with skipped.open("a") as stream:
                stream.writelines(f"{name} {kind}: {why}\n" for kind, why in found if isinstance(why, str))
            print(name, len(frames), "of", len(found), "frames", flush=True)


def lines(path: Path) -> list[str]:
    """Of a file, none where there is no file."""
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """Write or lengthen all files, and say how many frames are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for part in GEOMETRIES:
        generate(part, folder)
        print(part, len(read(folder / f"{part}.xyz", ":")), "frames", flush=True)
    print(len(lines(folder / "skipped.txt")), "frames skipped, named in", folder / "skipped.txt")


if __name__ == "__main__":
    main()
