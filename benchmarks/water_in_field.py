"""Water in fields along a periodic axis: trained on energies and forces in the field, judged on the response to it.

python benchmarks/water_in_field.py PATH                                  energies and forces, all models and seeds
python benchmarks/water_in_field.py PATH --preset sqe --labels field --seed 0     one run, resumable
python benchmarks/water_in_field.py PATH --table                          the table of all finished runs

PATH is the folder water_field_fireann (liquid_water_{train,val,test}.xyz, 162, 15 and 23 frames of 64 molecules in a
periodic cube of 12.4 Å; Zhang & Jiang, Nat. Commun. 14, 6424 (2023)). What the files say, measured: all atoms lie in
four planes across x, 3.1 Å apart, and all fields point along +x, 0.0007 to 0.59 V/Å; none is zero. By this symmetry
forces along x and the dipole along x are what the field makes: forces of -0.73 e F on oxygen and 0.37 e F on hydrogen,
so that the field has our sign, and a dipole of 0.974 times REF_polarizability_raw times F, which is against the field.
Across x, the dipole is -0.42 e times the sum of the vectors from O to H of whole molecules, to 0.3-0.4 e Å, each
component folded to within e times half the edge: dipoles have the other sign, E = E_0 + mu_file.F, and are turned.
They are on no particular branch, so errors are counted modulo e times cell vectors. The polarizability is that of the
whole cell. Five training frames have forces above 25 eV/Å.
"""

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from fields import Signs, benchmark, converted, figure, figures, store
from harness import Job, heading, options, spread
from numpy.typing import NDArray

from leyden.storage import load
from leyden.train.config import PRESETS, Config, DataSection, LossSection, OptimizerSection
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.metrics import Parity

MODELS = {name: PRESETS[name] for name in ("split", "sqe", "sqe-multipole")}
"""Models whose charge moves along bonds: only these have a polarization on which a field along a periodic axis acts."""
LABELS = {"field": "energies and forces", "dipole": "energies, forces, dipoles"}
SIGNS = Signs(field=1.0, dipole=-1.0)
DIPOLE_WEIGHT = 10.0
"""0.2 e Å in a cell of 192 atoms costs as much as 46 meV/Å in all of its forces."""
BATCH = 1
LEARNING_RATE = 3e-3
"""With that of the presets, 1e-2, the first epochs of some models diverge on single frames of 192 atoms."""


def prepare(source: Path, folder: Path) -> tuple[dict[str, Path], dict[str, int]]:
    """The three files, the number of frames in each, and of those left out."""
    files, counts = {}, {"left out": 0}
    for part in ("train", "val", "test"):
        frames, wild = converted(source / f"liquid_water_{part}.xyz", SIGNS)
        files[part], counts[part] = store(frames, folder / f"{part}.xyz"), len(frames)
        counts["left out"] += wild
    return files, counts


def config(job: Job, labels: str, files: dict[str, Path], epochs: int) -> Config:
    """Nothing else differs between models."""
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(train=files["train"], validation=files["val"]),
        model=MODELS[job.preset],
        loss=LossSection(dipole=DIPOLE_WEIGHT if labels == "dipole" else 0.0),
        optimizer=OptimizerSection(epochs=epochs, batch_size=BATCH, learning_rate=LEARNING_RATE),
    )


def measure(best: Path, test: Path) -> dict:
    """Errors of energies, forces, polarizations and, of charges that feel the field, polarizabilities."""
    potential = load(best)
    frames = frames_for(potential, test).frames
    found = evaluate(potential, frames, 1)
    parities = dict(found.parities)
    for name, unit in (("forces", "eV/Å"), ("dipole", "e Å")):
        parities |= by_axis(name, parities[name].reference, parities[name].predicted, unit)
    every = np.ones(len(frames), dtype=bool)
    return {"test": figures(replace(found, parities=parities), every) | {"frames": len(frames)}}


def by_axis(name: str, reference: NDArray, predicted: NDArray, unit: str) -> dict[str, Parity]:
    """Flat vectors along the field and across it, as properties of their own; frames are not told apart."""
    pair = [np.reshape(values, (-1, 3)) for values in (reference, predicted)]
    columns = {f"{name} along": slice(0, 1), f"{name} across": slice(1, 3)}
    chosen = {key: [values[:, axes].ravel() for values in pair] for key, axes in columns.items()}
    return {key: Parity(key, unit, *values, np.zeros(len(values[0]), int)) for key, values in chosen.items()}


def table(results: list[dict], counts: dict[str, int], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a model."""
    lines = [
        *heading("Planes of water in a field along a periodic axis", command, results),
        "| model | trained on | seeds | minutes | E, meV/atom | F across / along, meV/Å | F along R2 | slope |"
        " dipole across / along, e Å | dipole along R2 | slope | polarizability, Å³ | MAE |"
        " isotropic R2 | slope | anisotropic R2 | slope |",
        "|---" * 17 + "|",
    ]
    for name, (labels, said) in product(MODELS, LABELS.items()):
        rows = [r for r in results if (r["preset"], r["labels"]) == (name, labels)]
        if rows:
            lines.append(f"| {name} | {said} | {len(rows)} | " + " | ".join(_cells(rows)) + " |")
    return [
        *lines,
        "",
        f"{counts['train']} training, {counts['val']} validation and {counts['test']} test frames, {counts['left out']}"
        " left out for forces above 25 eV/Å. Along is the direction of the field,"
        " in which forces and dipole are those that the field makes. Columns without another name are RMSE; dipoles are"
        " compared on the branch next to the reference, where a guess has an RMSE of 3.6 e Å; R2 is the squared Pearson"
        " correlation. Isotropic is a third of the trace, anisotropic the tensor without it. Charges of `split` feel no"
        " field.",
    ]


def _cells(rows: list[dict]) -> list[str]:
    cells = [spread([r["training_seconds"] / 60 for r in rows]), figure(rows, ("test", "energy", "rmse"), 1000, 2)]
    for name, scale, digits in (("forces", 1000, 1), ("dipole", 1, 3)):
        sides = (figure(rows, ("test", f"{name} {side}", "rmse"), scale, digits) for side in ("across", "along"))
        cells.append(" / ".join(sides))
        cells += [figure(rows, ("test", f"{name} along", what), 1, 4) for what in ("r2", "slope")]
    cells += [figure(rows, ("test", "polarizability", what), 1, 2) for what in ("rmse", "mae")]
    cells += [
        figure(rows, ("test", part, what), 1, 4) for part in ("isotropic", "anisotropic") for what in ("r2", "slope")
    ]
    return cells


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    parser = options(__doc__, Path("runs/water_in_field"), 10, "path", preset=MODELS, labels=LABELS)
    parser.set_defaults(labels=["field"])
    given = parser.parse_args()
    files, counts = prepare(given.path, given.output / "data")
    benchmark(
        "water_in_field",
        given,
        partial(config, files=files, epochs=given.epochs),
        partial(measure, test=files["test"]),
        partial(table, counts=counts, command=f"`benchmarks/water_in_field.py PATH --epochs {given.epochs}`"),
    )


if __name__ == "__main__":
    main()
