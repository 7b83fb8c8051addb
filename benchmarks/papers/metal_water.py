"""Water on aluminium and a film of water, in fields and with charge: is one a conductor, the other not, in one model?

python benchmarks/papers/metal_water.py DATA           DATA: folder of datasets/metal_water.py; all runs, table, picture
python benchmarks/papers/metal_water.py DATA --quick   one seed of everything, a few epochs

Baldwin et al. (arXiv:2603.14700) compare charge models on interfaces of metal and water. Here all are trained on
energies and forces alone, of slabs neutral, charged, and in fields along the normal z. A short-range model feels no
field and is not among them. What reference and models make of charge and field on the same atoms: slab_in_field.py.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ase.io import read
from experiment import Job, asked, costs, experiment, grid, heading, models, of_frames, spread, weights
from matplotlib import pyplot
from slab_in_field import FIELD, answers, by_geometry, state

from leyden.spec import CartesianSpec
from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

NAME = "metal_water"
MODELS = models(
    CartesianSpec(cutoff=5.0, channels=24),
    "les", "split", "qeq", "polarizable", "response", "variational",
    formal={1: 1.0, 8: -2.0, 13: 0.0},
)  # fmt: skip
PARTS = ("test", "large")
KINDS = ("metal", "film")
Answer = tuple[str, str, str, int]
"""Its title, the kind of slab, its name in `answers`, and digits in a table."""
ANSWERS: tuple[Answer, ...] = (
    ("alpha of metal, e Å²/V", "metal", "alpha", 2),
    ("alpha of film", "film", "alpha", 2),
    ("image plane, Å", "metal", "image", 2),
    ("eta, V/e", "metal", "eta", 2),
    ("chi, V", "metal", "chi", 2),
    ("field left in metal", "metal", "left", 3),
    ("in film", "film", "left", 3),
    ("charge induced in metal", "metal", "induced", 3),
    ("in film", "film", "induced", 3),
)
LARGER = tuple(answer for answer in ANSWERS if answer[1] == "metal")


def config(job: Job, data: Path, epochs: int) -> Config:
    """Nothing else differs between models."""
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(train=data / "train.xyz", validation=data / "val.xyz"),
        model=MODELS[job.preset],
        optimizer=OptimizerSection(epochs=epochs, batch_size=2),
        hardware=HardwareSection(threads=1),
    )


def measure(best: Path, data: Path) -> dict:
    """Errors by kind of frame, the answers of every geometry to charge and field, and a profile of each kind."""
    potential, exact = load(best), load(best, torch.float64)
    out: dict = {"weights": weights(potential), "errors": {}, "answers": {}}
    out["profiles"] = {}
    for part in PARTS:
        path = data / f"{part}.xyz"
        found = evaluate(potential, frames_for(potential, path).frames, 1)
        kinds = np.array([kind(atoms.info) for atoms in read(path, ":")])
        out["errors"][part] = {
            str(name): {what: of_frames(found.parities[what], kinds == name).rmse for what in ("energy", "forces")}
            for name in np.unique(kinds)
        }
        out["answers"][part] = [answers(exact, states) for states in by_geometry(path).values()]
        for answer in out["answers"][part]:
            out["profiles"].setdefault(answer["kind"], answer.pop("profile"))
    return out


def kind(info: Mapping) -> str:
    """Film or metal, and what acts on it."""
    acting = acts(*state(info))
    return info["config_type"] + (f", {acting}" if acting else "")


def acts(charge: int, field: float) -> str:
    """What acts on a slab."""
    return f"q={charge:+d}" if charge else "field" if field else ""


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds: errors, and answers to charge and field."""
    there = {name: rows for name in MODELS if (rows := [r for r in results if r["preset"] == name])}
    kinds = sorted({name for r in results for name in r["errors"]["test"]})
    acting = sorted({acts(*what) for r in results for a in r["answers"]["large"] for *what, _ in a["missed"]})
    first = results[:1]
    return [
        *heading("Water on aluminium, and a film of water", command, results),
        *grid(
            ["model", "seeds", "minutes", "weights", *kinds],
            [[name, *costs(rows), *(error(rows, "test", k) for k in kinds)] for name, rows in there.items()],
        ),
        "",
        "RMSE of energies, meV/atom, and forces, meV/Å, by what acts on the slab. Answers, means over test geometries"
        " and spread over seeds:",
        "",
        *grid(
            ["", *(title for title, *_ in ANSWERS)],
            [
                ["reference", *answered(first, "test", ANSWERS, "reference")],
                *([name, *answered(rows, "test", ANSWERS)] for name, rows in there.items()),
            ],
        ),
        "",
        "Image plane: beyond the outermost layers of metal, mean of both sides, one of which has water. Field left: of"
        " the field that acts from outside, between the outermost layers of metal, or oxygens of the film; none in a"
        " conductor. Charge induced: on the upper half, of that on an ideal conductor, whose eta is negative"
        " (slab_in_field.py). In a larger cell, of 4 x 4 x 4 atoms of metal, which were in no training, nor was the"
        " charge +2:",
        "",
        *grid(
            ["", "metal", *(f"added by {name}, meV" for name in acting), *(title for title, *_ in LARGER)],
            [
                ["reference", *["-"] * (1 + len(acting)), *answered(first, "large", LARGER, "reference")],
                *(
                    [
                        name,
                        error(rows, "large", "metal"),
                        *(missed(rows, what) for what in acting),
                        *answered(rows, "large", LARGER),
                    ]
                    for name, rows in there.items()
                ),
            ],
        ),
        "",
        "Added: RMSE of what field or charge add to the energy of a whole slab. Energies and forces themselves differ"
        " in the reference too: at the Gamma point, a cell of another size is another sample of the Brillouin zone.",
    ]


def error(results: Sequence[Mapping], part: str, name: str) -> str:
    """Energies and forces of a kind of frames, as a cell."""
    energies, forces = ([r["errors"][part][name][what] for r in results] for what in ("energy", "forces"))
    return f"{spread(energies, 1000, 1)} / {spread(forces, 1000, 0)}"


def missed(results: Sequence[Mapping], what: str) -> str:
    """RMSE of what a charge or a field adds to energies in the larger cell, meV, as a cell."""
    by = [[e for a in r["answers"]["large"] for *acting, e in a["missed"] if acts(*acting) == what] for r in results]
    return spread([np.sqrt(np.mean(np.square(each))) for each in by], 1000, 0)


def answered(results: Sequence[Mapping], part: str, which: Sequence[Answer], whose: str = "model") -> list[str]:
    """Answers, means over geometries and spread over seeds, as cells."""
    cells = []
    for _, of, value, digits in which:
        geometries = [[a | a[whose] for a in r["answers"][part] if a["kind"] == of] for r in results]
        known = whose == "model" or value in geometries[0][0][whose]
        means = [np.mean([a[value] for a in each]) for each in geometries]
        cells.append(spread(means, 1, digits) if known else "-")
    return cells


def plot(results: list[dict], path: Path) -> None:
    """Total potential along the normal of one slab of metal and one film, in a field."""
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for axis, which in zip(axes, KINDS, strict=True):
        for number, name in enumerate(MODELS):
            there = next((r for r in results if r["preset"] == name), None)
            if there is not None:
                profile = there["profiles"][which]
                axis.plot(profile["z"], profile["potential"], color=f"C{number}", label=name)
        z = np.array(profile["z"])
        axis.plot(z, -FIELD * (z - z.mean()), "k:", label="applied")
        axis.axvspan(*profile["edges"], color="0.9", label=f"atoms of {'aluminium' if which == 'metal' else 'oxygen'}")
        axis.set(xlabel="z, Å", ylabel="potential of field and induced charge, V", title=which)
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run what is asked for; table and picture from all finished runs."""
    given = asked(__doc__, NAME, 60, 1, "data", model=MODELS)
    jobs = [Job(name, seed, given.output / f"{name}-{seed}") for seed in given.seed for name in given.model]
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
