"""Ion pairs and charged dimers from contact to 15 Å, with thermal distortions, and their monomers.

Two monomers are rotated at random, each atom is displaced by a Gaussian of 0.01, 0.03 or 0.06 Å, and the second one is
shifted along a random direction until the nearest contact between heavy atoms equals the wanted separation d. Three
quarters of the separations are log-uniform in 2.35-15 Å, the rest uniform in 2.4-4 Å; about 12 % are monomers.

    python ion_pairs.py OUT.xyz --seed 20261120 --frames 272
"""

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.build import molecule
from command import label_stream
from scipy.spatial.transform import Rotation

NH = 1.02 / np.sqrt(3)  # Å, N-H bond of 1.02 Å along a cube diagonal
AMMONIUM = Atoms("NH4", [[0, 0, 0], [NH, NH, NH], [-NH, -NH, NH], [-NH, NH, -NH], [NH, -NH, -NH]])
COX, COY = 1.255 * np.cos(np.radians(65)), 1.255 * np.sin(np.radians(65))  # Å, C-O 1.255 Å, O-C-O 130 degrees
FORMATE = Atoms("CO2H", [[0, 0, 0], [COX, COY, 0], [COX, -COY, 0], [-1.13, 0, 0]])

Pair = tuple[Atoms, Atoms, int, int]  # first, second, their charges in e
PAIRS: dict[str, Pair] = {
    "NH4+/HCOO-": (AMMONIUM, FORMATE, 1, -1),
    "NH4+/HCOOH": (AMMONIUM, molecule("HCOOH"), 1, 0),
    "HCOO-/NH3": (FORMATE, molecule("NH3"), -1, 0),
    "NH4+/H2O": (AMMONIUM, molecule("H2O"), 1, 0),
    "HCOO-/H2O": (FORMATE, molecule("H2O"), -1, 0),
    "Na+/Cl-+H2O": (Atoms("Na"), Atoms("Cl"), 1, -1),
}
PROBABILITIES = [0.34, 0.12, 0.12, 0.12, 0.12, 0.18]
MOLECULAR = [name for name in PAIRS if "Na" not in name]


def shaken(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Centred copy, rotated at random, each coordinate displaced by a Gaussian of 0.01, 0.03 or 0.06 Å."""
    moved = atoms.copy()
    moved.positions -= moved.positions.mean(0)
    moved.positions = Rotation.random(rng=rng).apply(moved.positions)
    moved.positions += rng.normal(scale=rng.choice([0.01, 0.03, 0.06]), size=moved.positions.shape)
    return moved


def distances(first: Atoms, second: Atoms) -> np.ndarray:
    """All interatomic distances (n_first, n_second) in Å."""
    return np.linalg.norm(first.positions[:, None] - second.positions[None], axis=-1)


def shifted_to_contact(first: Atoms, second: Atoms, direction: np.ndarray, separation: float) -> Atoms:
    """Copy of `second`, shifted along `direction` (3,) until the nearest heavy atoms are `separation` (Å) apart."""
    heavy = np.ix_(first.numbers > 1, second.numbers > 1)
    low, high = 0.0, separation + 8.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        moved = second.copy()
        moved.positions += middle * direction
        low, high = (low, middle) if distances(first, moved)[heavy].min() > separation else (middle, high)
    return moved


def placed(first: Atoms, second: Atoms, separation: float, rng: np.random.Generator) -> tuple[Atoms, Atoms] | None:
    """Random arrangement at `separation` (Å) without any contact below 1.45 Å; a rejected one is shaken further."""
    for _ in range(300):
        first, second, direction = shaken(first, rng), shaken(second, rng), rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        second = shifted_to_contact(first, second, direction, separation)
        if distances(first, second).min() > 1.45:
            return first, second
    return None


def solvated(first: Atoms, second: Atoms, rng: np.random.Generator) -> Atoms | None:
    """Both ions and one water 2.2-4.2 Å from one of them, no contact with the water below 1.8 Å."""
    for _ in range(2000):
        water, host = shaken(molecule("H2O"), rng), (first if rng.random() < 0.5 else second)
        direction = rng.normal(size=3)
        water.positions += host.positions[0] + direction / np.linalg.norm(direction) * rng.uniform(2.2, 4.2)
        if min(distances(water, first).min(), distances(water, second).min()) > 1.8:
            return first + second + water
    return None


def monomer(rng: np.random.Generator) -> tuple[Atoms, int]:
    """One distorted monomer and its charge (e)."""
    name = str(rng.choice(MOLECULAR))
    which = 0 if rng.random() < 0.5 else 1
    atoms = shaken(PAIRS[name][which], rng)
    atoms.info.update(config_type="monomer " + name.split("/")[which], separation=0.0)
    return atoms, PAIRS[name][2 + which]


def dimer(rng: np.random.Generator) -> tuple[Atoms, int] | None:
    """One distorted pair and its charge (e), or None if no arrangement without clashes was found."""
    name = str(rng.choice(list(PAIRS), p=PROBABILITIES))
    first, second, first_charge, second_charge = PAIRS[name]
    if rng.random() < 0.75:
        separation = float(np.exp(rng.uniform(np.log(2.35), np.log(15.0))))
    else:
        separation = float(rng.uniform(2.4, 4.0))
    pair = placed(first, second, separation, rng)
    if pair is None:
        return None
    atoms = solvated(*pair, rng) if "Na" in name else pair[0] + pair[1]
    if atoms is None:
        return None
    atoms.info.update(config_type=name, separation=separation)
    return atoms, first_charge + second_charge


def geometries(seed: int) -> Iterator[tuple[Atoms, int]]:
    """Endless stream of unlabelled geometries (Å) and total charges (e), fixed by the seed."""
    rng = np.random.default_rng(seed)
    while True:
        sampled = monomer(rng) if rng.random() < 0.12 else dimer(rng)
        if sampled is not None:
            yield sampled


if __name__ == "__main__":
    label_stream(geometries, __doc__)
