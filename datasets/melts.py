"""Periodic melts of ions with charges of exactly +1 and -1 e: a dense gas of ions, and molten sodium chloride.

    python melts.py FOLDER --melt gas        where openmm 8, ase and numpy are; minutes, seeds fixed

gas     64 Na+ and 64 Cl- in a cube of 16 Å at 10 000 K, which differ in nothing but their charge: beside the Coulomb
        energy each pair has 4 e (s / r)^12, e = 0.05 eV and s = 2.3 Å
salt    108 Na+ and 108 Cl- at 1200 K and the density of the melt, 1.50 g/cm^3: Coulomb and
        A exp((sigma - r) / rho) - C / r^6 - D / r^8 of Fumi and Tosi, J. Phys. Chem. Solids 25, 31 and 45 (1964)

Coulomb: particle-mesh Ewald to 1e-6, in the dynamics to 1e-4. Other terms end smoothly between 7 and 7.5 Å and have no
correction beyond. Snapshots of Langevin dynamics, each part from a trajectory of its own: train 400, val 40, test 80
frames. Keys: REF_energy (eV), REF_forces (eV/Å), total_charge; test has REF_charges (e) beside them. The dynamics runs
on OpenMM's CPU platform, whose rounding depends on the number of threads; labels come from its Reference platform, in
double precision.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import openmm
from ase import Atoms
from ase.data import atomic_masses
from ase.io import write
from openmm import unit

CHARGES = {11: 1.0, 17: -1.0}
"""e."""
FRAMES = {"train": 400, "val": 40, "test": 80}
EV = 96.48533212
"""kJ/mol in an eV."""
CUTOFF, SWITCH = 7.5, 7.0
"""Å."""
FUMI_TOSI = {
    (11, 11): (0.2637, 2.340, 1.0486, 0.4993),
    (11, 17): (0.2110, 2.755, 6.9906, 8.6758),
    (17, 17): (0.1582, 3.170, 72.4022, 145.4285),
}
"""A in eV, sigma in Å, C in eV Å^6, D in eV Å^8, by the atomic numbers of a pair."""
SOFTNESS = 0.317
"""rho of Fumi and Tosi, Å."""


@dataclass(frozen=True)
class Melt:
    """Ions along the edge of the lattice from which the dynamics starts, cube (Å), temperature (K), and the energy of a
    pair beside that of its charges, in kJ/mol by nm, as OpenMM reads it."""

    sites: tuple[int, int, int]
    length: float
    temperature: float
    pair: str

    @property
    def ions(self) -> int:
        """How many there are."""
        return int(np.prod(self.sites))


MELTS = {
    "gas": Melt((4, 4, 8), 16.0, 10000.0, f"{4 * 0.05 * EV} * (0.23/r)^12"),
    "salt": Melt((6, 6, 6), 18.96, 1200.0, f"a*exp((s-r)/{SOFTNESS / 10}) - c/r^6 - d/r^8"),
}


def start(melt: Melt) -> Atoms:
    """Ions that alternate along all three axes."""
    sites = np.indices(melt.sites).reshape(3, -1).T
    numbers = np.where(sites.sum(1) % 2 == 0, 11, 17)
    return Atoms(numbers, sites * melt.length / np.array(melt.sites), cell=[melt.length] * 3, pbc=True)


def system(melt: Melt, tolerance: float) -> openmm.System:
    """Charges and pairs; tolerance: relative, of the Coulomb forces."""
    out = openmm.System()
    out.setDefaultPeriodicBoxVectors(*np.eye(3) * melt.length / 10)
    coulomb = openmm.NonbondedForce()
    coulomb.setNonbondedMethod(openmm.NonbondedForce.PME)
    coulomb.setCutoffDistance(CUTOFF / 10)
    coulomb.setEwaldErrorTolerance(tolerance)
    pair = pairs(melt)
    for z in start(melt).numbers.tolist():
        out.addParticle(atomic_masses[z])
        coulomb.addParticle(CHARGES[z], 1.0, 0.0)
        pair.addParticle([list(CHARGES).index(z)])
    out.addForce(coulomb)
    out.addForce(pair)
    return out


def pairs(melt: Melt) -> openmm.CustomNonbondedForce:
    """The energy beside that of the charges; `kind` of an ion is its place in CHARGES."""
    tables = {name: np.zeros((2, 2)) for name in "ascd"}
    units = (EV, 0.1, EV * 1e-6, EV * 1e-8)
    for zs in combinations_with_replacement(CHARGES, 2):
        n, m = (list(CHARGES).index(z) for z in zs)
        for table, value, factor in zip(tables.values(), FUMI_TOSI[zs], units, strict=True):
            table[n, m] = table[m, n] = value * factor
    named = "; ".join(f"{name}=table_{name}(kind1, kind2)" for name in tables)
    out = openmm.CustomNonbondedForce(f"{melt.pair}; {named}")
    for name, table in tables.items():
        out.addTabulatedFunction(f"table_{name}", openmm.Discrete2DFunction(2, 2, table.T.ravel()))
    out.addPerParticleParameter("kind")
    out.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    out.setCutoffDistance(CUTOFF / 10)
    out.setUseSwitchingFunction(True)
    out.setSwitchingDistance(SWITCH / 10)
    return out


def context(made: openmm.System, melt: Melt, platform: str, seed: int = 1) -> openmm.Context:
    """Dynamics in steps of 1 fs, or what only evaluates."""
    integrator = openmm.LangevinMiddleIntegrator(melt.temperature, 5.0, 0.001)
    integrator.setRandomNumberSeed(seed)
    return openmm.Context(made, integrator, openmm.Platform.getPlatformByName(platform))


def trajectory(melt: Melt, frames: int, seed: int) -> Iterator[np.ndarray]:
    """Positions (N, 3) Å, every 0.1 ps after 10 ps."""
    moving = context(system(melt, 1e-4), melt, "CPU", seed)
    moving.setPositions(start(melt).positions / 10)
    openmm.LocalEnergyMinimizer.minimize(moving, 10.0, 100)
    moving.setVelocitiesToTemperature(melt.temperature, seed)
    moving.getIntegrator().step(10000)
    for _ in range(frames):
        moving.getIntegrator().step(100)
        state = moving.getState(getPositions=True)
        yield 10 * np.array(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def labelled(melt: Melt, exact: openmm.Context, x: np.ndarray, charges: bool) -> Atoms:
    """A frame with energy and forces, and charges where they are wanted."""
    exact.setPositions(x / 10)
    state = exact.getState(getEnergy=True, getForces=True)
    out = start(melt)
    out.positions = x
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / EV
    out.info |= {"REF_energy": energy, "total_charge": 0}
    out.arrays["REF_forces"] = np.array(state.getForces(asNumpy=True)._value) / (10 * EV)
    if charges:
        out.arrays["REF_charges"] = np.array([CHARGES[z] for z in out.numbers])
    return out


def generate(name: str, folder: Path) -> None:
    """Write train.xyz, val.xyz and test.xyz of a melt; what is there stays."""
    melt = MELTS[name]
    exact = context(system(melt, 1e-6), melt, "Reference")
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (part, frames) in enumerate(FRAMES.items()):
        path = folder / name / f"{part}.xyz"
        if not path.exists():
            seed = 20261122 + 10 * list(MELTS).index(name) + number
            snapshots = trajectory(melt, frames, seed)
            write(path, [labelled(melt, exact, x, part == "test") for x in snapshots], format="extxyz")
            print(path, frames, "frames", flush=True)


def main() -> None:
    """All melts, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--melt", choices=MELTS, nargs="*", default=list(MELTS))
    given = parser.parse_args()
    for name in given.melt:
        generate(name, given.folder)


if __name__ == "__main__":
    main()
