"""Water and an electrolyte with known charges, and water with known induced dipoles.

    python known_charges.py FOLDER      where openmm 8, ase and numpy are; six minutes, seeds fixed, files there stay

spce    charges O -0.8476, H +0.4238 e, Lennard-Jones on O, harmonic bonds and angle: spce.xml of OpenMM without its
        constraints. The Coulomb energy leaves out the pairs O-H and H-H within a molecule, all below 2 Å, and no
        others. Clusters: all pairs. Box: particle-mesh Ewald to 1e-6, Lennard-Jones switched off from 4.3 to 4.8 Å
        and a constant for what is beyond.
kf      the same box with three K+ and three F- in place of six waters, charges +1 and -1 e: amber14/spce.xml of OpenMM,
        Joung and Cheatham, J. Phys. Chem. B 112, 9020 (2008)
amoeba  amoeba2018.xml: permanent charges, dipoles and quadrupoles, and mutually induced dipoles with Thole damping,
        which feel no permanent multipoles of their own molecule. Clusters, all pairs.

Snapshots of Langevin dynamics at 350 K, one trajectory for each of train, val and test. Oxygen atoms of clusters are
kept in a sphere of R = (3 n 30 Å^3 / 4 pi)^(1/3) + 1 Å by a wall that energies and forces leave out. train and val have
energies and forces only. test has what is known beside them: charges, dipole and Born charges Z* = q 1, or dipole and
polarizability: the change of the dipoles by two charges +-1000 e that are 1000 Å away on both sides, over their field.
A box moves on OpenMM's CPU platform, whose rounding depends on the number of threads; all else is reproducible.
"""

import argparse
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import openmm
from ase import Atoms
from ase.io import write
from openmm import app, unit

CHARGES = {8: -0.8476, 1: 0.4238, 19: 1.0, 9: -1.0}
"""e, SPC/E: Berendsen, Grigera, Straatsma, J. Phys. Chem. 91, 6269 (1987)."""
FIELDS = {"spce": "spce.xml", "kf": "amber14/spce.xml", "amoeba": "amoeba2018.xml"}
PAIRS = 3
"""Of ions."""
ATOMS = {"HOH": ("O", "H1", "H2"), "K": ("K",), "F": ("F",)}
FRAMES = {"train": 800, "val": 160, "test": 160}
"""Molecules in each part, whatever the size of the structures."""
VOLUME = 29.9
"""Å^3 a molecule."""
EV = 96.48533212
"""kJ/mol in an eV."""
COULOMB = 14.3996454784
"""eV Å / e^2."""
PROBE, DISTANCE = 1000.0, 1000.0
"""e and Å: charges whose field polarizes a cluster."""


@dataclass(frozen=True)
class Case:
    """A force field and structures of `molecules` waters and ions, in a periodic box or open."""

    field: str
    molecules: int
    periodic: bool = False

    @property
    def name(self) -> str:
        """Name of the folder."""
        return f"{self.field}-{'box' if self.periodic else ''}{self.molecules}"

    @property
    def kinds(self) -> list[str]:
        """Names of all molecules."""
        ions = ["K", "F"] * PAIRS if self.field == "kf" else []
        return [*ions, *["HOH"] * (self.molecules - len(ions))]

    @property
    def length(self) -> float:
        """Edge of the box, Å."""
        return (self.molecules * VOLUME) ** (1 / 3)

    @property
    def radius(self) -> float:
        """Radius of the sphere of a cluster, Å."""
        return (3 * self.molecules * 30.0 / (4 * np.pi)) ** (1 / 3) + 1.0


CASES = [Case("spce", 2), Case("spce", 8), Case("spce", 32), Case("spce", 32, periodic=True),
         Case("kf", 32, periodic=True), Case("amoeba", 2), Case("amoeba", 8)]  # fmt: skip


def topology(case: Case) -> app.Topology:
    """Ions, and molecules O, H, H with their bonds."""
    out = app.Topology()
    chain = out.addChain()
    for kind in case.kinds:
        residue = out.addResidue(kind, chain)
        first, *hydrogens = (out.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ATOMS[kind])
        for hydrogen in hydrogens:
            out.addBond(first, hydrogen)
    if case.periodic:
        out.setPeriodicBoxVectors(np.eye(3) * case.length / 10 * unit.nanometer)
    return out


def system(case: Case, top: app.Topology) -> openmm.System:
    """The force field, flexible; for clusters with the wall in force group 1."""
    options: dict = {"rigidWater": False, "nonbondedMethod": app.NoCutoff, "removeCMMotion": False}
    if case.field == "amoeba":
        options |= {"polarization": "mutual", "mutualInducedTargetEpsilon": 1e-7}
    if case.periodic:
        options |= {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.48, "switchDistance": 0.43}
        options |= {"ewaldErrorTolerance": 1e-6}
    out = app.ForceField(FIELDS[case.field]).createSystem(top, **options)
    if not case.periodic:
        out.addForce(wall(case, top))
    return out


def wall(case: Case, top: app.Topology) -> openmm.CustomExternalForce:
    """500 (r - R)^2 kJ/mol/nm^2 on oxygen atoms beyond R."""
    out = openmm.CustomExternalForce(f"500*max(0, sqrt(x*x+y*y+z*z+1e-12)-{case.radius / 10})^2")
    for atom in top.atoms():
        if atom.element.symbol == "O":
            out.addParticle(atom.index)
    out.setForceGroup(1)
    return out


def start(case: Case, random: np.random.Generator) -> np.ndarray:
    """Positions (N, 3) Å of molecules in random directions, and ions, on a face-centred lattice of the density of
    water, in random order."""
    step = (VOLUME / 2) ** (1 / 3)
    reach = range(round(case.length / step)) if case.periodic else range(-6, 7)
    sites = np.array([site for site in product(reach, repeat=3) if sum(site) % 2 == 0]) * step
    sites = sites[np.argsort((sites**2).sum(1), kind="stable")][: case.molecules]
    molecule = np.array([[0.0, 0.0, 0.0], [0.76, 0.59, 0.0], [-0.76, 0.59, 0.0]])
    turned = np.linalg.qr(random.normal(size=(len(sites), 3, 3)))[0]
    placed = random.permutation(sites)[:, None] + np.einsum("ai,nij->naj", molecule, turned)
    return np.concatenate([each[: len(ATOMS[kind])] for each, kind in zip(placed, case.kinds, strict=True)])


def context(made: openmm.System, platform: str, seed: int = 1) -> openmm.Context:
    """Dynamics at 350 K in steps of 0.5 fs, or what only evaluates."""
    integrator = openmm.LangevinMiddleIntegrator(350.0, 5.0, 0.0005)
    integrator.setRandomNumberSeed(seed)
    return openmm.Context(made, integrator, openmm.Platform.getPlatformByName(platform))


def trajectory(case: Case, made: openmm.System, frames: int, seed: int) -> Iterator[np.ndarray]:
    """Positions (N, 3) Å, every 0.1 ps after 1 ps."""
    moving = context(made, "CPU" if case.periodic else "Reference", seed)
    moving.setPositions(start(case, np.random.default_rng(seed)) / 10)
    openmm.LocalEnergyMinimizer.minimize(moving, 10.0, 100)
    moving.setVelocitiesToTemperature(350.0, seed)
    moving.getIntegrator().step(2000)
    for _ in range(frames):
        moving.getIntegrator().step(200)
        yield positions(moving)


def positions(moving: openmm.Context) -> np.ndarray:
    """(N, 3) Å."""
    state = moving.getState(getPositions=True)
    return 10 * np.array(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def labelled(case: Case, exact: openmm.Context, x: np.ndarray) -> Atoms:
    """A frame with energy and forces without those of the wall."""
    exact.setPositions(x / 10)
    state = exact.getState(getEnergy=True, getForces=True, groups={0})
    out = Atoms([name[0] for kind in case.kinds for name in ATOMS[kind]], x)
    if case.periodic:
        out.set_cell(np.eye(3) * case.length)
        out.pbc = True
    out.info |= {
        "REF_energy": state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / EV,
        "total_charge": 0,
    }
    out.arrays["REF_forces"] = np.array(state.getForces(asNumpy=True)._value) / (10 * EV)
    return out


def with_charges(frame: Atoms) -> Atoms:
    """What fixed charges determine; the dipole of an open structure."""
    q = np.array([CHARGES[z] for z in frame.numbers])
    frame.arrays |= {"REF_charges": q, "REF_born_effective_charges": np.multiply.outer(q, np.eye(3)).reshape(-1, 9)}
    if not frame.pbc.any():
        frame.info["REF_dipole"] = q @ frame.positions
    return frame


class Induced:
    """The multipoles of an AMOEBA system alone, with two charges far away, +PROBE and -PROBE, last among its atoms."""

    def __init__(self, made: openmm.System) -> None:
        force = next(f for f in made.getForces() if isinstance(f, openmm.AmoebaMultipoleForce))
        self.force = deepcopy(force)
        self.charge = [force.getMultipoleParameters(n)[0]._value for n in range(made.getNumParticles())]
        alone = openmm.System()
        for _ in range(made.getNumParticles() + 2):
            alone.addParticle(1.0)
        for q in (PROBE, -PROBE):
            self.force.addMultipole(
                q, [0.0] * 3, [0.0] * 9, openmm.AmoebaMultipoleForce.NoAxisType, -1, -1, -1, 0.0, 0.0, 0.0
            )
        alone.addForce(self.force)
        self.context = context(alone, "Reference")

    def label(self, frame: Atoms) -> Atoms:
        """Dipole, and polarizability by central differences."""
        total, slope = np.zeros(3), np.zeros((3, 3))
        field = 2 * COULOMB * PROBE / DISTANCE**2
        for axis, sign in product(np.eye(3), (1.0, -1.0)):
            far = sign * DISTANCE * axis
            self.context.setPositions(np.concatenate([frame.positions, [-far, far]]) / 10)
            moments = 10 * np.array([list(m) for m in self.force.getTotalDipoles(self.context)])[:-2]
            total += (self.charge @ frame.positions + moments.sum(0)) / 6
            slope += np.outer(moments.sum(0), axis) * sign / (2 * field)
        frame.info |= {"REF_dipole": total, "REF_polarizability": COULOMB * 0.5 * (slope + slope.T)}
        return frame


def generate(case: Case, folder: Path) -> None:
    """Write train.xyz, val.xyz and test.xyz of a case; what is there stays."""
    made = system(case, topology(case))
    exact = context(made, "Reference")
    (folder / case.name).mkdir(parents=True, exist_ok=True)
    for number, (part, molecules) in enumerate(FRAMES.items()):
        path = folder / case.name / f"{part}.xyz"
        if path.exists():
            continue
        seed = 20261121 + 10 * CASES.index(case) + number
        frames = [labelled(case, exact, x) for x in trajectory(case, made, molecules // case.molecules, seed)]
        if part == "test":
            frames = [Induced(made).label(f) if case.field == "amoeba" else with_charges(f) for f in frames]
        write(path, frames, format="extxyz")
        print(path, len(frames), "frames", flush=True)


def main() -> None:
    """All cases, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--case", choices=[case.name for case in CASES], nargs="*", default=[c.name for c in CASES])
    given = parser.parse_args()
    for case in CASES:
        if case.name in given.case:
            generate(case, given.folder)


if __name__ == "__main__":
    main()
