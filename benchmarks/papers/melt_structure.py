"""Structure of a melt of charges q_i in a cube of volume V: how well it screens, and how ions sit about its anions.

For k = 2 pi n / L, n whole numbers, the mean over frames of the density of charge gives what is left of a weak charge
from outside, by linear response (Hansen & McDonald, Theory of Simple Liquids, chapter 10):

    rho(k) = sum_i q_i exp(-i k.r_i),   S_ZZ(k) = <|rho(k)|^2> / N,   4 pi k_e N S_ZZ(k) / (V k T k^2) = 1 - 1/eps(k)

A melt of ions screens perfectly, 1/eps(k) -> 0 for k -> 0: there the right-hand side is 1, whatever else acts between
its sites (Stillinger & Lovett, J. Chem. Phys. 49, 1991 (1968)). At larger k it goes through values above 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.data import chemical_symbols

from leyden.properties.blocking import blocked
from leyden.units import COULOMB

LARGEST = 9
"""Of |n|^2."""
BIN = 0.1
"""Å."""


@dataclass(frozen=True)
class Structure:
    """wavenumber (K,), 1/Å; screening (K,), 1 where it is perfect, and its error (K,), by blocks of frames; around,
    g(r) of each element about anions, in bins of BIN up to half the cube; shortest distance of two sites, Å."""

    wavenumber: list[float]
    screening: list[float]
    error: list[float]
    around: dict[str, list[float]]
    shortest: float


def structure(frames: Sequence[Atoms], charges: dict[int, float], temperature: float) -> Structure:
    """Of frames of the same atoms in the same cube (Å) with charges (e) by atomic number, at a temperature (K)."""
    length, q = frames[0].cell.lengths()[0], np.array([charges[z] for z in frames[0].numbers])
    vectors = wave_vectors()
    squares = (vectors**2).sum(1)
    intensity = np.array([np.abs(q @ np.exp(2j * np.pi / length * (x.positions @ vectors.T))) ** 2 for x in frames])
    k = 2 * np.pi / length * np.sqrt(np.unique(squares))
    perfect = length**3 * units.kB * temperature * k**2 / (4 * np.pi * COULOMB)
    series = [intensity[:, squares == n].mean(1) / each for n, each in zip(np.unique(squares), perfect, strict=True)]
    found = [blocked(each) for each in series]
    around, shortest = pairs(frames, min(charges, key=lambda z: charges[z]))
    return Structure(k.tolist(), [each.mean for each in found], [each.error for each in found], around, shortest)


def wave_vectors() -> np.ndarray:
    """Whole numbers n (M, 3) up to LARGEST, one of n and -n."""
    most = math.isqrt(LARGEST)
    n = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    half = n[len(n) // 2 + 1 :]
    return half[(half**2).sum(1) <= LARGEST]


def pairs(frames: Sequence[Atoms], anion: int) -> tuple[dict[str, list[float]], float]:
    """g(r) of each element about anions, and the shortest distance of any two sites, Å."""
    numbers, volume = frames[0].numbers, frames[0].get_volume()
    edges = np.arange(0.0, volume ** (1 / 3) / 2, BIN)
    counts = {int(z): np.zeros(len(edges) - 1) for z in np.unique(numbers)}
    shortest = math.inf
    for atoms in frames:
        gaps = distances(atoms)
        shortest = min(shortest, gaps.min())
        for z, count in counts.items():
            count += np.histogram(gaps[np.ix_(numbers == anion, numbers == z)], edges)[0]
    shells = 4 / 3 * np.pi * np.diff(edges**3) / volume
    anions = (numbers == anion).sum()
    others = {z: (numbers == z).sum() - (z == anion) for z in counts}
    g = {chemical_symbols[z]: counts[z] / (len(frames) * shells * anions * others[z]) for z in counts}
    return {name: values.tolist() for name, values in g.items()}, float(shortest)


def distances(atoms: Atoms) -> np.ndarray:
    """(N, N) between nearest images in a cube, Å; infinite of a site to itself."""
    gaps = (atoms.positions[:, None] - atoms.positions) / atoms.cell[0, 0]
    out = atoms.cell[0, 0] * np.linalg.norm(gaps - np.round(gaps), axis=-1)
    np.fill_diagonal(out, np.inf)
    return out


def deviation(one: Structure, other: Structure) -> float:
    """Root mean square difference of g(r), over elements and distances."""
    gaps = [np.array(one.around[name]) - np.array(other.around[name]) for name in one.around]
    return float(np.sqrt(np.mean(np.square(gaps))))
