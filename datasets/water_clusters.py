"""Thermal water clusters (H2O)n, n = 1-6, sampled by GFN2-xTB Langevin dynamics at 250, 350 or 450 K.

Each cluster is packed at random, relaxed for at most 30 steps, and gives four snapshots: after 100 fs, then each 60 fs.

    python water_clusters.py OUT.xyz --seed 20261121 --frames 181
"""

from collections.abc import Iterator

import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import FIRE
from command import label_stream
from scipy.spatial.transform import Rotation
from tblite.ase import TBLite

WATER = molecule("H2O")
SIZES, PROBABILITIES = [1, 2, 3, 4, 5, 6], [0.08, 0.24, 0.24, 0.2, 0.14, 0.1]
TEMPERATURES = [250, 350, 450]  # K
TIME_STEP = 0.5  # fs
SNAPSHOT_STEPS = [200, 120, 120, 120]


def attempt(n: int, rng: np.random.Generator) -> Atoms | None:
    """Waters dropped into a box one by one, none closer than 1.7 Å; None if n of them do not fit or do not connect."""
    cluster, side = Atoms(), 2.0 * n ** (1 / 3) + 0.5
    for _ in range(200 * n):
        water = WATER.copy()
        water.positions = Rotation.random(rng=rng).apply(water.positions - water.positions[0])
        water.positions += rng.uniform(-side, side, 3)
        gaps = np.linalg.norm(water.positions[:, None] - cluster.positions[None], axis=-1)
        if len(cluster) == 0 or gaps.min() > 1.7:
            cluster += water
        if len(cluster) == 3 * n:
            return cluster if connected(cluster, n) else None
    return None


def connected(cluster: Atoms, n: int) -> bool:
    """Whether each oxygen has another one within 3.8 Å (always true for one water)."""
    oxygens = cluster.positions[::3]
    gaps = np.linalg.norm(oxygens[:, None] - oxygens[None], axis=-1) + 99 * np.eye(n)
    return n == 1 or bool((gaps.min(1) < 3.8).all())


def packed(n: int, rng: np.random.Generator) -> Atoms:
    """Random compact, connected arrangement of n waters."""
    while (cluster := attempt(n, rng)) is None:
        pass
    return cluster


def trajectory(n: int, temperature: float, rng: np.random.Generator) -> Iterator[Atoms]:
    """Snapshots (Å, centre of mass at the origin) of one cluster of n waters at `temperature` (K)."""
    atoms = packed(n, rng)
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    FIRE(atoms, logfile=None).run(fmax=0.4, steps=30)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(atoms, TIME_STEP * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng)
    for steps in SNAPSHOT_STEPS:
        dynamics.run(steps)
        snapshot = Atoms(atoms.numbers, atoms.positions - atoms.get_center_of_mass())
        snapshot.info.update(config_type="water_cluster", n_water=n, temperature=temperature)
        yield snapshot


def geometries(seed: int) -> Iterator[tuple[Atoms, int]]:
    """Endless stream of unlabelled geometries (Å), four per cluster, and the charge 0, fixed by the seed."""
    rng = np.random.default_rng(seed)
    while True:
        n = int(rng.choice(SIZES, p=PROBABILITIES))
        temperature = float(rng.choice(TEMPERATURES))
        for snapshot in trajectory(n, temperature, rng):
            yield snapshot, 0


if __name__ == "__main__":
    label_stream(geometries, __doc__)
