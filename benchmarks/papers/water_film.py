"""The water of a film on a face, from frames of one simulation: orientation by height, and dipole along the normal z.

Every intact molecule has the charges of SPC/E, +q on hydrogen and -2q on oxygen, in whatever simulation it is: its
dipole is q times the sum of its O-H vectors, and cos the cosine of the angle of this sum to the normal. A film of mean
dipole <M> on an area A raises the potential by 4 pi k_e <M> / A.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from numpy.typing import NDArray

from leyden.properties.blocking import Blocked, blocked
from leyden.units import COULOMB

CHARGE = 0.4238
"""e, of hydrogen in SPC/E."""
EDGES = np.arange(1.0, 12.0)
"""Å above the outermost titanium."""
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
BLOCKS = 5
"""Parts of a simulation, whose means give an error."""


@dataclass(frozen=True)
class Film:
    """Of T frames: dipole (T,) e Å; of each layer <cos> and its error, NaN where not every block has molecules; intact
    molecules, on average; area, Å²."""

    dipole: list[float]
    cosine: list[float]
    error: list[float]
    intact: float
    area: float

    @staticmethod
    def of(frames: Sequence[Atoms]) -> "Film":
        """From frames with the film above the oxide."""
        found = [molecules(atoms) for atoms in frames]
        sums, counts = (np.array(each) for each in zip(*(layers(*one) for one in found), strict=True))
        blocks = zip(np.array_split(sums, BLOCKS), np.array_split(counts, BLOCKS), strict=True)
        error = np.array([_mean(*block) for block in blocks]).std(0, ddof=1) / math.sqrt(BLOCKS)
        return Film(
            [CHARGE * float(along[:, 2].sum()) for _, along in found],
            np.where(np.isnan(error), np.nan, _mean(sums, counts)).tolist(),
            error.tolist(),
            float(np.mean([len(height) for height, _ in found])),
            float(np.linalg.norm(np.cross(*frames[0].cell[:2]))),
        )

    @property
    def fluctuation(self) -> Blocked:
        """<M^2> - <M>^2, (e Å)², NaN for a single frame."""
        if len(self.dipole) < 2:
            return Blocked(math.nan, math.nan, 0.0, False)
        return blocked((np.array(self.dipole) - np.mean(self.dipole)) ** 2)

    @property
    def running(self) -> NDArray[np.float64]:
        """The same up to each frame, (T,)."""
        dipole, count = np.array(self.dipole), np.arange(1, len(self.dipole) + 1)
        return np.cumsum(dipole**2) / count - (np.cumsum(dipole) / count) ** 2

    @property
    def step(self) -> float:
        """Of the mean potential, from below the film to above, V."""
        return 4.0 * math.pi * COULOMB * float(np.mean(self.dipole)) / self.area


def molecules(atoms: Atoms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the W intact molecules: heights of oxygen above the outermost titanium (W,) Å, and sums of both O-H vectors
    (W, 3) Å. A hydrogen belongs to the nearest oxygen; an oxygen with two is a molecule."""
    titanium, oxygen, hydrogen = (atoms.positions[atoms.numbers == z] for z in (22, 8, 1))
    vectors, gaps = get_distances(oxygen, hydrogen, cell=atoms.cell, pbc=atoms.pbc)
    owner = gaps.argmin(0)
    along = np.zeros_like(oxygen)
    np.add.at(along, owner, vectors[owner, np.arange(len(hydrogen))])
    intact = np.bincount(owner, minlength=len(oxygen)) == 2
    z = titanium[:, 2]
    return oxygen[intact, 2] - z[z > z.max() - 1.5].mean(), along[intact]


def layers(height: NDArray[np.float64], along: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of cosines and number of molecules in each layer of a frame."""
    cosine = along[:, 2] / np.linalg.norm(along, axis=1)
    return np.histogram(height, EDGES, weights=cosine)[0], np.histogram(height, EDGES)[0]


def _mean(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over all molecules of frames, by layer."""
    total = counts.sum(0)
    return np.where(total > 0, sums.sum(0) / np.maximum(total, 1), np.nan)
