"""Born charges of superionic water, periodic: what ten labelled frames add to energies and forces.

python benchmarks/superionic_water.py PATH                               all presets, labels and seeds, then the table
python benchmarks/superionic_water.py PATH --preset les --labels none --seed 0         one run, resumable
python benchmarks/superionic_water.py PATH --table                       the table of all finished runs, and no run

PATH is the folder superionic_water_bec (50 and 85 frames of H108O54 at 2 g/cm³, 2000 K and at 4 g/cm³, 1000 K; Zhong et
al., arXiv 2504.05169). Only the Born charges are converged there: energies and forces have a low plane-wave cutoff.
Of each file the seed draws 19 frames for training, 3 of them to choose the epoch; 5 of the 19, among them 1 of the 3,
have Born charges. 20 others are the test.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.io import read, write
from harness import Job, complete, figures, heading, options, spread

from leyden.spec import CartesianSpec
from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, LossSection, OptimizerSection, preset
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.metrics import Evaluation, Parity

FILES = {"2 g/cm³": "S-2cc-T2000K-BEC.xyz", "4 g/cm³": "S-4cc-T1000K-BEC.xyz"}
PRESETS = ("les", "split")
FORMAL = {1: 1.0, 8: -2.0}
"""e by atomic number: what 'split' starts from."""
ELEMENTS = (8, 1)
CUTOFF = 3.0
"""Å; 23 and 43 neighbors."""
EPOCHS = 10


@dataclass(frozen=True)
class Labels:
    """What a run learns from, its loss, its files, and how many epochs it has for one of the others."""

    said: str
    loss: LossSection
    files: str = ""
    longer: int = 1


LABELS = {
    "none": Labels("energies and forces", LossSection()),
    "ten": Labels("and Born charges of 10 frames", LossSection(born_effective_charges=10.0)),
    "only": Labels(
        "Born charges of 10 frames only",
        LossSection(energy=0.0, forces=0.0, born_effective_charges=10.0),
        files="-labelled",
        longer=3,
    ),
}


@dataclass(frozen=True)
class Part:
    """Which frames of each file, in the order that the seed gives, and how many of them have Born charges."""

    first: int
    last: int
    labelled: int


PARTS = {
    "train": Part(0, 16, 4),
    "val": Part(16, 19, 1),
    "train-labelled": Part(0, 4, 4),
    "val-labelled": Part(16, 17, 1),
    "test": Part(19, 39, 20),
}


def split(path: Path, seed: int, folder: Path) -> Path:
    """Write the parts of both files into a folder and return it."""
    if (folder / "test.xyz").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[Atoms]] = {name: [] for name in PARTS}
    for kind, file in FILES.items():
        frames = read(path / file, ":")
        order = np.random.default_rng(seed).permutation(len(frames))
        for name, part in PARTS.items():
            drawn = [frames[n] for n in order[part.first : part.last]]
            parts[name] += [bare(atoms, kind, n < part.labelled) for n, atoms in enumerate(drawn)]
    for name, structures in parts.items():
        write(folder / f"{name}.xyz", structures, format="extxyz")
    return folder


def bare(atoms: Atoms, kind: str, labelled: bool) -> Atoms:
    """A frame with energy and forces and, where it is labelled, Born charges under their key in the file, which stands
    for row = displacement."""
    out = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    out.info |= {"config_type": kind, "total_charge": 0, "REF_energy": atoms.get_potential_energy()}
    out.arrays["REF_forces"] = atoms.get_forces()
    if labelled:
        out.arrays["BEC"] = atoms.arrays["BEC"]
    return out


def config(job: Job, labels: Labels, data: Path, epochs: int) -> Config:
    """The preset with these files and labels, and a shorter cutoff as the water is dense."""
    chosen = preset(job.preset, data / "train.xyz")
    model = chosen.model.model_copy(update={"backbone": CartesianSpec(cutoff=CUTOFF)})
    if job.preset == "split":
        model = model.model_copy(update={"charges": model.charges.model_copy(update={"formal": FORMAL})})
    train, validation = (data / f"{part}{labels.files}.xyz" for part in ("train", "val"))
    return chosen.model_copy(
        update={
            "model": model,
            "output": job.folder,
            "seed": job.seed,
            "data": DataSection(train=train, validation=validation),
            "loss": labels.loss,
            "optimizer": OptimizerSection(epochs=epochs * labels.longer, batch_size=1, warmup_steps=30),
            "hardware": HardwareSection(threads=1),
        }
    )


def measure(best: Path, data: Path) -> dict:
    """Errors on the test frames: Born charges of both files together, of each and of each element, and of element means
    of the labelled frames in their place."""
    potential = load(best)
    found = evaluate(potential, frames_for(potential, data / "test.xyz").frames, batch_size=2)
    born = found.parities["born_effective_charges"]
    kind = np.array(found.config_type)[born.frame]
    means = Parity(born.name, born.unit, born.reference, mean_charges(data, found), born.frame)
    return {
        "forces": figures(found.parities["forces"]),
        "energy": figures(found.parities["energy"]),
        "born": by_part(born, found),
        "antisymmetric": {name: figures(antisymmetric(chosen(born, kind == name))) for name in FILES},
        "means": by_part(means, found),
        "test": len(found.atoms),
    }


def by_part(parity: Parity, found: Evaluation) -> dict[str, dict[str, float]]:
    """Figures of all entries, of each file, of each element, and of each element of each file."""
    kind, number = np.array(found.config_type)[parity.frame], np.repeat(found.numbers, 9)
    masks = {"all": np.ones(len(kind), bool)} | {name: kind == name for name in FILES}
    masks |= {
        f"{name} {chemical_symbols[z]}": mask & (number == z) for name, mask in list(masks.items()) for z in ELEMENTS
    }
    return {name: figures(chosen(parity, mask)) for name, mask in masks.items()}


def antisymmetric(parity: Parity) -> Parity:
    """Half of tensors minus their transposes: a slope below zero would say that rows and columns are exchanged."""
    tensors = [values.reshape(-1, 3, 3) for values in (parity.reference, parity.predicted)]
    halves = [((tensor - tensor.transpose(0, 2, 1)) / 2).ravel() for tensor in tensors]
    return Parity(parity.name, parity.unit, *halves, parity.frame)


def chosen(parity: Parity, mask: np.ndarray) -> Parity:
    """Some entries of a parity."""
    return Parity(parity.name, parity.unit, parity.reference[mask], parity.predicted[mask], parity.frame[mask])


def mean_charges(data: Path, found: Evaluation) -> np.ndarray:
    """For every entry of the test: the mean isotropic charge of its element in the labelled frames of its file."""
    frames = [atoms for part in ("train", "val") for atoms in read(data / f"{part}-labelled.xyz", ":")]
    kinds, out = np.repeat(found.config_type, found.atoms), np.zeros((len(found.numbers), 3, 3))
    for kind in FILES:
        for z in ELEMENTS:
            tensors = np.concatenate(
                [a.arrays["BEC"][a.numbers == z] for a in frames if a.info["config_type"] == kind]
            ).reshape(-1, 3, 3)
            out[(kinds == kind) & (found.numbers == z)] = np.einsum("naa->", tensors) / (3 * len(tensors)) * np.eye(3)
    return out.ravel()


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a preset and set of labels."""
    header = ["preset", "learned from", "seeds", "minutes", "F, meV/Å", "Born R2", "slope", "MAE, e", "RMSE, e"]
    header += [f"{name}: R2 / slope / RMSE" for name in ("O", "H")]
    header += [f"slope, {kind}" for kind in FILES] + [f"eps_inf, {kind}" for kind in FILES]
    header += ["slope of antisymmetric part: " + " / ".join(FILES)]
    lines = heading(
        "Born charges of superionic water, periodic, with and without ten labelled frames", command, results
    )
    lines += [row(header), "|---" * len(header) + "|"]
    for name in PRESETS:
        for key, labels in LABELS.items():
            rows = [r for r in results if (r["preset"], r["labels"]) == (name, key)]
            if rows:
                forces = "-" if key == "only" else spread([r["forces"]["rmse"] for r in rows], 1000)
                about = [name, labels.said, str(len(rows)), spread([r["training_seconds"] / 60 for r in rows]), forces]
                turned = " / ".join(spread([r["antisymmetric"][kind]["slope"] for r in rows], 1, 3) for kind in FILES)
                lines.append(row([*about, *cells([r["born"] for r in rows], key == "none"), turned]))
    seeds = {r["seed"]: r["means"] for r in results}
    about = ["-", "element means of the 10 frames, by file", str(len(seeds)), "-", "-"]
    return [*lines, row([*about, *cells(list(seeds.values()), False), "-"]), "", note(results)]


def row(values: list[str]) -> str:
    """A line of a table."""
    return "| " + " | ".join(values) + " |"


def cells(rows: list[dict], latent: bool) -> list[str]:
    """The numbers of runs that differ in their seeds; the permittivity only where charges are latent."""
    found = [spread([r["all"][figure] for r in rows], 1, 4) for figure in ("r2", "slope", "mae", "rmse")]
    for z in ELEMENTS:
        part = [r[f"all {chemical_symbols[z]}"] for r in rows]
        found.append(" / ".join(spread([p[figure] for p in part], 1, 3) for figure in ("r2", "slope", "rmse")))
    slopes = [[r[kind]["slope"] for r in rows] for kind in FILES]
    found += [spread(values, 1, 3) for values in slopes]
    return found + [spread([1 / s**2 for s in values], 1, 2) if latent else "-" for values in slopes]


def note(results: list[dict]) -> str:
    """What was trained on what, and what the numbers mean."""
    epochs = {r["labels"]: r["epochs"] for r in results}
    said = ", ".join(f"{number} ({LABELS[name].said})" for name, number in epochs.items())
    return (
        f"32 frames for training and 6 to choose the epoch, {results[0]['test']} for the test; epochs: {said}; cutoff"
        f" {CUTOFF} Å. Energies and forces of the files have a low plane-wave cutoff: only Born charges are converged"
        " there, and the force errors are against those forces. R2 is the squared Pearson correlation over all"
        " components; that of all atoms counts the difference between O and H as well, those of one element do not."
        " Charges in the energy of a bulk are the physical ones over the square root of eps_inf (Zhong et al., arXiv"
        " 2504.05169): from energies and forces the slope should be 1/sqrt(eps_inf), and eps_inf is 1/slope² of the"
        " file, both elements together. With Born charges as labels the charges of the energy are the physical ones:"
        " the models have one set of charges for both, and no factor between them. `split` starts from O -2, H +1."
        " The antisymmetric part tells whether rows and columns of the file are read in the right order: the slope"
        " would be negative otherwise."
    )


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    given = options(__doc__, Path("runs/superionic_water"), EPOCHS, "path", preset=PRESETS, labels=LABELS).parse_args()
    jobs = [
        Job(name, seed, given.output / f"{name}-{labels}-{seed}", {"labels": labels})
        for seed, name, labels in product(given.seed, given.preset, given.labels)
    ]

    def data(job: Job) -> Path:
        return split(given.path, job.seed, given.output / "data" / str(job.seed))

    complete(
        "superionic_water",
        given,
        jobs,
        lambda job: config(job, LABELS[str(job.about["labels"])], data(job), given.epochs),
        lambda best, job: measure(best, data(job)),
        partial(table, command="`benchmarks/superionic_water.py PATH`"),
    )


if __name__ == "__main__":
    main()
