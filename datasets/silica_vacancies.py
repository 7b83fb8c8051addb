"""Oxygen vacancies of charge 0, +1 and +2 in alpha-quartz, GFN1-xTB: energies that depend on the charge of a cell.

    python silica_vacancies.py FOLDER        twenty minutes on one core, seed fixed; frames that are there are kept

One oxygen is taken out of 2 x 2 x 2 cells (71 atoms are left) and the rest relaxed for 40 steps at each charge. A
geometry is a random mixture of the three relaxed ones and the perfect crystal, with Gaussian displacements of 0.02,
0.05 or 0.08 Å, and is labelled at all three charges: so charges differ on equal atoms. Perfect crystals with such
displacements end `train` and `val`, as vacancies alone do not tell what one costs. `large.xyz` has vacancies in
3 x 2 x 2 cells (107 atoms), relaxed as the atoms at the same place about the vacancy, for tests alone.

Keys: REF_energy (eV), REF_forces (eV/Å), total_charge, total_spin, config_type, `vacancy`, where the oxygen was (Å),
and `mulliken`, the charges (e) of the method, never to be trained on. Gamma point only, electronic temperature 300 K.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from ase.optimize import FIRE
from ase.spacegroup import crystal
from command import append
from tblite.ase import TBLite

CELLS, LARGE = (2, 2, 2), (3, 2, 2)
CHARGES = {0: 1, 1: 2, 2: 1}
"""Total charge (e) and multiplicity."""
GEOMETRIES = {"train": 40, "val": 5, "test": 10, "large": 6}
PERFECT = {"train": 10, "val": 2, "test": 0, "large": 0}
DISPLACEMENTS = (0.02, 0.05, 0.08)
"""Å."""
STEPS = 40
SEED = 20261128


def quartz(cells: tuple[int, int, int]) -> Atoms:
    """The perfect crystal, P3_2 21 (Levien, Prewitt, Weidner, Am. Mineral. 65, 920 (1980)), its first oxygen last."""
    sites = [(0.46987, 0, 2 / 3), (0.4141, 0.2681, 0.7854)]
    out = crystal(["Si", "O"], sites, spacegroup=154, cellpar=[4.9137, 4.9137, 5.4047, 90, 90, 120]).repeat(cells)
    plain = Atoms(out.numbers, out.positions, cell=out.cell, pbc=True)
    first = int(np.flatnonzero(plain.numbers == 8)[0])
    return plain[[n for n in range(len(plain)) if n != first] + [first]]


def calculator(charge: int) -> TBLite:
    """GFN1-xTB."""
    return TBLite(
        method="GFN1-xTB", charge=charge, multiplicity=CHARGES[charge], electronic_temperature=300, verbosity=0
    )


def relaxed(folder: Path) -> list[np.ndarray]:
    """How atoms move away from the perfect crystal around the vacancy, (N, 3) Å, for each charge, and not at all."""
    perfect, out = quartz(CELLS)[:-1], []
    for charge in CHARGES:
        path = folder / f"relaxed{charge}.xyz"
        if not path.exists():
            atoms = perfect.copy()
            atoms.calc = calculator(charge)
            FIRE(atoms, logfile=None).run(fmax=0.05, steps=STEPS)
            write(path, Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True), format="extxyz")
        out.append(read(path).positions - perfect.positions)
    return [*out, np.zeros_like(out[0])]


def geometries(part: str, moves: list[np.ndarray], seed: int) -> Iterator[Atoms]:
    """Endless stream of unlabelled geometries."""
    rng, whole = np.random.default_rng(seed), quartz(LARGE if part == "large" else CELLS)
    while True:
        move = np.einsum("k,kna->na", rng.dirichlet(np.full(len(moves), 0.6)), moves)
        out = whole[:-1]
        out.positions += move if part != "large" else embedded(move)
        out.info["vacancy"] = whole.positions[-1]
        yield displaced(out, rng)


def perfect(seed: int) -> Iterator[Atoms]:
    """Endless stream of crystals without a vacancy."""
    rng = np.random.default_rng(seed)
    while True:
        yield displaced(quartz(CELLS), rng)


def displaced(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """The same atoms, which are moved in place."""
    atoms.positions += rng.choice(DISPLACEMENTS) * rng.normal(size=atoms.positions.shape)
    return atoms


def embedded(move: np.ndarray) -> np.ndarray:
    """A move of the atoms of the small cell, for those of the large one at the same place about the vacancy."""
    small, large = (quartz(cells) for cells in (CELLS, LARGE))
    out = np.zeros((len(large) - 1, 3))
    there = large.get_distances(-1, range(len(large) - 1), mic=True, vector=True)
    here = small.get_distances(-1, range(len(small) - 1), mic=True, vector=True)
    for n, place in enumerate(there):
        gaps = np.linalg.norm(here - place, axis=1)
        if gaps.min() < 1e-3:
            out[n] = move[gaps.argmin()]
    return out


def labelled(atoms: Atoms, charge: int) -> Atoms:
    """A frame."""
    atoms.calc = calculator(charge)
    out = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    out.info |= {
        **atoms.info,
        "REF_energy": atoms.get_potential_energy(),
        "total_charge": charge,
        "total_spin": CHARGES[charge],
        "config_type": ("" if "vacancy" in atoms.info else "perfect, ") + (f"q={charge:+d}" if charge else "q=0"),
    }
    out.arrays |= {"REF_forces": atoms.get_forces(), "mulliken": atoms.get_charges()}
    return out


def wanted(part: str, moves: list[np.ndarray], seed: int) -> Iterator[tuple[Atoms, int]]:
    """All frames of a file: geometries with their charges (e)."""
    for atoms in islice(geometries(part, moves, seed), GEOMETRIES[part]):
        yield from ((atoms, charge) for charge in CHARGES)
    yield from ((atoms, 0) for atoms in islice(perfect(seed), PERFECT[part]))


def main() -> None:
    """Write or lengthen all files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    moves = relaxed(folder)
    for number, part in enumerate(GEOMETRIES):
        path = folder / f"{part}.xyz"
        done = len(read(path, ":")) if path.exists() else 0
        for n, (atoms, charge) in enumerate(wanted(part, moves, SEED + number)):
            if n >= done:
                frame = labelled(atoms, charge)
                append(path, frame)
                print(part, n, frame.info["config_type"], f"{frame.info['REF_energy']:.4f} eV", flush=True)


if __name__ == "__main__":
    main()
