"""Dipole and polarizability of the water dimer and of the Zundel ion H5O2+, coupled cluster: models that feel a field.

python benchmarks/water_tensors.py PATH                                   all systems, presets, labels and seeds
python benchmarks/water_tensors.py PATH --system dimer --preset response --seed 0      those runs only, resumable
python benchmarks/water_tensors.py PATH --table                           the table of all finished runs, and no run

PATH is the folder water_ccsd_tensors (water_dimer.xyz, Q = 0, and water_zundel.xyz, Q = +1: 1000 frames each of Grisafi
et al., PRL 120, 036002, with energy, dipole and polarizability, without forces). 800 frames drawn by the seed are for
training, 5 % of them to choose the epoch; the other 200 are the test. A relative error is the root mean square error
over the standard deviation of the reference, as in that paper.
"""

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.io import read, write
from harness import Job, complete, figures, heading, options, spread

from leyden.potential import Potential
from leyden.storage import load
from leyden.train.batch import Frame
from leyden.train.config import Config, DataSection, HardwareSection, LossSection, OptimizerSection, preset
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.metrics import Parity

SYSTEMS = {"dimer": "water dimer", "zundel": "Zundel ion"}
PRESETS = ("polarizable", "response", "variational")
LABELS = {
    "dipole": LossSection(energy=10.0, forces=0.0, dipole=10.0),
    "dipole+polarizability": LossSection(energy=10.0, forces=0.0, dipole=10.0, polarizability=10.0),
}
TRAINING = 800
EPOCHS = 10
SHIFT = (1.0, -2.0, 3.0)
"""Å; by which a structure is moved to see about which point its dipole is."""


def split(path: Path, seed: int, folder: Path) -> Path:
    """Write train.xyz and test.xyz into a folder, drawn by the seed, and return it."""
    if not (folder / "test.xyz").exists():
        frames = read(path, ":")
        order = np.random.default_rng(seed).permutation(len(frames))
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in (("train", order[:TRAINING]), ("test", order[TRAINING:])):
            write(folder / f"{name}.xyz", [frames[n] for n in part], format="extxyz")
    return folder


def config(job: Job, data: Path, epochs: int) -> Config:
    """The preset with these files and labels."""
    return preset(job.preset, data / "train.xyz").model_copy(
        update={
            "output": job.folder,
            "seed": job.seed,
            "data": DataSection(train=data / "train.xyz", validation_fraction=0.05),
            "loss": LABELS[str(job.about["labels"])],
            "optimizer": OptimizerSection(epochs=epochs, batch_size=20),
            "hardware": HardwareSection(threads=1),
        }
    )


def measure(best: Path, path: Path) -> dict:
    """Errors on the test frames, and about which point the dipoles are."""
    potential = load(best)
    frames = frames_for(potential, path).frames
    found = evaluate(potential, frames, batch_size=40)
    parts = found.parities | parts_of(found.parities["polarizability"])
    errors = {name: figures(parity) | {"relative": relative(parity)} for name, parity in parts.items()}
    unsolved = len(found.solved.failed) if found.solved else 0
    return errors | {"unsolved": unsolved, "origin": origin(potential, frames[0], read(path, ":"))}


def parts_of(parity: Parity) -> dict[str, Parity]:
    """A third of the trace of 3x3 tensors, and what is left without it."""
    tensors = [values.reshape(-1, 3, 3) for values in (parity.reference, parity.predicted)]
    thirds = [np.einsum("saa->s", tensor) / 3 for tensor in tensors]
    rest = [(tensor - third[:, None, None] * np.eye(3)).ravel() for tensor, third in zip(tensors, thirds, strict=True)]
    return {
        "isotropic": Parity("isotropic", parity.unit, *thirds, parity.frame[::9]),
        "anisotropic": Parity("anisotropic", parity.unit, *rest, parity.frame),
    }


def relative(parity: Parity) -> float:
    """Root mean square error over the standard deviation of the reference."""
    return parity.rmse / float(np.std(parity.reference))


def origin(potential: Potential, frame: Frame, frames: list[Atoms]) -> dict[str, float]:
    """Root mean squares: how far the centres of mass and of nuclear charge are from the origin (Å), and how far the
    dipole of a frame that is moved by SHIFT is from mu + Q SHIFT (e Å)."""
    shift, system = torch.tensor(SHIFT), frame.system.to(dtype=next(potential.parameters()).dtype)
    moved = replace(system, positions=system.positions + shift)
    change = (potential(moved).dipole - potential(system).dipole - system.charge[:, None] * shift).detach()
    return {
        "mass": root_mean_square(np.array([atoms.get_center_of_mass() for atoms in frames])),
        "nuclei": root_mean_square(np.array([np.average(a.positions, axis=0, weights=a.numbers) for a in frames])),
        "translation": root_mean_square(change.numpy()),
    }


def root_mean_square(vectors: np.ndarray) -> float:
    """Of the lengths of vectors (..., 3)."""
    return float(np.sqrt((vectors**2).sum(-1).mean()))


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a system, preset and set of labels."""
    header = [
        "system", "preset", "labels beside energy", "seeds", "minutes", "E, meV/atom",
        "dipole R2", "slope", "RMSE, e Å", "% of std",
        "polarizability R2", "slope", "RMSE, Å³", "% of std", "isotropic, %", "anisotropic, %", "unsolved",
    ]  # fmt: skip
    title = "Water dimer and Zundel ion, coupled cluster: dipole and polarizability"
    lines = [*heading(title, command, results), "| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for system in SYSTEMS:
        for name in PRESETS:
            for labels in LABELS:
                rows = [r for r in results if (r["system"], r["preset"], r["labels"]) == (system, name, labels)]
                if rows:
                    lines.append("| " + " | ".join([SYSTEMS[system], name, labels, *cells(rows)]) + " |")
    return [*lines, "", *notes(results)]


def cells(rows: list[dict]) -> list[str]:
    """The numbers of runs that differ in their seeds."""
    found = [str(len(rows)), spread([r["training_seconds"] / 60 for r in rows])]
    found.append(spread([r["energy"]["rmse"] for r in rows], 1000, 2))
    for name in ("dipole", "polarizability"):
        found += [spread([r[name][figure] for r in rows], 1, 4) for figure in ("r2", "slope", "rmse")]
        found.append(spread([r[name]["relative"] for r in rows], 100))
    found += [spread([r[name]["relative"] for r in rows], 100) for name in ("isotropic", "anisotropic")]
    return [*found, str(sum(r["unsolved"] for r in rows))]


def notes(results: list[dict]) -> list[str]:
    """What the columns are, and about which point the dipole of the ion is."""
    said = [
        "800 frames for training (40 of them choose the epoch), 200 for the test, drawn by the seed; no forces in the"
        f" files; {results[0]['epochs']} epochs. R2 is the squared Pearson correlation over all components, % of std"
        " the RMSE over the standard deviation of the reference. Isotropic: a third of the trace; anisotropic: the"
        " tensor without it. With the label `dipole` no polarizability was seen in training."
    ]
    ion = [r["origin"] for r in results if r["system"] == "zundel"]
    if ion:
        there = {name: max(origin[name] for origin in ion) for name in ion[0]}
        said += [
            "",
            "Dipole of the ion: about the origin of the coordinates, in the file as in the model. In the file the"
            f" centre of mass lies there (root mean square {there['mass']:.0e} Å), the centre of nuclear charge"
            f" {there['nuclei']:.3f} Å away: dipoles about that centre would differ by {there['nuclei']:.3f} e Å, which"
            " a model with flexible charges can absorb, so that the error of the fit does not tell the two apart. The"
            " model's dipole of a structure moved by"
            f" {SHIFT} Å changes by Q times that, to {there['translation']:.0e} e Å.",
        ]
    return said


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    given = options(
        __doc__, Path("runs/water_tensors"), EPOCHS, "path", system=SYSTEMS, preset=PRESETS, labels=LABELS
    ).parse_args()
    jobs = [
        Job(name, seed, given.output / f"{system}-{name}-{labels}-{seed}", {"system": system, "labels": labels})
        for seed, system, name, labels in product(given.seed, given.system, given.preset, given.labels)
    ]

    def data(job: Job) -> Path:
        system = job.about["system"]
        return split(given.path / f"water_{system}.xyz", job.seed, given.output / "data" / f"{system}-{job.seed}")

    complete(
        "water_tensors",
        given,
        jobs,
        lambda job: config(job, data(job), given.epochs),
        lambda best, job: measure(best, data(job) / "test.xyz"),
        partial(table, command="`benchmarks/water_tensors.py PATH`"),
    )


if __name__ == "__main__":
    main()
