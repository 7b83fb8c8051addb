"""The melts of melts.py: their ions, and their energies as OpenMM computes them.

gas     64 Na+ and 64 Cl- in a cube of 16 Å at 10 000 K, which differ in nothing but their charge: beside the Coulomb
        energy each pair has 4 e (s / r)^12, e = 0.05 eV and s = 2.3 Å
salt    108 Na+ and 108 Cl- at 1200 K and the density of the melt, 1.50 g/cm^3: Coulomb and
        A exp((sigma - r) / rho) - C / r^6 - D / r^8 of Fumi and Tosi, J. Phys. Chem. Solids 25, 31 and 45 (1964)
liquid  32 cations of three sites and 32 anions of one at 400 K, a model liquid after Roy and Maroncelli, J. Phys. Chem.
        B 114, 12629 (2010): charges, Lennard-Jones terms (Lorentz-Berthelot) and shape are those of their coarse
        1-butyl-3-methylimidazolium hexafluorophosphate. Not theirs: a cation is not rigid but has harmonic bonds and a
        harmonic angle about that shape, the density is 1.29 g/cm^3, and the sites are kept as elements of other masses,
        ring K, methyl Na, butyl Rb, anion I. No nonbonded terms, Coulomb's neither, between sites of one cation

Coulomb: particle-mesh Ewald. Other pair terms end smoothly over the last 0.5 Å before the cutoff and have no correction
beyond.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, combinations_with_replacement

import numpy as np
import openmm
from ase import Atoms
from ase.data import atomic_masses

EV = 96.48533212
"""kJ/mol in an eV."""
SWITCHED = 0.5
"""Å."""
FUMI_TOSI = {
    (11, 11): (0.2637, 2.340, 1.0486, 0.4993),
    (11, 17): (0.2110, 2.755, 6.9906, 8.6758),
    (17, 17): (0.1582, 3.170, 72.4022, 145.4285),
}
"""A in eV, sigma in Å, C in eV Å^6, D in eV Å^8, by the atomic numbers of a pair."""
SOFTNESS = 0.317
"""rho of Fumi and Tosi, Å."""
SITES = {19: (2.56 / EV, 4.38), 11: (0.36 / EV, 3.41), 37: (1.83 / EV, 5.04), 53: (4.71 / EV, 5.06)}
"""Lennard-Jones energy (eV) and diameter (Å) of the sites of the liquid, by atomic number."""
CATION = {19: (0.0, -0.527, 1.365), 11: (0.0, 1.641, 2.987), 37: (0.0, 0.187, -2.389)}
"""Shape of the cation, Å; the first site is bound to the two others."""
BOND, ANGLE = 5.0, 3.0
"""Force constants, eV/Å^2 and eV/rad^2."""

Shape = dict[int, tuple[float, float, float]]
Parameters = dict[tuple[int, int], tuple[float, ...]]


@dataclass(frozen=True)
class Melt:
    """Charges (e) by atomic number; shapes (Å) of cation and anion by atomic number; ions along the edges of the
    lattice from which the dynamics starts; cube (Å); temperature (K).

    pair: the energy of a pair beside that of its charges, in kJ/mol by nm, as OpenMM reads it, of the parameters a, s,
    c, d: eV, Å, eV Å^6, eV Å^8. Dynamics: cutoff (Å), timestep (fs), ps at twice the temperature and then at the
    temperature before the first frame, ps between frames.
    """

    charges: dict[int, float]
    shapes: tuple[Shape, Shape]
    lattice: tuple[int, int, int]
    length: float
    temperature: float
    pair: str
    parameters: Parameters = field(default_factory=dict)
    cutoff: float = 7.5
    timestep: float = 1.0
    hot: float = 0.0
    rest: float = 10.0
    every: float = 0.1

    def start(self) -> Atoms:
        """Ions that alternate along all three axes."""
        cells = np.indices(self.lattice).reshape(3, -1).T
        shapes = [self.shapes[cell.sum() % 2] for cell in cells]
        numbers = [z for shape in shapes for z in shape]
        corners = cells * self.length / np.array(self.lattice)
        places = [corner + list(shape.values()) for corner, shape in zip(corners, shapes, strict=True)]
        return Atoms(numbers, np.concatenate(places), cell=[self.length] * 3, pbc=True)

    def ions(self) -> Iterator[range]:
        """The sites of each ion, in the order of start."""
        first = 0
        for cell in np.indices(self.lattice).reshape(3, -1).T:
            sites = len(self.shapes[cell.sum() % 2])
            yield range(first, first + sites)
            first += sites


def mixed(sites: dict[int, tuple[float, float]]) -> Parameters:
    """Lorentz-Berthelot: geometric mean of energies, arithmetic mean of diameters."""
    out: Parameters = {}
    for n, m in combinations_with_replacement(sites, 2):
        (e, s), (f, t) = sites[n], sites[m]
        out[n, m] = (e * f) ** 0.5, (s + t) / 2, 0.0, 0.0
    return out


IONS = {11: 1.0, 17: -1.0}
SINGLE: tuple[Shape, Shape] = ({11: (0.0, 0.0, 0.0)}, {17: (0.0, 0.0, 0.0)})
MELTS = {
    "gas": Melt(IONS, SINGLE, (4, 4, 8), 16.0, 10000.0, f"{4 * 0.05 * EV} * (0.23/r)^12"),
    "salt": Melt(
        IONS, SINGLE, (6, 6, 6), 18.96, 1200.0, f"a*exp((s-r)/{SOFTNESS / 10}) - c/r^6 - d/r^8", FUMI_TOSI
    ),
    "liquid": Melt(
        {19: 0.4374, 11: 0.1578, 37: 0.1848, 53: -0.78}, (CATION, {53: (0.0, 0.0, 0.0)}), (4, 4, 4), 22.71, 400.0,
        "4*a*((s/r)^12 - (s/r)^6)", mixed(SITES), cutoff=10.0, timestep=4.0, hot=50.0, rest=200.0, every=1.0,
    ),
}  # fmt: skip


def system(melt: Melt, tolerance: float) -> openmm.System:
    """Charges, pairs, bonds and angles; tolerance: relative, of the Coulomb forces."""
    out = openmm.System()
    out.setDefaultPeriodicBoxVectors(*np.eye(3) * melt.length / 10)
    coulomb = openmm.NonbondedForce()
    coulomb.setNonbondedMethod(openmm.NonbondedForce.PME)
    coulomb.setCutoffDistance(melt.cutoff / 10)
    coulomb.setEwaldErrorTolerance(tolerance)
    pair = pairs(melt)
    for z in melt.start().numbers.tolist():
        out.addParticle(atomic_masses[z])
        coulomb.addParticle(melt.charges[z], 1.0, 0.0)
        pair.addParticle([list(melt.charges).index(z)])
    for ion in melt.ions():
        for n, m in combinations(ion, 2):
            coulomb.addException(n, m, 0.0, 1.0, 0.0)
            pair.addExclusion(n, m)
    for force in (coulomb, pair, *shapes(melt)):
        out.addForce(force)
    return out


def pairs(melt: Melt) -> openmm.CustomNonbondedForce:
    """The energy beside that of the charges; `kind` of a site is its place in the charges."""
    kinds = list(melt.charges)
    tables = {name: np.zeros((len(kinds), len(kinds))) for name in "ascd"}
    units = (EV, 0.1, EV * 1e-6, EV * 1e-8)
    for zs, values in melt.parameters.items():
        n, m = (kinds.index(z) for z in zs)
        for table, value, factor in zip(tables.values(), values, units, strict=True):
            table[n, m] = table[m, n] = value * factor
    named = "; ".join(f"{name}=table_{name}(kind1, kind2)" for name in tables)
    out = openmm.CustomNonbondedForce(f"{melt.pair}; {named}")
    for name, table in tables.items():
        out.addTabulatedFunction(f"table_{name}", openmm.Discrete2DFunction(*table.shape, table.ravel()))
    out.addPerParticleParameter("kind")
    out.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    out.setCutoffDistance(melt.cutoff / 10)
    out.setUseSwitchingFunction(True)
    out.setSwitchingDistance((melt.cutoff - SWITCHED) / 10)
    return out


def shapes(melt: Melt) -> tuple[openmm.Force, ...]:
    """Bonds of the first site of an ion to all others, and the angles between them, about the shape of the ion."""
    bonds, angles, start = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), melt.start()
    for first, *others in melt.ions():
        for n in others:
            bonds.addBond(first, n, start.get_distance(first, n) / 10, 100 * BOND * EV)
        for n, m in combinations(others, 2):
            angles.addAngle(n, first, m, np.radians(start.get_angle(n, first, m)), ANGLE * EV)
    for force in (bonds, angles):
        force.setUsesPeriodicBoundaryConditions(True)
    return bonds, angles
