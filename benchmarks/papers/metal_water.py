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
from experiment import Job, asked, costs, experiment, grid, heading, models, of_frames, spread
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
KINDS = ("metal", "film")


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
    """Errors by kind of frame, and the answers of every geometry to charge and field."""
    potential, exact = load(best), load(best, torch.float64)
    out: dict = {"weights": sum(weight.numel() for weight in potential.parameters())}
    for part in ("test", "large"):
        path = data / f"{part}.xyz"
        found = evaluate(potential, frames_for(potential, path).frames, 1)
        out[part] = {}
        kinds = np.array([kind(atoms.info) for atoms in read(path, ":")])
        for name in np.unique(kinds):
            out[part][str(name)] = {
                what: of_frames(found.parities[what], kinds == name).rmse for what in ("energy", "forces")
            }
    out["answers"] = [answers(exact, states) for states in by_geometry(data / "test.xyz").values()]
    return out


def kind(info: Mapping) -> str:
    """Film or metal, and what acts on it."""
    charge, field = state(info)
    return info["config_type"] + (f", q={charge:+d}" if charge else ", field" if field else "")


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds: errors, and answers to charge and field."""
    there = {name: rows for name in MODELS if (rows := [r for r in results if r["preset"] == name])}
    small, large = (kinds(results, part) for part in ("test", "large"))
    found = {part: errors(there, names, part) for part, names in (("test", small), ("large", large))}
    asked_of = ["alpha of metal, e Å²/V", "alpha of film", "image plane, Å", "eta, V/e", "chi, V"]
    asked_of += [f"{what} {of}" for what in ("field left", "charge induced") for of in ("in metal", "in film")]
    reference = ["reference", *answered([results[0]], "reference"), *["-"] * 4]
    return [
        *heading("Water on aluminium, and a film of water", command, results),
        *grid(
            ["model", "seeds", "minutes", "weights", *small],
            [[name, *costs(there[name]), *cells] for name, cells in found["test"].items()],
        ),
        "",
        "RMSE of energies, meV/atom, and forces, meV/Å, by what acts on the slab. In a larger cell, of 4 x 4 x 4 atoms"
        " of metal, which were in no training, nor was the charge +2:",
        "",
        *grid(["model", *large], [[name, *cells] for name, cells in found["large"].items()]),
        "",
        "Answers, means over test geometries and spread over seeds:",
        "",
        *grid(["", *asked_of], [reference, *([name, *answered(rows)] for name, rows in there.items())]),
        "",
        "Image plane: beyond the outermost layers of metal, mean of both sides, one of which has water. Field left: of"
        " the field that acts from outside, between the outermost layers of metal, or oxygens of the film; none in a"
        " conductor. Charge induced: on the upper half, of that on an ideal conductor, whose eta is negative"
        " (slab_in_field.py).",
    ]


def kinds(results: Sequence[Mapping], part: str) -> list[str]:
    """Of frames in a file."""
    return sorted({name for r in results for name in r[part]})


def errors(there: Mapping[str, list[dict]], names: Sequence[str], part: str) -> dict[str, list[str]]:
    """Cells of energies and forces of every model, for kinds of frames of these names."""
    out = {}
    for model, found in there.items():
        pairs = ([[r[part][name][what] for r in found] for what in ("energy", "forces")] for name in names)
        out[model] = [f"{spread(energies, 1000, 1)} / {spread(forces, 1000, 0)}" for energies, forces in pairs]
    return out


def answered(results: Sequence[Mapping], whose: str = "model") -> list[str]:
    """alpha of metal and film, image, eta, chi, and field left and charge induced in both, as cells."""

    def cell(which: str, value: str, digits: int) -> str:
        values = [
            np.mean([a[whose][value] if value in a[whose] else a[value] for a in r["answers"] if a["kind"] == which])
            for r in results
        ]
        return spread(values, 1, digits)

    cells = [cell(which, "alpha", 2) for which in KINDS]
    cells += [cell("metal", value, 2) for value in ("image", "eta", "chi")]
    if whose == "reference":
        return cells
    return cells + [cell(which, value, 3) for value in ("left", "induced") for which in KINDS]


def plot(results: list[dict], path: Path) -> None:
    """Total potential along the normal of one slab of metal and one film, in a field."""
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for axis, which in zip(axes, KINDS, strict=True):
        for number, name in enumerate(MODELS):
            there = next((r for r in results if r["preset"] == name), None)
            if there is not None:
                profile = next(a["profile"] for a in there["answers"] if a["kind"] == which)
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
