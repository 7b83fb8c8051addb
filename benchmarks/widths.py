"""How wide should the Gaussians of the charges be? Ion pairs and water clusters, energies and forces only.

python benchmarks/widths.py                              all presets, widths, seeds and sets, then a table
python benchmarks/widths.py --preset les --width 1     some of the runs, resumable

The runs are those of charge_models.py, with another width.
"""

from functools import partial
from itertools import product
from pathlib import Path

from charge_models import DATASETS, SETS, config, measure
from harness import PUBLISHED_WIDTH, Job, complete, grid, heading, options, spread

from leyden.train.config import Config

NAME = "widths"
PRESETS = ("les", "sqe", "response")
WIDTHS = {"0.71": PUBLISHED_WIDTH, "1": 1.0, "1.4": 1.4}
"""Å."""
EPOCHS = 20


def widened(job: Job, epochs: int) -> Config:
    """The config of charge_models.py with the width of the job."""
    base = config(job, DATASETS / str(job.about["set"]), epochs)
    charges = base.model.charges.model_copy(update={"width": WIDTHS[str(job.about["width"])]})
    return base.model_copy(update={"model": base.model.model_copy(update={"charges": charges})})


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a set, preset and width."""
    rows = []
    for name, preset, width in product(SETS, PRESETS, WIDTHS):
        there = [r for r in results if (r["set"], r["preset"], r["width"]) == (name, preset, width)]
        if there:
            cells = [name, preset, width, str(len(there))]
            cells += [spread([r["energy"]["rmse"] for r in there], 1000, 2)]
            cells += [spread([r["forces"]["rmse"] for r in there], 1000)]
            rows.append([*cells, *(spread([r["dipole"][key] for r in there], 1, 3) for key in ("r2", "slope"))])
    header = ["set", "preset", "width, Å", "seeds", "E, meV/atom", "F, meV/Å", "dipole R2", "slope"]
    return [*heading("Widths of the Gaussians of charges", command, results), *grid(header, rows)]


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    choices = {"set": SETS, "preset": PRESETS, "width": WIDTHS}
    given = options(__doc__, Path("runs") / NAME, EPOCHS, **choices).parse_args()
    jobs = [
        Job(preset, seed, given.output / f"{name}-{preset}-{width}-{seed}", {"set": name, "width": width})
        for seed, name, preset, width in product(given.seed, given.set, given.preset, given.width)
    ]
    complete(
        NAME,
        given,
        jobs,
        partial(widened, epochs=given.epochs),
        lambda best, job: measure(best, DATASETS / str(job.about["set"]) / "test.xyz"),
        partial(table, command=f"`benchmarks/{NAME}.py --epochs {given.epochs}`"),
    )


if __name__ == "__main__":
    main()
