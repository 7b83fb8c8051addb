"""Every charge model on the same backbone, data and seeds: ion pairs and water clusters, energies and forces only.

python benchmarks/charge_models.py                              all presets, seeds and sets, then a table a set
python benchmarks/charge_models.py --set ion_pairs --preset qeq --seed 0     one run, resumable

A table is written from all runs that are finished. The data are our own (datasets/README.md). No ion pair beyond 10 Å
is in training: its forces show whether charges stay on their ions, and the energy errors by total charge whether a
model tells the charge states apart. Dipoles are never trained on.
"""

import csv
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from ase.io import read
from harness import Job, complete, heading, numbers, options, spread

from leyden.storage import load
from leyden.train.config import PRESETS, Config, DataSection, HardwareSection, OptimizerSection, preset
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.metrics import Evaluation

DATASETS = Path(__file__).parents[1] / "datasets"
SETS = {"ion_pairs": "Ion pairs, trained below 10 Å", "water_clusters": "Water clusters"}
FORMAL = {
    "ion_pairs": {1: 1.0, 6: 2.0, 7: -3.0, 8: -2.0, 11: 1.0, 17: -1.0},
    "water_clusters": {1: 1.0, 8: -2.0},
}
"""e by atomic number: oxidation states, from which charges that move along bonds only ('split', 'sqe') start."""
FAR = 10.0
"""Å; no training frame is further apart."""
HEADER = ["preset", "seeds", "CPU s", "of les", "iterations", "unsolved train", "unsolved test",
          "E, meV/atom", "F, meV/Å", "dipole R2", "slope", "RMSE, e Å"]  # fmt: skip


def config(job: Job, data: Path, epochs: int) -> Config:
    """The preset with these files; nothing else differs between presets, but for formal charges."""
    chosen = preset(job.preset, data / "train.xyz")
    model = chosen.model
    if job.preset in ("split", "sqe"):
        model = model.model_copy(update={"charges": model.charges.model_copy(update={"formal": FORMAL[data.name]})})
    return chosen.model_copy(
        update={
            "model": model,
            "output": job.folder,
            "seed": job.seed,
            "data": DataSection(train=data / "train.xyz", validation=data / "val.xyz"),
            "optimizer": OptimizerSection(epochs=epochs, batch_size=3),
            "hardware": HardwareSection(threads=1),
        }
    )


def measure(best: Path, path: Path) -> dict:
    """Errors on the test frames, how their densities were found, and what training left out."""
    potential = load(best)
    found = evaluate(potential, frames_for(potential, path).frames)
    separation = np.array([atoms.info.get("separation", 0.0) for atoms in read(path, ":")])
    with (best.parent / "train.csv").open(newline="") as file:
        left_out = sum(int(row["train_unsolved"]) for row in csv.DictReader(file))
    return numbers(found) | solver(found) | charged(found) | far(found, separation) | {"train_unsolved": left_out}


def solver(found: Evaluation) -> dict:
    """Mean number of iterations, and structures without a density; nothing for a model that solves nothing."""
    if found.solved is None:
        return {}
    return {"iterations": float(found.solved.iterations.mean()), "unsolved": found.solved.failed}


def charged(found: Evaluation) -> dict:
    """RMSE of the energy by total charge, meV/atom."""
    energy = found.parities["energy"]
    square, charge = (1000 * (energy.predicted - energy.reference)) ** 2, found.total_charge[energy.frame]
    named = {q: f"{q:+.0f}" if q else "0" for q in np.unique(charge)}
    return {"energy_by_charge": {name: float(np.sqrt(square[charge == q].mean())) for q, name in named.items()}}


def far(found: Evaluation, separation: np.ndarray) -> dict:
    """RMSE of the forces on frames beyond FAR, meV/Å; nothing where there is no such frame."""
    forces = found.parities["forces"]
    error = 1000 * (forces.predicted - forces.reference)[separation[forces.frame] > FAR]
    return {"force_rmse_far": float(np.sqrt(np.mean(error**2)))} if len(error) else {}


def table(name: str, results: list[dict], epochs: int) -> list[str]:
    """Mean and standard deviation over seeds, one row a preset."""
    charges = list(results[0]["energy_by_charge"]) if name == "ion_pairs" else []
    header = HEADER + [f"F beyond {FAR:g} Å" for _ in charges[:1]] + [f"E, Q = {q}" for q in charges]
    lines = [
        *heading(
            f"{SETS[name]}: every charge model, energies and forces only",
            f"`benchmarks/charge_models.py --set {name} --epochs {epochs}`",
            results,
        ),
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
    ]
    les = [r["cpu_seconds_last_start"] for r in results if r["preset"] == "les"]
    for chosen in PRESETS:
        rows = [r for r in results if r["preset"] == chosen]
        if rows:
            lines.append("| " + " | ".join([chosen, *cells(rows, les), *charge_cells(rows, charges)]) + " |")
    return [
        *lines,
        "",
        "CPU seconds of a run, with its test, and their ratio to les. Unsolved: structures whose density was not found,"
        " left out of losses (summed over epochs) and errors. Dipoles of charged structures are about the origin of the"
        " file; R2 and slope include them. split and sqe start from oxidation states, so that ions are ions.",
    ]


def cells(rows: list[dict], les: list[float]) -> list[str]:
    """What every set has, from the runs of one preset."""
    seconds = [r["cpu_seconds_last_start"] for r in rows]
    found = [str(len(rows)), spread(seconds, 1, 0), f"{np.mean(seconds) / np.mean(les):.2f}" if les else "-"]
    solved = [r for r in rows if "iterations" in r]
    found += [spread([r["iterations"] for r in solved]) if solved else "-"]
    found += [str(sum(r["train_unsolved"] for r in solved)) if solved else "-"]
    found += [str(sum(len(r["unsolved"]) for r in solved)) if solved else "-"]
    found += [spread([r["energy"]["rmse"] for r in rows], 1000, 2), spread([r["forces"]["rmse"] for r in rows], 1000)]
    there = [r["dipole"] for r in rows if "dipole" in r]
    return found + [spread([d[figure] for d in there], 1, 4) if there else "-" for figure in ("r2", "slope", "rmse")]


def charge_cells(rows: list[dict], charges: list[str]) -> list[str]:
    """Forces far apart and energies by total charge; nothing without charge states."""
    if not charges:
        return []
    return [spread([r["force_rmse_far"] for r in rows])] + [
        spread([r["energy_by_charge"][q] for r in rows], 1, 2) for q in charges
    ]


def main() -> None:
    """Run what is asked for and write a table of each set from all finished runs."""
    given = options(__doc__, Path("runs/charge_models"), 20, set=SETS, preset=PRESETS).parse_args()
    for name in given.set:
        data, folder = DATASETS / name, given.output / name
        jobs = [Job(chosen, seed, folder / f"{chosen}-{seed}") for seed, chosen in product(given.seed, given.preset)]
        complete(
            f"charge_models_{name}",
            given,
            jobs,
            partial(config, data=data, epochs=given.epochs),
            lambda best, job, test=data / "test.xyz": measure(best, test),
            partial(table, name, epochs=given.epochs),
            folder=folder,
        )


if __name__ == "__main__":
    main()
