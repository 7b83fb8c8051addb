"""Periodic melts of ions with known charges: a dense gas of ions, molten sodium chloride, and an ionic liquid.

    python melts.py FOLDER --melt gas        where openmm 8, ase and numpy are; minutes, seeds fixed

What they are made of is in melt_models.py. Coulomb energies to 1e-6, in the dynamics to 1e-4. Snapshots of Langevin
dynamics, each part from a trajectory of its own: train 400, val 40, test 80 frames. Keys: REF_energy (eV), REF_forces
(eV/Å), total_charge; test has REF_charges (e) beside them. The dynamics runs on OpenMM's CPU platform, whose rounding
depends on the number of threads; labels come from its Reference platform, in double precision.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openmm
from ase import Atoms
from ase.io import write
from melt_models import EV, MELTS, Melt, system
from openmm import unit

FRAMES = {"train": 400, "val": 40, "test": 80}


def context(made: openmm.System, melt: Melt, platform: str, seed: int = 1) -> openmm.Context:
    """Dynamics, or what only evaluates."""
    integrator = openmm.LangevinMiddleIntegrator(melt.temperature, 5.0, melt.timestep / 1000)
    integrator.setRandomNumberSeed(seed)
    return openmm.Context(made, integrator, openmm.Platform.getPlatformByName(platform))


def trajectory(melt: Melt, frames: int, seed: int) -> Iterator[np.ndarray]:
    """Positions (N, 3) Å of frames."""
    moving = context(system(melt, 1e-4), melt, "CPU", seed)
    moving.setPositions(melt.start().positions / 10)
    openmm.LocalEnergyMinimizer.minimize(moving, 10.0, 100)
    moving.setVelocitiesToTemperature(melt.temperature, seed)
    integrator = moving.getIntegrator()
    for temperature, passed in ((2 * melt.temperature, melt.hot), (melt.temperature, melt.rest)):
        integrator.setTemperature(temperature)
        integrator.step(round(1000 * passed / melt.timestep))
    for _ in range(frames):
        integrator.step(round(1000 * melt.every / melt.timestep))
        state = moving.getState(getPositions=True)
        yield 10 * np.array(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def labelled(melt: Melt, exact: openmm.Context, x: np.ndarray, charges: bool) -> Atoms:
    """A frame with energy and forces, and charges where they are wanted."""
    exact.setPositions(x / 10)
    state = exact.getState(getEnergy=True, getForces=True)
    out = melt.start()
    out.positions = x
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / EV
    out.info |= {"REF_energy": energy, "total_charge": 0}
    out.arrays["REF_forces"] = np.array(state.getForces(asNumpy=True)._value) / (10 * EV)
    if charges:
        out.arrays["REF_charges"] = np.array([melt.charges[z] for z in out.numbers])
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
