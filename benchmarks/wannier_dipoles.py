"""Molecular dipoles in liquid water against those of Wannier centres, learned from energies and forces, or from them.

python benchmarks/wannier_dipoles.py PATH                          all models and seeds, then the table
python benchmarks/wannier_dipoles.py PATH --model split --seed 0   one run, resumable
python benchmarks/wannier_dipoles.py PATH --table                  the table of all finished runs, and no run

PATH is the folder water_wannier_dplr (dplr_water.xyz: 30 frames of 128 molecules with energies, forces and the
displacement d of the mean of four Wannier centres from their oxygen; Zhang et al., J. Chem. Phys. 156, 124107). With
charges of +1 e on H and +6 e on O, and 8 electrons at r_O + d, the dipole of a molecule is

    mu = sum_H (r_H - r_O) - 8 d.

That of a model is sum_H q_H (r_H - r_O) + sum_i mu_i: a charge of the molecule counts as one on O. The seed draws 24
frames for training, 2 of them to choose the epoch; the other 6 are the test.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
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

DEBYE = 4.80320471
"""Debye in 1 e Å."""
FORMAL = {1: 1.0, 8: -2.0}
"""e by atomic number: what 'split' starts from, and the charges that the labels have."""
ELECTRONS = 8.0
"""e, at the mean of the Wannier centres."""
KEY = "wannier_density"
"""Of charges and dipoles (N, 4) in our files; read as a label only where it is wanted."""
FIGURES = ("r2", "slope", "rmse")
TRAINING = 24
EPOCHS = 12


@dataclass(frozen=True)
class Model:
    """A preset, what it learns from beside energies and forces, and its loss."""

    preset: str
    labels: str
    loss: LossSection

    @property
    def keys(self) -> dict[str, str]:
        """Where labels are that have no key of their own."""
        return {"density_coefficients": KEY} if self.loss.density_coefficients > 0.0 else {}


MODELS = {
    "split": Model("split", "nothing", LossSection()),
    "les-multipole": Model("les-multipole", "nothing", LossSection()),
    "les-multipole-labelled": Model(
        "les-multipole", "charges +1 and -2, dipoles -8 d on O", LossSection(density_coefficients=10.0)
    ),
}


def split(path: Path, seed: int, folder: Path) -> Path:
    """Write train.xyz and test.xyz, drawn by the seed, with the density that the Wannier centres give, into a folder
    and return it."""
    if not (folder / "test.xyz").exists():
        frames = read(path, ":")
        order = np.random.default_rng(seed).permutation(len(frames))
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in (("train", order[:TRAINING]), ("test", order[TRAINING:])):
            write(folder / f"{name}.xyz", [labelled(frames[n]) for n in part], format="extxyz")
    return folder


def labelled(atoms: Atoms) -> Atoms:
    """The frame with charges and dipoles (N, 4): q = +1, -2 e, and -8 d on O."""
    charges = np.array([FORMAL[z] for z in atoms.numbers])
    dipoles = -ELECTRONS * atoms.arrays["wannier_centroid_displacement"]
    atoms.set_array(KEY, np.column_stack([charges, dipoles]))
    return atoms


def config(job: Job, model: Model, data: Path, epochs: int) -> Config:
    """The preset with these files and labels."""
    chosen = preset(model.preset, data / "train.xyz")
    spec = chosen.model
    if model.preset == "split":
        spec = spec.model_copy(update={"charges": spec.charges.model_copy(update={"formal": FORMAL})})
    return chosen.model_copy(
        update={
            "model": spec,
            "output": job.folder,
            "seed": job.seed,
            "data": DataSection(train=data / "train.xyz", validation_fraction=2 / TRAINING, keys=model.keys),
            "loss": model.loss,
            "optimizer": OptimizerSection(epochs=epochs, batch_size=1),
            "hardware": HardwareSection(threads=1),
        }
    )


def measure(best: Path, data: Path) -> dict:
    """Errors of forces and of molecular dipoles on the test frames, and of dipoles of equal charges on all H."""
    potential = load(best)
    frames = frames_for(potential, data / "test.xyz").frames
    found = evaluate(potential, frames, batch_size=1)
    structures = read(data / "test.xyz", ":")
    reference = dipoles(structures, [atoms.arrays[KEY] for atoms in structures])
    predicted = dipoles(structures, [moments(potential, frame) for frame in frames])
    train = read(data / "train.xyz", ":")
    arms, there = equal_charges(train), dipoles(train, [a.arrays[KEY] for a in train])
    charge = float((arms * there).sum() / (arms * arms).sum())
    return {
        "forces": figures(found.parities["forces"]),
        "energy": figures(found.parities["energy"]),
        "molecules": compared(reference, predicted),
        "equal": compared(reference, charge * equal_charges(structures)) | {"charge": charge},
    }


def moments(potential: Potential, frame: Frame) -> np.ndarray:
    """Charge and dipole of each atom, (N, 4) e and e Å."""
    dtype = next(potential.parameters()).dtype
    density = potential(frame.system.to(dtype=dtype), frame.pairs.to(dtype=dtype)).density
    atomic = potential.charges.basis.atomic(density).detach().double().numpy()
    return np.pad(atomic[:, :4], ((0, 0), (0, 4 - min(4, atomic.shape[1]))))


def dipoles(frames: list[Atoms], densities: list[np.ndarray]) -> np.ndarray:
    """Of all molecules of all frames, (M, 3) e Å, from charges and dipoles of atoms (N, 4)."""
    out = []
    for atoms, density in zip(frames, densities, strict=True):
        hydrogen, oxygen, arms = bonds(atoms)
        mu = density[:, 1:4].copy()
        np.add.at(mu, oxygen, density[hydrogen, :1] * arms + density[hydrogen, 1:4])
        out.append(mu[atoms.numbers == 8])
    return np.concatenate(out)


def equal_charges(frames: list[Atoms]) -> np.ndarray:
    """sum_H (r_H - r_O) of all molecules, (M, 3) Å."""
    return dipoles(frames, [np.pad((atoms.numbers == 1)[:, None] * 1.0, ((0, 0), (0, 3))) for atoms in frames])


def bonds(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each hydrogen (H,), its closest oxygen (H,), and the vector to it from there (H, 3) Å. Raises ValueError where an
    oxygen has not two."""
    hydrogen, oxygen = (np.flatnonzero(atoms.numbers == z) for z in (1, 8))
    vectors = atoms.get_all_distances(mic=True, vector=True)[np.ix_(oxygen, hydrogen)]
    closest = np.linalg.norm(vectors, axis=2).argmin(0)
    if not (np.bincount(closest, minlength=len(oxygen)) == 2).all():
        raise ValueError("bonds: expected two hydrogens on each oxygen")
    return hydrogen, oxygen[closest], vectors[closest, np.arange(len(hydrogen))]


def compared(reference: np.ndarray, predicted: np.ndarray) -> dict:
    """Of vectors (M, 3) e Å: figures of components and of lengths, and mean and spread of the lengths, in D."""
    out: dict = {}
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (reference, predicted)]
    for name, pair in (("components", (reference.ravel(), predicted.ravel())), ("lengths", lengths)):
        out[name] = figures(Parity(name, "D", DEBYE * pair[0], DEBYE * pair[1], np.zeros(0, int)))
    for name, length in zip(("reference", "predicted"), lengths, strict=True):
        out[name] = {"mean": DEBYE * float(length.mean()), "std": DEBYE * float(length.std())}
    return out


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a model."""
    header = [
        "preset", "labels beside energies and forces", "seeds", "minutes", "E, meV/atom", "F, meV/Å",
        "components R2", "slope", "RMSE, D", "length R2", "slope", "RMSE, D", "mean length, D", "spread, D",
    ]  # fmt: skip
    title = "Molecular dipoles of liquid water against Wannier centres"
    lines = [*heading(title, command, results), "| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name, model in MODELS.items():
        rows = [r for r in results if r["model"] == name]
        if rows:
            about = [model.preset, model.labels, str(len(rows)), spread([r["training_seconds"] / 60 for r in rows])]
            about += [spread([r["energy"]["rmse"] for r in rows], 1000, 2)]
            about += [spread([r["forces"]["rmse"] for r in rows], 1000)]
            lines.append("| " + " | ".join(about + cells([r["molecules"] for r in rows])) + " |")
    seeds = list({r["seed"]: r["equal"] for r in results}.values())
    charge = spread([r["charge"] for r in seeds], 1, 3)
    about = ["-", f"none: {charge} e on every H, fitted", str(len(seeds)), "-", "-", "-"]
    lines.append("| " + " | ".join(about + cells(seeds)) + " |")
    mean, width = (spread([r["reference"][figure] for r in seeds], 1, 3) for figure in ("mean", "std"))
    lines.append("| " + " | ".join(["reference", *["-"] * 11, mean, width]) + " |")
    return [*lines, "", note(results)]


def cells(rows: list[dict]) -> list[str]:
    """The numbers of runs that differ in their seeds."""
    found = [spread([r[part][f] for r in rows], 1, 3) for part in ("components", "lengths") for f in FIGURES]
    return found + [spread([r["predicted"][figure] for r in rows], 1, 3) for figure in ("mean", "std")]


def note(results: list[dict]) -> str:
    """What was trained on what, and what the columns mean."""
    return (
        f"24 frames of 384 atoms for training (2 choose the epoch), 6 for the test, drawn by the seed;"
        f" {results[0]['epochs']} epochs. R2 is the squared Pearson correlation. Components in the frame of the cell"
        " say mostly how a molecule is turned, which is in the positions already: the lengths say what the model knows"
        " about its electrons, and the row of equal charges what positions alone give. Charges in the energy of a bulk"
        " are the physical ones over the square root of eps_inf, so that dipoles from energies and forces are expected"
        " to be smaller than the reference by that factor. No label is a molecular dipole; `density_coefficients`,"
        " charges and dipoles of atoms, is the one that can say the same, and the last model was trained on it."
        " `split` starts from O -2, H +1; its charges, but not the paths of its transfers, make the dipole here."
    )


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    given = options(__doc__, Path("runs/wannier_dipoles"), EPOCHS, "path", model=MODELS).parse_args()
    jobs = [
        Job(MODELS[name].preset, seed, given.output / f"{name}-{seed}", {"model": name})
        for seed, name in product(given.seed, given.model)
    ]

    def data(job: Job) -> Path:
        return split(given.path / "dplr_water.xyz", job.seed, given.output / "data" / str(job.seed))

    complete(
        "wannier_dipoles",
        given,
        jobs,
        lambda job: config(job, MODELS[str(job.about["model"])], data(job), given.epochs),
        lambda best, job: measure(best, data(job)),
        partial(table, command="`benchmarks/wannier_dipoles.py PATH`"),
    )


if __name__ == "__main__":
    main()
