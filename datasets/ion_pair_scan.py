"""Rigid scan of NH4+...HCOO- along the common twofold axis: E(d) - E(NH4+) - E(HCOO-) -> -k q^2 / r at large d.

Both ions are first relaxed alone with the reference method. Two N-H bonds point at the two oxygens, both oxygens at
equal distance from the nitrogen; d is that N-O distance (Å), and r the distance between the centres of charge.

    python ion_pair_scan.py OUT.xyz
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from command import label_until
from ion_pairs import AMMONIUM, FORMATE
from reference import solve
from scipy.optimize import minimize

SEPARATIONS = np.round(1.6 + np.geomspace(1.0, 13.4, 24), 3)  # Å, 2.6 to 15, denser near contact
FORCE_TOLERANCE = 0.005  # eV/Å, largest component after relaxation


def relaxed(atoms: Atoms, charge: int) -> Atoms:
    """Copy of `atoms` at the minimum of the reference energy; raises RuntimeError if forces stay above tolerance."""

    def energy_and_gradient(positions: np.ndarray) -> tuple[float, np.ndarray]:
        solution = solve(Atoms(atoms.numbers, positions.reshape(-1, 3)), charge)
        if solution is None:
            raise RuntimeError(f"expected a converged reference calculation of {atoms.symbols}, got none")
        return solution[0], -solution[1].ravel()

    options = {"gtol": FORCE_TOLERANCE}
    found = minimize(energy_and_gradient, atoms.positions.ravel(), jac=True, method="BFGS", options=options)
    if np.abs(found.jac).max() > FORCE_TOLERANCE:
        raise RuntimeError(f"expected forces below {FORCE_TOLERANCE} eV/Å, got {np.abs(found.jac).max():.4f}")
    return Atoms(atoms.numbers, found.x.reshape(-1, 3))


def ammonium_along_x(ammonium: Atoms) -> Atoms:
    """Copy with nitrogen at the origin and hydrogens 1 and 2 in the xy plane at negative x, at +y and -y."""
    copy = ammonium.copy()
    copy.positions -= copy.positions[0]
    x = -(copy.positions[1] + copy.positions[2])
    y = copy.positions[1] - copy.positions[2]
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    copy.positions = copy.positions @ np.stack([x, y, np.cross(x, y)], axis=1)
    return copy


def pair(ammonium: Atoms, formate: Atoms, separation: float) -> Atoms:
    """Formate as it stands (axis along x) and ammonium on its axis, both N-O distances equal to `separation` (Å)."""
    oxygens = formate.positions[1:3]
    half = 0.5 * np.linalg.norm(oxygens[0] - oxygens[1])
    moved = ammonium.copy()
    moved.positions += oxygens.mean(0)
    moved.positions[:, 0] += np.sqrt(separation**2 - half**2)
    return moved + formate


def geometries() -> Iterator[tuple[Atoms, int]]:
    """The two relaxed ions (separation 0), then the scan; positions in Å, charges in e."""
    ammonium, formate = ammonium_along_x(relaxed(AMMONIUM, 1)), relaxed(FORMATE, -1)
    frames = [(ammonium, 1, 0.0), (formate, -1, 0.0)]
    frames += [(pair(ammonium, formate, d), 0, float(d)) for d in SEPARATIONS]
    for atoms, charge, separation in frames:
        atoms.info.update(config_type="scan", separation=separation)
        yield atoms, charge


def main() -> None:
    """Label the two ions and all separations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="extended XYZ file to append to")
    label_until(parser.parse_args().out, geometries(), frames=2 + len(SEPARATIONS))


if __name__ == "__main__":
    main()
