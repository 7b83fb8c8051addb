"""Molecules and clusters of several total charges in one model: does it hold them all, and with which charges?

python benchmarks/papers/charged_molecules.py DATA CARBON             all runs, table, picture
python benchmarks/papers/charged_molecules.py DATA CARBON --quick     one seed of everything, a few epochs

DATA: folder of datasets/charged_clusters.py; CARBON: carbon_chain_subset128.xyz, 128 of the frames of Ko et al. (Nat.
Commun. 12, 398 (2021), PBE, FHI-aims), of which a draw with a fixed seed takes 100 to train, 14 to choose the epoch and
14 to test. Ag3+ and Ag3-, Na4Cl4 and Na5Cl4+, C10H2 and C10H3+ share one model, which is told the total charge. Two
levels of theory do not meet, as no element is in both. Published errors are of models for one set each, trained on
thousands of frames of it: 4G-HDNNP (Ko et al.), SpookyNet, and latent charges (files beside arXiv:2412.15455).
"""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from experiment import Job, asked, costs, experiment, grid, heading, models, of_frames, spread, weights, write_frames
from matplotlib import pyplot
from matplotlib.ticker import NullFormatter

from leyden.spec import CartesianSpec
from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

NAME = "charged_molecules"
MODELS = models(
    CartesianSpec(cutoff=4.5, channels=24),
    "short-range", "les", "split", "qeq", "response",
    formal={11: 1.0, 17: -1.0},
)  # fmt: skip
SETS = {"silver": ("Ag3+", "Ag3-"), "salt": ("Na4Cl4", "Na5Cl4+"), "carbon chain": ("C10H2", "C10H3+")}
CARBON = {"train": 100, "val": 14, "test": 14}
SPLIT_SEED = 20261129
PUBLISHED = {
    "4G-HDNNP": {"silver": (1.32, 31.7), "salt": (0.48, 33.0), "carbon chain": (1.19, 78.0)},
    "SpookyNet": {"silver": (0.22, 26.6), "salt": (0.135, 1.05), "carbon chain": (0.36, 5.8)},
    "latent charges": {"silver": (0.162, 29.0)},
}
"""RMSE of energies, meV/atom, and forces, meV/Å; `salt` is Na8Cl8+ and Na9Cl8+ there."""


def prepare(data: Path, carbon: Path, folder: Path) -> dict[str, Path]:
    """One training, validation and test file of all sets. Raises SystemExit where a file is missing."""
    wanted = [data / f"{part}.xyz" for part in CARBON]
    if absent := next((path for path in (*wanted, carbon) if not path.exists()), None):
        raise SystemExit(
            f"{absent}: expected a file, got none; DATA is what datasets/charged_clusters.py has written, CARBON the"
            " published carbon_chain_subset128.xyz."
        )
    return {
        part: write_frames([*read(source, ":"), *frames], folder / f"{part}.xyz")
        for source, (part, frames) in zip(wanted, carbon_chains(carbon).items(), strict=True)
    }


def carbon_chains(path: Path) -> dict[str, list[Atoms]]:
    """Published frames by part, with the names and the multiplicity that the others have."""
    frames = read(path, ":")
    for atoms in frames:
        atoms.info |= {"config_type": "C10H3+" if atoms.info["total_charge"] else "C10H2", "total_spin": 1}
    order = np.random.default_rng(SPLIT_SEED).permutation(len(frames))
    starts = np.cumsum(list(CARBON.values()))
    return {part: [frames[n] for n in each] for part, each in zip(CARBON, np.split(order, starts[:-1]), strict=True)}


def config(job: Job, files: dict[str, Path], epochs: int) -> Config:
    """Nothing else differs between models."""
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(train=files["train"], validation=files["val"]),
        model=MODELS[job.preset],
        optimizer=OptimizerSection(epochs=epochs, batch_size=8),
        hardware=HardwareSection(threads=1),
    )


def measure(best: Path, files: dict[str, Path]) -> dict:
    """Errors by kind of molecule, each of which has one total charge, and the charge (e) of CH2 in C10H3+."""
    potential, frames = load(best), read(files["test"], ":")
    found = evaluate(potential, frames_for(potential, files["test"]).frames)
    kinds = np.array(found.config_type)
    counts = {kind: int(np.sum(kinds == kind)) for kind in np.unique(kinds)}
    out: dict = {"weights": weights(potential), "frames": counts}
    out["trained"] = len(read(files["train"], ":"))
    out["unsolved"] = len(found.solved.failed) if found.solved else 0
    for kind in counts:
        out[kind] = {name: of_frames(found.parities[name], kinds == kind).rmse for name in ("energy", "forces")}
    chains = {n: end(atoms) for n, atoms in enumerate(frames) if atoms.info["config_type"] == "C10H3+"}
    out["hirshfeld"] = np.mean([frames[n].arrays["REF_hirshfeld_charges"][ch2].sum() for n, ch2 in chains.items()])
    if found.charges is not None:
        parts = np.split(found.charges, np.cumsum(found.atoms)[:-1])
        out["end"] = np.mean([parts[n][ch2].sum() for n, ch2 in chains.items()])
    return out


def end(atoms: Atoms) -> np.ndarray:
    """Indices (3,) of the carbon that is closest to two hydrogens, and of these."""
    carbon, hydrogen = (np.flatnonzero(atoms.numbers == z) for z in (6, 1))
    gaps = atoms.get_all_distances()[np.ix_(hydrogen, carbon)]
    closest = carbon[gaps.argmin(1)]
    middle = np.bincount(closest).argmax()
    return np.append(hydrogen[closest == middle], middle)


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a model, and what was published."""
    header = ["model", "seeds", "minutes", "weights"]
    for kinds, what in product(SETS.values(), ("E, meV/atom", "F, meV/Å")):
        header.append(f"{what}: {' / '.join(kinds)}")
    header.append("charge of CH2 in C10H3+, e")
    rows = []
    for name in MODELS:
        there = [r for r in results if r["preset"] == name]
        if there:
            cells = [name, *costs(there)]
            for kinds, (what, digits) in product(SETS.values(), (("energy", 2), ("forces", 1))):
                cells.append(" / ".join(spread([r[kind][what] for r in there], 1000, digits) for kind in kinds))
            charges = [r["end"] for r in there if "end" in r]
            rows.append([*cells, spread(charges, 1, 2) if charges else "-"])
    for name, sets in PUBLISHED.items():
        errors = [str(value) for part in SETS for value in sets.get(part, ("-", "-"))]
        rows.append([f"published, {name}", "", "", "", *errors, "-"])
    first = results[0]
    tested = ", ".join(f"{first['frames'][kind]} {kind}" for kinds in SETS.values() for kind in kinds)
    unsolved = sum(r["unsolved"] for r in results)
    return [
        *heading("Molecules of several total charges in one model", command, results),
        *grid(header, rows),
        "",
        f"RMSE. One model for all {first['trained']} training frames; tested on {tested};"
        f" {unsolved} test frames, of all runs together, had no solution for their charges and are left out."
        f" CH2 by Hirshfeld charges, which no model saw: {first['hirshfeld']:.2f} e. Published: both charges of a set"
        " together, by a model for that set alone, from thousands of frames of it where ours are few; for silver and"
        " salt also another level of theory, other geometries, and a salt cluster of twice the size (Na8Cl8+ and"
        " Na9Cl8+). They give the scale; ours are not measured against them.",
    ]


def plot(results: list[dict], path: Path) -> None:
    """Errors of each model by set and charge, with what was published as lines."""
    figure, axes = pyplot.subplots(2, len(SETS), figsize=(11, 6), layout="constrained", sharex=True)
    shown = (("energy", "energy RMSE, meV/atom"), ("forces", "force RMSE, meV/Å"))
    for (row, (what, said)), (column, (part, kinds)) in product(enumerate(shown), enumerate(SETS.items())):
        axis = axes[row][column]
        for number, kind in enumerate(kinds):
            values = {n: [1000 * r[kind][what] for r in results if r["preset"] == n] for n in MODELS}
            means = [np.mean(values[n] or [np.nan]) for n in MODELS]
            axis.bar(np.arange(len(MODELS)) + 0.4 * (number - 0.5), means, 0.36, label=kind)
        for number, (name, sets) in enumerate(PUBLISHED.items()):
            if part in sets:
                axis.axhline(sets[part][row], color="k", ls=["-", "--", ":"][number], lw=1, label=f"published, {name}")
        axis.set(yscale="log", ylabel=said, title=part if row == 0 else None)
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_xticks(range(len(MODELS)), list(MODELS), rotation=30)
        if row == 0:
            axis.legend(fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.02))
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run what is asked for; table and picture from all finished runs."""
    given = asked(__doc__, NAME, 120, 2, "data", "carbon", model=MODELS)
    files = prepare(given.data, given.carbon, given.output / "data")
    jobs = [Job(name, seed, given.output / f"{name}-{seed}") for seed, name in product(given.seed, given.model)]
    experiment(
        NAME,
        given,
        jobs,
        partial(config, files=files, epochs=given.epochs),
        lambda best, job: measure(best, files),
        table,
        plot,
    )


if __name__ == "__main__":
    main()
