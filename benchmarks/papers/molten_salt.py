"""Molten salts of known charges: do charges learned from energies and forces alone give a melt its screening?

python benchmarks/papers/molten_salt.py DATA             DATA: folder of datasets/melts.py; all runs, table, picture
python benchmarks/papers/molten_salt.py DATA --quick     one seed of everything, few frames, dynamics of few steps

Melts `salt` and `liquid` of datasets/melts.py, each with two cutoffs: a backbone of one layer sees as far as its
cutoff, and beyond it charges act alone. What a short-range energy sees tells nothing about charges: in a KF electrolyte
latent charges were off by 0.04 to 0.5 e, the most with a cutoff of 5.5 Å, although forces were good (data published
with arXiv:2408.15165 and arXiv:2412.15455). Here each model then runs dynamics from a test frame, and how the true
charges fluctuate in it, whatever the model takes them for, tells how it screens (melt_structure.py): perfectly for
small k in a melt whose ions act on each other at any distance. The reference is all frames of DATA together.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.io import read
from experiment import Job, asked, experiment, models, numbers, write_frames
from melt_structure import Structure, deviation, distances, structure
from molten_salt_report import plot, table

from leyden.calculators import LeydenCalculator
from leyden.checks import InputError
from leyden.dynamics import Settings, run
from leyden.properties.identifiability import identifiability
from leyden.spec import CartesianSpec
from leyden.storage import load
from leyden.train.batch import collate
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

NAME = "molten_salt"
PRESETS = ("short-range", "les")


@dataclass(frozen=True)
class Melt:
    """True charges (e) by atomic number, temperature (K), cutoffs (Å), timestep (fs), length of the dynamics (ps)."""

    charges: dict[int, float]
    temperature: float
    cutoffs: tuple[float, float]
    timestep: float
    picoseconds: float


MELTS = {
    "salt": Melt({11: 1.0, 17: -1.0}, 1200.0, (4.5, 6.0), 2.0, 20.0),
    "liquid": Melt({19: 0.4374, 11: 0.1578, 37: 0.1848, 53: -0.78}, 400.0, (7.0, 10.0), 4.0, 40.0),
}
QUICK = 0.02
"""Share of the training frames, and of the length of the dynamics."""
EVERY = 40
"""Steps between frames."""
SETTLING = 0.2
"""Share of a trajectory that is left out."""
CLOSER, HOTTER = 0.75, 1.5
"""Dynamics is broken where two sites are closer than that share of the shortest distance of the reference, or hotter
than that many times the temperature."""
FRICTION = 200.0
"""Time constant of the thermostat, fs."""


def config(job: Job, data: Path, epochs: int, share: float) -> Config:
    """Nothing else differs between models of one melt."""
    folder = data / str(job.about["melt"])
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(train=first(folder / "train.xyz", share, job), validation=folder / "val.xyz"),
        model=models(CartesianSpec(cutoff=reach(job), channels=16, layers=1), job.preset)[job.preset],
        optimizer=OptimizerSection(epochs=epochs, batch_size=1),
        hardware=HardwareSection(threads=1),
    )


def reach(job: Job) -> float:
    """How far its short-range energy sees, Å."""
    return float(str(job.about["cutoff"]))


def first(path: Path, share: float, job: Job) -> Path:
    """A file with that share of the frames of another."""
    if share == 1.0:
        return path
    frames = read(path, ":")
    return write_frames(frames[: round(share * len(frames))], job.folder.parent / "data" / f"{job.about['melt']}.xyz")


@cache
def reference(data: Path, melt: str) -> Structure:
    """Of all frames of a melt."""
    frames = [atoms for part in ("train", "val", "test") for atoms in read(data / melt / f"{part}.xyz", ":")]
    return structure(frames, MELTS[melt].charges, MELTS[melt].temperature)


def measure(best: Path, job: Job, data: Path, share: float) -> dict:
    """Errors on test frames, learned charges, and the structure of a trajectory, a share of the usual length."""
    name = str(job.about["melt"])
    melt, potential, test = MELTS[name], load(best), data / name / "test.xyz"
    frames = frames_for(potential, test).frames
    found, whole = evaluate(potential, frames, 4), reference(data, name)
    true = {chemical_symbols[z]: q for z, q in melt.charges.items()}
    out: dict = numbers(found) | {"reference": asdict(whole), "true": true}
    if found.charges is not None:
        each = {chemical_symbols[z]: found.charges[found.numbers == z] for z in melt.charges}
        out["charge"] = {
            symbol: {"mean": float(q.mean()), "rmse": float(np.sqrt(np.mean((q - true[symbol]) ** 2)))}
            for symbol, q in each.items()
        }
        batch = collate(frames[:4]).to(dtype=next(potential.parameters()).dtype)
        out["identifiability"] = identifiability(potential, batch.system, batch.labels.forces, reach(job))
    starts = read(test, ":")
    passed, moved = simulated(best, job, starts[20 * job.seed % len(starts)], whole, share)
    if moved is not None:
        out["structure"] = asdict(moved) | {"deviation": deviation(moved, whole)}
    return out | {"passed": passed}


def simulated(best: Path, job: Job, start: Atoms, whole: Structure, share: float) -> tuple[float, Structure | None]:
    """How long the dynamics of a model lasts, ps, and its structure, if it does not break."""
    melt, trajectory = MELTS[str(job.about["melt"])], job.folder / "md.xyz"
    for old in job.folder.glob("md.*"):
        old.unlink()
    steps = round(1000 * share * melt.picoseconds / melt.timestep)
    settings = Settings(steps, melt.timestep, melt.temperature, "langevin", FRICTION, EVERY, job.seed)
    calculator, passed = LeydenCalculator(best, dtype="float32"), 0.0
    with suppress(InputError):  # of atoms on one point, or out of sight
        for summary in run(start, calculator, settings, trajectory):
            if broken(calculator.atoms, melt, whole):
                break
            passed = summary.steps * melt.timestep / 1000
    if passed < steps * melt.timestep / 1000:
        return passed, None
    frames = read(trajectory, ":", format="extxyz")
    return passed, structure(frames[round(SETTLING * len(frames)) :], melt.charges, melt.temperature)


def broken(atoms: Atoms, melt: Melt, whole: Structure) -> bool:
    """Whether dynamics went where the melt never is."""
    near, hot = CLOSER * whole.shortest, HOTTER * melt.temperature
    return not (distances(atoms).min() > near and atoms.get_temperature() < hot)


def main() -> None:
    """Run what is asked for; table and picture from all finished runs."""
    given = asked(__doc__, NAME, 10, 5, "data", preset=PRESETS, melt=MELTS)
    share = QUICK if given.quick else 1.0
    jobs = [
        Job(preset, seed, given.output / f"{name}-{preset}-{cutoff:g}-{seed}", {"melt": name, "cutoff": cutoff})
        for seed, name in product(given.seed, given.melt)
        for cutoff, preset in product(MELTS[name].cutoffs, given.preset)
    ]
    experiment(
        NAME,
        given,
        jobs,
        partial(config, data=given.data, epochs=given.epochs, share=share),
        partial(measure, data=given.data, share=share),
        table,
        plot,
    )


if __name__ == "__main__":
    main()
