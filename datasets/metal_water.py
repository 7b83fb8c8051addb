"""Water on aluminium, and a film of water, in fields and with charge: a conductor and an insulator from one method.

    python metal_water.py FOLDER       where cp2k.psmp is on the path; some 3.5 core-hours, frames there stay
    python metal_water.py FOLDER --parts train       some files alone, while another core makes the others

metal   three layers of Al(100), 3 x 3 atoms each, and one to four waters on top: neutral, and with charges of -1 and
        +1 e and fields of -0.2 and +0.2 V/Å along the normal, which is z (in training and validation two of these)
film    six waters in the same cell, without a field and with both

Water lies where random trials leave no pair of atoms closer than in `NEAREST`; all atoms are moved by Gaussians of
0.05 Å (metal) or by stretching. `large.xyz` has four layers of 4 x 4 atoms and a charge of +2 too, for tests alone.

PBE, DZVP-MOLOPT-SR-GTH and GTH pseudopotentials, Gamma point, 2000 K Fermi smearing (energies are free energies),
320 Ry, and the Poisson equation of two periodic directions by wavelets, hence open along z for charge and field; the
mean force, of the integration grid, is taken off. Keys: REF_energy (eV), REF_forces (eV/Å), total_charge,
external_field (V/Å), config_type, `geometry`, equal for the frames of one geometry.
"""

import argparse
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms
from ase.build import fcc100, molecule
from ase.calculators.cp2k import CP2K
from ase.geometry import get_distances
from ase.io import read
from ase.units import Bohr, Hartree, Ry
from command import append

GEOMETRIES = {"train": (30, 8), "val": (4, 1), "test": (5, 3), "large": (2, 0)}
"""Of metal and of film."""
SMALL, LARGE = (3, 3, 3), (4, 4, 4)
LATTICE, HEIGHT, WATERS, FILM = 4.04, 16.0, 4, 6
"""Lattice constant (Å), length of the cell along z (Å), most waters on metal, waters of a film."""
FIELD = 0.2
"""V/Å."""
STATES = ((0, -FIELD), (0, FIELD), (-1, 0.0), (1, 0.0))
"""Charge (e) and field of what is labelled beside the neutral slab without a field: two of them, in tests all."""
NEAREST = {(8, 13): 2.0, (1, 13): 1.8, (8, 8): 2.6, (1, 8): 1.7, (1, 1): 1.7}
"""Å, of different molecules."""
RATTLE, STRETCH = 0.05, 0.04
"""Å, standard deviations."""
SEED = 20261130
INPUT = """&FORCE_EVAL
  &DFT
    {potential}
    &MGRID
      REL_CUTOFF 40
    &END MGRID
    &POISSON
      PERIODIC XZ
      POISSON_SOLVER WAVELET
    &END POISSON
    &XC
      &XC_GRID
        XC_SMOOTH_RHO NN10
        XC_DERIV NN10_SMOOTH
      &END XC_GRID
    &END XC
    &SCF
      SCF_GUESS {guess}
      EPS_SCF 5e-6
      ADDED_MOS 24
      &SMEAR ON
        METHOD FERMI_DIRAC
        ELECTRONIC_TEMPERATURE 2000
      &END SMEAR
      &MIXING
        METHOD BROYDEN_MIXING
        ALPHA 0.3
        NBROYDEN 8
      &END MIXING
    &END SCF
  &END DFT
&END FORCE_EVAL
"""


def slab(size: tuple[int, int, int], waters: int, rng: np.random.Generator) -> Atoms:
    """Metal with waters on top."""
    out = fcc100("Al", size, a=LATTICE, vacuum=0.0)
    out.positions += RATTLE * rng.normal(size=out.positions.shape)
    top = out.positions[:, 2].max()
    return centred(with_waters(Atoms(out.numbers, out.positions, cell=out.cell), waters, (top + 2.0, top + 4.2), rng))


def film(rng: np.random.Generator) -> Atoms:
    """Waters in the cell of the small slab."""
    cell = fcc100("Al", SMALL, a=LATTICE, vacuum=0.0).cell
    return centred(with_waters(Atoms(cell=cell), FILM, (0.0, 3.5), rng))


def with_waters(atoms: Atoms, waters: int, heights: tuple[float, float], rng: np.random.Generator) -> Atoms:
    """Oxygens between two heights (Å), molecules turned and stretched at random."""
    out = atoms.copy()
    out.pbc = (True, True, False)
    out.cell[2] = (0, 0, HEIGHT)
    while waters:
        trial = molecule("H2O")
        trial.positions += STRETCH * rng.normal(size=(3, 3)) - trial.positions[0]
        trial.rotate(rng.uniform(0, 360), rng.normal(size=3))
        trial.positions += rng.uniform(0, 1, 2) @ out.cell[:2] + (0, 0, rng.uniform(*heights))
        if fits(trial, out):
            out += trial
            waters -= 1
    return out


def fits(trial: Atoms, atoms: Atoms) -> bool:
    """Whether no atom of a molecule is too near to the others."""
    if not len(atoms):
        return True
    gaps = get_distances(trial.positions, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)[1]
    pairs = ((min(z, y), max(z, y)) for z in trial.numbers for y in atoms.numbers)
    return bool((gaps.ravel() >= [NEAREST[pair] for pair in pairs]).all())


def centred(atoms: Atoms) -> Atoms:
    """In the middle of the cell along z."""
    z = atoms.positions[:, 2]
    atoms.positions[:, 2] += HEIGHT / 2 - (z.min() + z.max()) / 2
    return atoms


def geometries(part: str, seed: int) -> Iterator[tuple[str, Atoms, list[tuple[int, float]]]]:
    """Kind, geometry, and its charges (e) and fields (V/Å), neutral ones first."""
    rng, (metals, films) = np.random.default_rng(seed), GEOMETRIES[part]
    size, more = (LARGE, [(2, 0.0)]) if part == "large" else (SMALL, [])
    for _ in range(metals):
        atoms = slab(size, int(rng.integers(1, WATERS + 1)), rng)
        two = sorted(rng.choice(len(STATES), 2, replace=False))
        states = STATES if part in ("test", "large") else [STATES[n] for n in two]
        yield "metal", atoms, [(0, 0.0), *states, *more]
    for _ in range(films):
        yield "film", film(rng), [(0, 0.0), (0, -FIELD), (0, FIELD)]


def labelled(atoms: Atoms, charge: int, field: float) -> Atoms:
    """A frame; CP2K, whose open axis is y, starts from the orbitals of a neutral slab if this folder has them."""
    turned = Atoms(atoms.numbers, atoms.positions[:, [1, 2, 0]], cell=atoms.cell.lengths()[[1, 2, 0]])
    turned.pbc = (True, False, True)
    again = charge == 0 and Path("cp2k-RESTART.wfn").exists()
    with calculator(charge, field, again) as turned.calc:
        energy, forces = turned.get_potential_energy(), turned.get_forces()[:, [2, 0, 1]]
    out = atoms.copy()
    out.info |= {"REF_energy": energy, "total_charge": charge, "external_field": np.array([0.0, 0.0, field])}
    out.arrays["REF_forces"] = forces - forces.mean(0)
    return out


def calculator(charge: int, field: float, again: bool) -> CP2K:
    """PBE; the potential of a field F is -F z from the middle of the cell."""
    slope = -field * Bohr / Hartree
    potential = f"&EXTERNAL_POTENTIAL\nFUNCTION {slope:.12f}*(Y-{HEIGHT / 2 / Bohr:.10f})\nREAD_FROM_CUBE F\n&END"
    return CP2K(
        command="env OMP_NUM_THREADS=1 cp2k.psmp --shell",
        xc="PBE",
        charge=charge,
        cutoff=320 * Ry,
        max_scf=100,
        basis_set_file="BASIS_MOLOPT",
        basis_set="DZVP-MOLOPT-SR-GTH",
        potential_file="GTH_POTENTIALS",
        pseudo_potential="GTH-PBE",
        poisson_solver=None,
        stress_tensor=False,
        print_level="LOW",
        inp=INPUT.format(potential=potential if field else "", guess="RESTART" if again else "ATOMIC"),
    )


def main() -> None:
    """Write or lengthen all files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", nargs="+", choices=GEOMETRIES, default=list(GEOMETRIES), help="files to make")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(GEOMETRIES):
        if part not in arguments.parts:
            continue
        path = folder / f"{part}.xyz"
        done = len(read(path, ":")) if path.exists() else 0
        for n, (kind, atoms, states) in enumerate(geometries(part, SEED + number)):
            atoms.info |= {"config_type": kind, "geometry": f"{part}{n}"}
            with TemporaryDirectory() as scratch, chdir(scratch):
                for charge, field in states[max(0, done) :]:
                    frame = labelled(atoms, charge, field)
                    append(path, frame)
                    print(part, n, kind, f"q={charge:+d} F={field:+.1f} {frame.info['REF_energy']:.4f} eV", flush=True)
            done -= len(states)


if __name__ == "__main__":
    main()
