"""Ions whose charges nobody tells: does a model trained on energies and forces find +1 and -1, and from how few frames?

python benchmarks/papers/random_charges.py DATA             DATA: folder of datasets/melts.py; all runs, table, picture
python benchmarks/papers/random_charges.py DATA --quick     one seed, few frames, a few epochs

Kim and Cheng (arXiv:2408.15165) fitted ions of charge +-1 e in a box with latent charges: charges within 0.003 e and
forces within 3.7 to 5.6 meV/Å, where a short-range model matches the forces only with a layer of message passing and
more than 5 % of 1000 frames. Here 128 ions in 16 Å (`gas` of datasets/melts.py), a model with and without charges, of
one and of two layers, trained on 4 to 400 frames with the same number of steps each.
"""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from ase.io import read
from experiment import Job, asked, experiment, grid, heading, models, numbers, spread, write_frames
from matplotlib import pyplot

from leyden.spec import CartesianSpec
from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

NAME = "random_charges"
SIZES = (4, 16, 64, 400)
LAYERS = (1, 2)
PRESETS = ("short-range", "les")
PASSES = 8
"""Over 400 frames."""
CHOSEN_BY = 8
"""Validation frames: few frames make many epochs, each of which ends with them."""
TRUE = {11: 1.0, 17: -1.0}
"""e."""
PUBLISHED = {"forces": (3.7, 5.6), "charges": 3.0}
"""meV/Å and me."""


def config(job: Job, data: Path, epochs: int, largest: int) -> Config:
    """As many steps for few frames as for many."""
    size, layers = int(str(job.about["frames"])), int(str(job.about["layers"]))
    backbone = CartesianSpec(cutoff=5.0, channels=16, layers=layers)
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(
            train=drawn(data / "train.xyz", size, job), validation=drawn(data / "val.xyz", CHOSEN_BY, job)
        ),
        model=models(backbone, job.preset)[job.preset],
        optimizer=OptimizerSection(epochs=round(epochs * largest / size), batch_size=1, warmup_steps=50),
        hardware=HardwareSection(threads=1),
    )


def drawn(path: Path, size: int, job: Job) -> Path:
    """A copy with that many frames of a file, drawn by the seed."""
    copy = job.folder.parent / "data" / f"{path.stem}-{size}-{job.seed}.xyz"
    if not copy.exists():
        frames = read(path, ":")
        order = np.random.default_rng(job.seed).permutation(len(frames))[:size]
        write_frames([frames[n] for n in order], copy)
    return copy


def measure(best: Path, data: Path) -> dict:
    """Errors on the test frames, and charges of both ions: mean, spread and error, e."""
    potential = load(best)
    found = evaluate(potential, frames_for(potential, data / "test.xyz").frames, 4)
    if found.charges is None:
        return numbers(found)
    true = np.array([TRUE[z] for z in found.numbers.tolist()])
    return numbers(found) | {
        "charge": {
            "cation": float(found.charges[true > 0].mean()),
            "anion": float(found.charges[true < 0].mean()),
            "rmse": float(np.sqrt(np.mean((found.charges - true) ** 2))),
        }
    }


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a model and number of frames."""
    header = ["model", "layers", "frames", "seeds", "minutes", "E, meV/atom", "F, meV/Å"]
    header += ["q of Na+", "q of Cl-", "RMSE of q, me"]
    rows = []
    for (preset, layers), size in product(product(PRESETS, LAYERS), SIZES):
        there = [r for r in results if (r["preset"], r["layers"], r["frames"]) == (preset, layers, size)]
        if there:
            cells = [preset, str(layers), str(size), str(len(there))]
            cells.append(spread([r["training_seconds"] / 60 for r in there]))
            cells += [spread([r[name]["rmse"] for r in there], 1000, 2) for name in ("energy", "forces")]
            charges = [r["charge"] for r in there if "charge" in r]
            cells += [spread([q[ion] for q in charges], 1, 4) if charges else "-" for ion in ("cation", "anion")]
            rows.append([*cells, spread([q["rmse"] for q in charges], 1000, 1) if charges else "-"])
    low, high = PUBLISHED["forces"]
    return [
        *heading("Ions of unknown charge, in a gas of 128", command, results),
        *grid(header, rows),
        "",
        f"Published (latent charges, another gas of 128 ions): forces {low} to {high} meV/Å, charges within"
        f" {PUBLISHED['charges']:g} me. The same number of steps whatever the number of frames.",
    ]


def plot(results: list[dict], path: Path) -> None:
    """Errors of forces and charges by the number of frames."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for preset, layers in product(PRESETS, LAYERS):
        rows = [r for r in results if (r["preset"], r["layers"]) == (preset, layers)]
        sizes = sorted({r["frames"] for r in rows})
        style = {"marker": "o", "ls": "-" if layers == 1 else "--", "color": "C0" if preset == "les" else "C7"}
        means = [np.mean([1000 * r["forces"]["rmse"] for r in rows if r["frames"] == n]) for n in sizes]
        left.loglog(sizes, means, label=f"{preset}, {layers} layer{'s' * (layers > 1)}", **style)
        if preset == "les" and rows:
            means = [np.mean([1000 * r["charge"]["rmse"] for r in rows if r["frames"] == n]) for n in sizes]
            right.loglog(sizes, means, label=f"{layers} layer{'s' * (layers > 1)}", **style)
    left.axhspan(*PUBLISHED["forces"], color="C1", alpha=0.3, label="published, latent charges")
    right.axhline(PUBLISHED["charges"], color="C1", label="published")
    for axis, said in ((left, "force RMSE, meV/Å"), (right, "error of the charges, me")):
        axis.set(xlabel="training frames of 128 ions", ylabel=said)
        axis.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run what is asked for; table and picture from all finished runs."""
    given = asked(__doc__, NAME, PASSES, 1, "data", preset=PRESETS)
    data, sizes = given.data / "gas", SIZES[:2] if given.quick else SIZES
    jobs = [
        Job(preset, seed, given.output / f"{preset}-{layers}-{size}-{seed}", {"layers": layers, "frames": size})
        for seed, size, layers, preset in product(given.seed, sizes, LAYERS, given.preset)
    ]
    experiment(
        NAME,
        given,
        jobs,
        partial(config, data=data, epochs=given.epochs, largest=max(sizes)),
        lambda best, job: measure(best, data),
        table,
        plot,
    )


if __name__ == "__main__":
    main()
