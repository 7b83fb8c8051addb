"""Oxygen vacancies of charge 0, +1 and +2 in quartz: which charge models tell charge states apart, and carry them over?

python benchmarks/papers/silica_vacancies.py DATA             DATA: folder of datasets/silica_vacancies.py
python benchmarks/papers/silica_vacancies.py DATA --quick     one seed and one set of charges, an epoch

Baldwin et al. (arXiv:2603.14700) compare charge models on charged vacancies in SiO2. Here every model has the same
backbone, which knows the total charge as well, but for those called unconditioned, in which only the charge model does.
They are trained on perfect crystals and on vacancies of all charges, or of 0 and +2 alone, so that +1 is new.
The test has cells of 71 atoms like those in training, and larger ones of 107. Where the charge of a vacancy goes is
read from the difference of charges between +2 and 0 on the same atoms, within 4 Å of the missing oxygen.
"""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from ase.io import read
from experiment import Job, asked, costs, experiment, grid, heading, models, of_frames, spread, weights, write_frames
from matplotlib import pyplot

from leyden.spec import CartesianSpec
from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.metrics import Evaluation

NAME = "silica_vacancies"
MODELS = models(
    CartesianSpec(cutoff=4.5, channels=24),
    "short-range", "les", "split", "qeq", "polarizable", "response", "variational",
    formal={8: -2.0, 14: 4.0},
)  # fmt: skip
MODELS |= {
    f"{name}, unconditioned": MODELS[name].model_copy(update={"conditioned": False})
    for name in ("qeq", "response", "variational")
}
TRAINED = {"all charges": (0, 1, 2), "0 and +2": (0, 2)}
CHARGES = (0, 1, 2)
"""e; the files have each vacancy with these, in this order."""
CELLS = {"test": "71 atoms", "large": "107 atoms"}
NEAR = 4.0
"""Å."""


def config(job: Job, data: Path, epochs: int) -> Config:
    """Nothing else differs between models; fewer frames get more epochs."""
    charges = TRAINED[str(job.about["trained"])]
    train, validation = (chosen(data / f"{part}.xyz", charges, job.folder.parent / "data") for part in ("train", "val"))
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(train=train, validation=validation),
        model=MODELS[job.preset],
        optimizer=OptimizerSection(epochs=round(epochs * len(CHARGES) / len(charges)), batch_size=2),
        hardware=HardwareSection(threads=1),
    )


def chosen(path: Path, charges: tuple[int, ...], folder: Path) -> Path:
    """A copy of a file with the frames of some charges."""
    copy = folder / f"{path.stem}-{''.join(map(str, charges))}.xyz"
    if not copy.exists():
        write_frames([atoms for atoms in read(path, ":") if atoms.info["total_charge"] in charges], copy)
    return copy


def measure(best: Path, data: Path) -> dict:
    """Errors by cell and total charge; of models with charges, how much of the charge is near the vacancy."""
    potential = load(best)
    out: dict = {"weights": weights(potential)}
    for part in CELLS:
        path = data / f"{part}.xyz"
        found = evaluate(potential, frames_for(potential, path).frames, 1)
        out[part] = by_charge(found) | {"unsolved": len(found.solved.failed) if found.solved else 0}
        frames = read(path, ":")
        out[part]["mulliken"] = localised(frames, np.concatenate([atoms.arrays["mulliken"] for atoms in frames]))
        if found.charges is not None:
            out[part]["near"] = localised(frames, found.charges)
    return out


def by_charge(found: Evaluation) -> dict[str, dict[str, float]]:
    """RMSE of energies (eV an atom) and forces (eV/Å), by total charge."""
    out: dict[str, dict[str, float]] = {}
    for charge in CHARGES:
        out[str(charge)] = {}
        for name in ("energy", "forces"):
            out[str(charge)][name] = of_frames(found.parities[name], found.total_charge == charge).rmse
    return out


def localised(frames: list[Atoms], charges: np.ndarray) -> float:
    """Mean share of the difference of charges (N,) between +2 and 0 that is within NEAR of the vacancy."""
    parts = np.split(charges, np.cumsum([len(atoms) for atoms in frames])[:-1])
    shares = []
    for n in range(0, len(frames), len(CHARGES)):
        atoms = frames[n]
        gaps = get_distances(atoms.info["vacancy"], atoms.positions, cell=atoms.cell, pbc=True)[1][0]
        shares.append((parts[n + 2] - parts[n])[gaps < NEAR].sum() / 2)
    return float(np.mean(shares))


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a model and set of charges."""
    header = ["model", "trained on", "seeds", "minutes", "weights"]
    header += [f"{what}, {cell}: q = 0 / +1 / +2" for cell in CELLS.values() for what in ("E, meV/atom", "F, meV/Å")]
    header += [f"near the vacancy, {cell}" for cell in CELLS.values()]
    rows = []
    for name, trained in product(MODELS, TRAINED):
        there = [r for r in results if (r["preset"], r["trained"]) == (name, trained)]
        if not there:
            continue
        cells = [name, trained, *costs(there)]
        for part, (what, digits) in product(CELLS, (("energy", 2), ("forces", 1))):
            each = (spread([r[part][str(q)][what] for r in there], 1000, digits) for q in CHARGES)
            cells.append(" / ".join(each))
        for part in CELLS:
            near = [r[part]["near"] for r in there if "near" in r[part]]
            cells.append(spread(near, 1, 2) if near else "-")
        rows.append(cells)
    mulliken = ", ".join(f"{results[0][part]['mulliken']:.2f} ({cell})" for part, cell in CELLS.items())
    return [
        *heading("Charged oxygen vacancies in quartz", command, results),
        *grid(header, rows),
        "",
        "RMSE. Near the vacancy: share of the two elementary charges between q = +2 and q = 0, on the same atoms, that"
        f" is within {NEAR:g} Å of it; by Mulliken charges of the reference method, which no model saw, {mulliken}."
        " 71 atoms as in training, 107 in no training.",
    ]


def plot(results: list[dict], path: Path) -> None:
    """Energy errors by charge, for both cells and sets of charges."""
    figure, axes = pyplot.subplots(
        len(TRAINED), len(CELLS), figsize=(12, 7), layout="constrained", sharex=True, sharey=True
    )
    for row, trained in zip(axes, TRAINED, strict=True):
        for axis, (part, cell) in zip(row, CELLS.items(), strict=True):
            for number, charge in enumerate(CHARGES):
                rows = {n: [r for r in results if (r["preset"], r["trained"]) == (n, trained)] for n in MODELS}
                means = [1000 * np.mean([r[part][str(charge)]["energy"] for r in rows[n]] or [np.nan]) for n in MODELS]
                axis.bar(np.arange(len(MODELS)) + 0.27 * (number - 1), means, 0.25, label=f"total charge {charge} e")
            axis.set(yscale="log", title=f"{cell}, trained on {trained}")
            axis.set_xticks(range(len(MODELS)), [name.replace(", ", ",\n") for name in MODELS], rotation=90)
        row[0].set_ylabel("energy RMSE, meV/atom")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=len(CHARGES))
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run what is asked for; table and picture from all finished runs."""
    given = asked(__doc__, NAME, 30, 1, "data", model=MODELS, trained=TRAINED)
    sets = given.trained[:1] if given.quick else given.trained
    jobs = [
        Job(
            name, seed, given.output / f"{name.replace(', ', '-')}-{len(TRAINED[trained])}-{seed}", {"trained": trained}
        )
        for seed, name, trained in product(given.seed, given.model, sets)
    ]
    experiment(
        NAME,
        given,
        jobs,
        partial(config, data=given.data, epochs=given.epochs),
        lambda best, job: measure(best, given.data),
        table,
        plot,
    )


if __name__ == "__main__":
    main()
