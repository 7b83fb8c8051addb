"""A MACE that was trained without charges on near ion pairs, then with charges on all: what freezing it costs.

python benchmarks/freezing.py                      in an environment with leyden[mace]; all runs, then the table
python benchmarks/freezing.py --freeze backbone --seed 0      one run, resumable

First a small MACE without charges learns the pairs closer than 5 Å of datasets/ion_pairs, as a published short-range
model would be trained. Then latent charges are added (`from` in the config; they start quietly), and both are trained
on all pairs below 10 Å, with all, some or none of the weights of the first model frozen; or from scratch. The test has
pairs beyond 10 Å, which no training frame has.
"""

from functools import partial
from itertools import product
from pathlib import Path

import torch
from ase.io import read, write
from backbone_accuracy import BACKBONES, DATASETS, errors, measure
from harness import Job, complete, grid, heading, options, run

from leyden.backbones import MACE
from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection, preset

TEST = DATASETS / "ion_pairs" / "test.xyz"
NEAR = 5.0
"""Å; how far apart ions are in the data of the first model."""
WAYS = {
    "first": "first model: no charges, pairs below 5 Å only",
    "scratch": "from scratch",
    "nothing": "first model, nothing frozen",
    "features": "first model, features frozen",
    "backbone": "first model, all frozen",
}


def near(folder: Path) -> DataSection:
    """The pairs of the first model."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "val"):
        frames = read(DATASETS / "ion_pairs" / f"{part}.xyz", ":")
        kept = [frame for frame in frames if frame.info.get("separation", 0.0) < NEAR]
        write(folder / f"{part}.xyz", kept, format="extxyz")
    return DataSection(train=folder / "train.xyz", validation=folder / "val.xyz")


def config(job: Job, epochs: int) -> Config:
    """One way to train."""
    data = DataSection(
        **{p: DATASETS / "ion_pairs" / f"{f}.xyz" for p, f in (("train", "train"), ("validation", "val"))}
    )
    backbone, way = dict(BACKBONES["mace"]), job.about["way"]
    if way == "first":
        data = near(job.folder.parent / "near")
    elif way != "scratch":
        backbone = {"kind": "mace", "from": first(job.folder.parent, job.seed, epochs), "freeze": way}
    start = preset(job.preset, data.train)
    return start.model_copy(
        update={
            "model": type(start.model).model_validate(start.model.model_dump() | {"backbone": backbone}),
            "output": job.folder,
            "seed": job.seed,
            "data": data,
            "optimizer": OptimizerSection(epochs=epochs),
            "hardware": HardwareSection(threads=1),
        }
    )


def first(folder: Path, seed: int, epochs: int) -> Path:
    """The first model as a file of mace-torch."""
    path, job = folder / f"first-{seed}.model", trained("first", seed, folder)
    if not path.exists():
        run(job, config(job, epochs), partial(measure, test=TEST))
        potential = load(job.folder / "best")
        assert isinstance(potential.backbone, MACE)
        torch.save(potential.backbone.plain(potential.baseline.energies), path)
    return path


def trained(way: str, seed: int, folder: Path) -> Job:
    """A run of one way."""
    return Job("short-range" if way == "first" else "les", seed, folder / f"{way}-{seed}", {"way": way})


def table(results: list[dict], epochs: int) -> list[str]:
    """Mean and standard deviation over seeds, one row a way."""
    title = "Charges beside a trained MACE: what freezing costs"
    header = ["trained", "seeds", "minutes", "E, meV/atom", "F, meV/Å", "F beyond 10 Å", "dipole R2", "slope"]
    rows = []
    for way, said in WAYS.items():
        there = [r for r in results if r["way"] == way]
        if there:
            rows.append([said, *errors(there, far=True, moments=True)])
    return [
        *heading(title, f"`benchmarks/freezing.py --epochs {epochs}`", results),
        *grid(header, rows),
        "",
        "Test frames of datasets/ion_pairs, among them pairs beyond 10 Å. R2 is the squared Pearson correlation.",
    ]


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    given = options(__doc__, Path("runs/freezing"), 40, freeze=WAYS).parse_args()
    torch.set_num_threads(1)
    jobs = [trained(way, seed, given.output) for seed, way in product(given.seed, given.freeze)]
    complete(
        "freezing",
        given,
        jobs,
        partial(config, epochs=given.epochs),
        lambda best, job: measure(best, TEST),
        partial(table, epochs=given.epochs),
    )


if __name__ == "__main__":
    main()
