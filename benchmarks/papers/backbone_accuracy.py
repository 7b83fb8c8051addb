"""The built-in backbone, MACE and NequIP on the same data: each alone and with latent charges, on energies and forces.

python benchmarks/papers/backbone_accuracy.py --backbone cartesian mace     in an environment with leyden[mace]
python benchmarks/papers/backbone_accuracy.py --backbone nequip             in one with leyden[nequip]
python benchmarks/papers/backbone_accuracy.py --set charged_dimers dipeptides --data PATH    published data
python benchmarks/papers/backbone_accuracy.py --table                       the tables of all finished runs, and no run

Runs are resumable. The models are small and not tuned: the table says what charges add to a backbone, not which
backbone is best. Learning rate, batches and losses are those of the preset for all.
"""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from ase.io import read
from charged_dimers import prepare
from harness import Job, complete, grid, heading, numbers, options, spread, weights

from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, LossSection, OptimizerSection, preset
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

DATASETS = Path(__file__).parents[1] / "datasets"
BACKBONES = {
    "cartesian": {"kind": "cartesian", "cutoff": 4.5},
    "mace": {"kind": "mace", "cutoff": 4.5, "channels": 32, "lmax": 1, "harmonics": 2},
    "nequip": {"kind": "nequip", "cutoff": 4.5, "channels": 32, "lmax": 1, "layers": 3},
}
PRESETS = ("short-range", "les")
TITLES = {
    "ion_pairs": "Ion pairs, trained below 10 Å",
    "water_clusters": "Water clusters",
    "charged_dimers": "Charged dimers, trained at 5-12 Å, tested at 12-15 Å",
    "dipeptides": "Polar dipeptides",
}
EPOCHS = {"ion_pairs": 40, "water_clusters": 40, "charged_dimers": 400, "dipeptides": 30}
FAR = 10.0
"""Å; no training frame of the ion pairs is further apart."""


def files(name: str, data: Path | None, folder: Path) -> dict[str, Path]:
    """Training, validation and test file of a set."""
    if name in ("ion_pairs", "water_clusters"):
        return {part: DATASETS / name / f"{part}.xyz" for part in ("train", "val", "test")}
    if data is None:
        raise SystemExit(f"--data: expected the folder of the published data for {name}, got none.")
    if name == "charged_dimers":
        found = prepare(data / "charged_dimers_lode", folder / "data")
        return found | {"val": found["train"]}  # ten frames a dimer leave none to spare
    return {part: data / "spice_dipeptides_polar" / f"{part}.xyz" for part in ("train", "val", "test")}


def config(job: Job, name: str, parts: dict[str, Path], epochs: int) -> Config:
    """The preset with this backbone; nothing else differs."""
    start = preset(job.preset, parts["train"])
    backbone = BACKBONES[str(job.about["backbone"])]
    model = type(start.model).model_validate(start.model.model_dump() | {"backbone": backbone})
    return start.model_copy(
        update={
            "model": model,
            "output": job.folder,
            "seed": job.seed,
            "data": DataSection(train=parts["train"], validation=parts["val"]),
            "loss": LossSection(forces=100.0 if name == "charged_dimers" else 1.0),
            "optimizer": OptimizerSection(epochs=epochs),
            "hardware": HardwareSection(threads=1),
        }
    )


def measure(best: Path, test: Path) -> dict:
    """Errors on the test frames, beyond FAR too, and the number of weights."""
    potential = load(best)
    found = evaluate(potential, frames_for(potential, test).frames)
    forces = found.parities["forces"]
    apart = np.array([atoms.info.get("separation", 0.0) for atoms in read(test, ":")])[forces.frame] > FAR
    far = {"far": float(np.sqrt(np.mean((forces.predicted - forces.reference)[apart] ** 2)))} if apart.any() else {}
    return numbers(found) | far | {"weights": weights(potential)}


def table(name: str, results: list[dict], epochs: int) -> list[str]:
    """Mean and standard deviation over seeds, one row a backbone and preset."""
    far, moments = name == "ion_pairs", any("dipole" in r for r in results)
    header = ["backbone", "preset", "weights", "seeds", "minutes", "E, meV/atom", "F, meV/Å"]
    header += [f"F beyond {FAR:g} Å"] * far + ["dipole R2", "slope"] * moments
    rows = []
    for backbone, chosen in product(BACKBONES, PRESETS):
        there = [r for r in results if (r["backbone"], r["preset"]) == (backbone, chosen)]
        if there:
            rows.append([backbone, chosen, f"{there[0]['weights']:,}", *errors(there, far, moments)])
    return [
        *heading(TITLES[name], f"`benchmarks/papers/backbone_accuracy.py --set {name} --epochs {epochs}`", results),
        *grid(header, rows),
        "",
        "Test frames. The models are not tuned; R2 is the squared Pearson correlation.",
    ]


def errors(rows: list[dict], far: bool, moments: bool) -> list[str]:
    """Seeds, minutes and errors of the runs of one row."""
    cells = [str(len(rows)), spread([r["training_seconds"] / 60 for r in rows])]
    cells += [spread([r["energy"]["rmse"] for r in rows], 1000, 2), spread([r["forces"]["rmse"] for r in rows], 1000)]
    cells += [spread([r["far"] for r in rows], 1000)] if far else []
    there = "dipole" in rows[0]
    return cells + [spread([r["dipole"][k] for r in rows], 1, 3) if there else "-" for k in ("r2", "slope")] * moments


def main() -> None:
    """Run what is asked for and write a table of each set from all finished runs."""
    parser = options(__doc__, Path("runs/backbone_accuracy"), None, set=TITLES, backbone=BACKBONES, preset=PRESETS)
    parser.add_argument("--data", type=Path, help="folder of the published data")
    parser.set_defaults(set=["ion_pairs", "water_clusters"], backbone=["cartesian"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.set:
        folder, epochs = given.output / name, given.epochs or EPOCHS[name]
        parts = {} if given.table else files(name, given.data, folder)
        jobs = [
            Job(chosen, seed, folder / f"{backbone}-{chosen}-{seed}", {"backbone": backbone})
            for seed, backbone, chosen in product(given.seed, given.backbone, given.preset)
        ]
        complete(
            f"backbone_accuracy_{name}",
            given,
            jobs,
            partial(config, name=name, parts=parts, epochs=epochs),
            lambda best, job, parts=parts: measure(best, parts["test"]),
            partial(table, name, epochs=epochs),
            folder=folder,
        )


if __name__ == "__main__":
    main()
