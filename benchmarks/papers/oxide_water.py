"""Water on anatase(100): what does the long range change in the order of the water, and in its dipole?

python benchmarks/papers/oxide_water.py DATA             DATA: folder tio2_water; all runs, table, picture
python benchmarks/papers/oxide_water.py DATA --quick     one seed of everything, a few epochs and steps

At metals, short-range models align water far from the interface and let its dipole fluctuate until the layer turns
metallic, and an explicit long range does not (arXiv:2603.04228). Here a short-range model that sees no further than its
cutoff, and the same with charges, simulate a film of 64 molecules on one face of the oxide; its dipole is that of fixed
charges (water_film.py), so that only structures count. Of the 64 frames (CP2K, optB88-vdW) 32 are of this film, 14 of
partly dissociated water between two faces and 18 dry. Dry frames and films are slabs here, though the file has them
periodic along z: the reference forces on the bare face do not follow the dipole of the film, as they would in the field
of its images.
"""

from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from experiment import Job, asked, costs, experiment, grid, heading, models, of_frames, spread, weights, write_frames
from matplotlib import pyplot
from water_film import CHARGE, MIDDLES, Film

from leyden.calculators import LeydenCalculator
from leyden.checks import InputError
from leyden.dynamics import Settings, run
from leyden.spec import CartesianSpec
from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

NAME = "oxide_water"
MODELS = models(CartesianSpec(cutoff=5.0, channels=24, layers=1), "short-range", "les")
KINDS = ("film", "between faces", "dry")
SPLIT = 0
"""Seed."""
STEPS, TIMESTEP, EVERY = 6700, 1.5, 20
"""fs between steps, steps between frames."""
HEAVY = 4.0
"""u, of hydrogen; averages over structures do not depend on masses."""
TEMPERATURE, HOT = 330.0, 500.0
"""K; from the first frame above the second on, dynamics counts as unstable."""
EARLY = 0.2
"""Share of a simulation that is left out."""


def config(job: Job, data: Path, epochs: int) -> Config:
    """Nothing else differs between models."""
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(train=data / "train.xyz", validation=data / "val.xyz"),
        model=MODELS[job.preset],
        optimizer=OptimizerSection(epochs=epochs, batch_size=1, warmup_steps=50),
        hardware=HardwareSection(threads=1),
    )


def labelled(path: Path) -> list[Atoms]:
    """All frames, each with its kind, and open along z where there is vacuum, which is above all atoms then."""
    frames = read(path, ":")
    for atoms in frames:
        wet = "film" if atoms.cell[2, 2] > 20.0 else "between faces"
        atoms.info["config_type"] = kind = wet if 1 in atoms.numbers else "dry"
        if kind != "between faces":
            z, height = atoms.positions[:, 2], atoms.cell[2, 2]
            levels = np.sort(z % height)
            atoms.positions[:, 2] = (z - levels[np.diff(levels, prepend=levels[-1] - height).argmax()]) % height
            atoms.pbc = (True, True, False)
    return frames


def split(path: Path, folder: Path) -> None:
    """Write 50, 6 and 8 frames for training, validation and test into a folder, every kind in each of them."""
    if (folder / "test.xyz").exists():
        return
    frames = labelled(path)
    order = np.random.default_rng(SPLIT).permutation(len(frames))
    order = np.array(sorted(order, key=lambda n: KINDS.index(frames[n].info["config_type"])))
    rest = np.delete(order, np.s_[4::8])
    for part, chosen in {"train": np.delete(rest, np.s_[4::9]), "val": rest[4::9], "test": order[4::8]}.items():
        write_frames([frames[n] for n in chosen], folder / f"{part}.xyz")


def measure(best: Path, job: Job, data: Path, steps: int) -> dict:
    """RMSE by kind of frame (eV/atom, eV/Å), and the water in a simulation from a film of the test."""
    potential = load(best)
    found = evaluate(potential, frames_for(potential, data / "test.xyz").frames, 1)
    kinds = {kind: np.array(found.config_type) == kind for kind in KINDS}
    films = [atoms for atoms in read(data / "test.xyz", ":") if atoms.info["config_type"] == "film"]
    frames = simulate(best, films[job.seed % len(films)], job, steps)
    kept = frames[int(EARLY * len(frames)) :]
    return {
        "weights": weights(potential),
        "energy": {kind: of_frames(found.parities["energy"], chosen).rmse for kind, chosen in kinds.items()},
        "forces": {kind: of_frames(found.parities["forces"], chosen).rmse for kind, chosen in kinds.items()},
        "ps": frames[-1].info["time_ps"],
        "temperature": float(np.mean([atoms.get_temperature() for atoms in kept])),
        "film": asdict(Film.of(kept)),
    }


def simulate(best: Path, start: Atoms, job: Job, steps: int) -> list[Atoms]:
    """Frames, as far as the dynamics is stable."""
    atoms = Atoms(start.numbers, start.positions, cell=start.cell, pbc=start.pbc)
    atoms.set_masses([HEAVY if z == 1 else None for z in atoms.numbers])
    settings = Settings(steps, TIMESTEP, TEMPERATURE, every=EVERY, seed=job.seed)
    trajectory = job.folder / "dynamics.xyz"
    trajectory.unlink(missing_ok=True)
    try:
        for summary in run(atoms, LeydenCalculator(best, dtype="float32"), settings, trajectory):
            if not summary.temperature < HOT:
                break
    except InputError as error:
        print(f"{job.folder}: the simulation stopped: {error}")
    frames = read(trajectory, ":")
    for frame in frames:
        frame.set_masses(atoms.get_masses())
    hot = [n for n, frame in enumerate(frames) if not frame.get_temperature() < HOT]
    return frames[: hot[0]] if hot else frames


def table(results: list[dict], command: str, reference: Film) -> list[str]:
    """Mean and standard deviation over seeds, one row a model, and the frames of the reference method."""
    header = ["model", "seeds", "minutes", "weights"]
    header += [f"{what}: {' / '.join(KINDS)}" for what in ("E, meV/atom", "F, meV/Å")]
    header += ["stable, ps", "T, K", "intact molecules", "<M>, e Å", "step of potential, V", "<M²> - <M>², (e Å)²"]
    rows = []
    for name in MODELS:
        there = [r for r in results if r["preset"] == name]
        if there:
            cells = [name, *costs(there)]
            for what, digits in (("energy", 2), ("forces", 1)):
                cells.append(" / ".join(spread([r[what][kind] for r in there], 1000, digits) for kind in KINDS))
            cells += [spread([r[what] for r in there], 1, digits) for what, digits in (("ps", 1), ("temperature", 0))]
            rows.append(cells + moments([Film(**r["film"]) for r in there]))
    rows.append(["reference, 32 films", *["-"] * 7, *moments([reference])])
    return [
        *heading("A film of water on anatase(100), without and with charges", command, results),
        *grid(header, rows),
        "",
        f"RMSE on 8 frames. Dynamics of 336 atoms at {TEMPERATURE:g} K, the first {EARLY:.0%} left out; stable: up to"
        f" the first frame above {HOT:g} K. M: dipole of the water along the normal with {CHARGE:g} e on hydrogen; in"
        " brackets the error of the fluctuation by blocks, the mean over seeds, with > where it still grows with their"
        " length. The films of the reference are the frames of the file, which need not be an equilibrium.",
    ]


def moments(films: list[Film]) -> list[str]:
    """Cells of the water of several simulations."""
    each = [film.fluctuation for film in films]
    error = f"{'' if all(one.converged for one in each) else '> '}{np.mean([one.error for one in each]):.2f}"
    return [
        spread([film.intact for film in films], 1, 1),
        spread([float(np.mean(film.dipole)) for film in films], 1, 2),
        spread([film.step for film in films], 1, 2),
        f"{spread([one.mean for one in each], 1, 2)} ({error})",
    ]


def plot(results: list[dict], path: Path, reference: Film) -> None:
    """Orientation by height, and the running estimate of the fluctuation."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    left.axhline(0, color="0.8", lw=0.8)
    left.errorbar(MIDDLES, reference.cosine, reference.error, fmt="ks", ms=4, capsize=2, label="reference, 32 films")
    right.axhline(reference.fluctuation.mean, color="k", ls=":", label="reference, 32 films")
    for color, name in zip(("C1", "C0"), MODELS, strict=True):
        for n, film in enumerate(Film(**r["film"]) for r in results if r["preset"] == name):
            style = {"color": color, "lw": 1.2, "label": name if n == 0 else None}
            left.errorbar(MIDDLES + 0.08 * (n + 1), film.cosine, film.error, capsize=2, **style)
            right.plot(np.arange(len(film.dipole)) * EVERY * TIMESTEP / 1000, film.running, **style)
    left.set(xlabel="height above the outermost titanium, Å", ylabel="<cos> of dipole and normal, by layer")
    right.set(xlabel=f"time after the first {EARLY:.0%}, ps", ylabel="<M²> - <M>² up to this time, (e Å)²")
    left.legend()
    right.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run what is asked for; table and picture from all finished runs."""
    given = asked(__doc__, NAME, 120, 2, "data", model=MODELS)
    path, data = given.data / "anatase100.xyz", given.output / "data"
    split(path, data)
    jobs = [Job(name, seed, given.output / f"{name}-{seed}") for seed, name in product(given.seed, given.model)]
    reference = Film.of([atoms for atoms in labelled(path) if atoms.info["config_type"] == "film"])
    experiment(
        NAME,
        given,
        jobs,
        partial(config, data=data, epochs=given.epochs),
        partial(measure, data=data, steps=120 if given.quick else STEPS),
        partial(table, reference=reference),
        partial(plot, reference=reference),
    )


if __name__ == "__main__":
    main()
