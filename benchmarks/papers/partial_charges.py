"""Polar dipeptides: are charges better learned from MBIS charges of the density, or from energies and forces alone?

python benchmarks/papers/partial_charges.py DATA             DATA: spice_dipeptides_polar; all runs, table, picture
python benchmarks/papers/partial_charges.py DATA --quick     one seed of everything, one epoch

Published latent charges (arXiv:2412.15455), learned from energies and forces alone, have nearly the dipoles and
quadrupoles of MBIS charges, which know the density. Here one model is trained without charges, with MBIS charges that
weigh about as much as forces, and with such that weigh a hundred times more, so that they decide. Judged on what can be
observed: energies, forces, dipole, quadrupole, Born charges. MBIS, Hirshfeld and Mulliken charges are judged
themselves, as fixed charges, whose Born charges are the charges times the unit matrix.
"""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from ase.io import read
from dipeptides import MOMENTS, published
from experiment import Job, asked, experiment, grid, heading, models, numbers, spread
from harness import figures
from matplotlib import pyplot

from leyden.spec import CartesianSpec
from leyden.storage import load
from leyden.train.config import Config, DataSection, HardwareSection, LossSection, OptimizerSection
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.metrics import Parity

NAME = "partial_charges"
MODEL = models(CartesianSpec(), "les")["les"]
KEYS = {"charges": "mbi_charges"}
WEIGHT = 4.0
"""Of charges: 0.025 e cost as much as 50 meV/Å."""
TRAINED = {
    "energies and forces": LossSection(),
    "with MBIS charges": LossSection(charges=WEIGHT),
    "MBIS charges decide": LossSection(charges=100 * WEIGHT),
}
SCHEMES = {"MBIS": "mbi", "Hirshfeld": "hirsh", "Mulliken": "mul"}
"""Name and key of charges in the files."""
FIGURES = ("r2", "slope", "mae")
PUBLISHED = "published, energies and forces"


def config(job: Job, data: Path, epochs: int) -> Config:
    """Nothing but the loss differs."""
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(train=data / "train.xyz", validation=data / "val.xyz", keys=KEYS),
        model=MODEL,
        loss=TRAINED[str(job.about["trained"])],
        optimizer=OptimizerSection(epochs=epochs),
        hardware=HardwareSection(threads=1),
    )


def measure(best: Path, data: Path) -> dict:
    """Errors on the test frames; of charges, against MBIS."""
    potential = load(best)
    return numbers(evaluate(potential, frames_for(potential, data / "test.xyz", keys=KEYS).frames))


def schemes(path: Path) -> dict[str, dict[str, Parity]]:
    """Dipole (e Å), quadrupole (e Å²) and Born charges (e) of each scheme that a file has, against DFT."""
    frames = read(path, ":")
    names = [name for name, key in SCHEMES.items() if f"{key}_charges" in frames[0].arrays]
    out = {}
    for name in names:
        rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {moment: [] for moment in MOMENTS}
        for atoms in frames:
            q, r = atoms.arrays[f"{SCHEMES[name]}_charges"], atoms.positions
            second = (np.reshape(atoms.info["quadrupole"], (3, 3)), np.einsum("n,na,nb->ab", q, r, r))
            rows["dipole"].append((atoms.get_dipole_moment(), q @ r))
            rows["quadrupole"].append(tuple(m - np.eye(3) * np.trace(m) / 3 for m in second))
            rows["born_effective_charges"].append((atoms.arrays["bec"], q[:, None, None] * np.eye(3)))
        out[name] = {moment: _parity(moment, pairs) for moment, pairs in rows.items()}
    return out


def _parity(name: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> Parity:
    reference, predicted = (np.concatenate([np.ravel(pair[n]) for pair in pairs]) for n in (0, 1))
    return Parity(name, "", reference, predicted, np.zeros(0, int))


def table(results: list[dict], command: str, data: Path) -> list[str]:
    """Mean and standard deviation over seeds, one row a loss; then charges that no model of ours has."""
    header = ["charges", "frames", "seeds", "minutes", "E, meV/atom", "F, meV/Å", "q against MBIS, me"]
    for name, unit in (("dipole", "e Å"), ("quadrupole", "e Å²"), ("Born", "e")):
        header += [f"{name} R2", "slope", f"MAE, {unit}"]
    rows = []
    for trained in TRAINED:
        there = [r for r in results if r["trained"] == trained]
        if there:
            cells = [f"les: {trained}", "test", str(len(there)), spread([r["training_seconds"] / 60 for r in there])]
            for name, digits in (("energy", 2), ("forces", 1), ("charges", 1)):
                cells.append(spread([r[name]["rmse"] for r in there], 1000, digits))
            each = product(MOMENTS, FIGURES)
            rows.append(cells + [spread([r[moment][figure] for r in there], 1, 3) for moment, figure in each])
    given = [(PUBLISHED, "test", published(data / "test.xyz"))]
    given += [(name, part, found) for part in ("test", "val") for name, found in schemes(data / f"{part}.xyz").items()]
    for name, part, found in given:
        cells = [name, part, *"---", "61" if name == PUBLISHED else "-", "0" if name == "MBIS" else "-"]
        rows.append(cells + [f"{figures(found[moment])[figure]:.3f}" for moment, figure in product(MOMENTS, FIGURES)])
    return [
        *heading("Polar dipeptides, trained with and without MBIS charges", command, results),
        *grid(header, rows),
        "",
        f"RMSE of E, F and q. The weight of charges is {WEIGHT:g}, and {100 * WEIGHT:g} where they decide. Moments of"
        " charges about the origin without any scaling; R2 is the squared Pearson correlation. Published: the"
        " predictions in the test file, and the force error stated with it.",
    ]


def plot(results: list[dict], path: Path, data: Path) -> None:
    """Each error relative to that of energies and forces alone."""
    shown = {"energy": "energy", "forces": "forces", "dipole": "dipole", "quadrupole": "quadrupole"}
    shown["born_effective_charges"] = "Born charges"
    figure, axis = pyplot.subplots(figsize=(8, 3.8), layout="constrained")
    first, *others = TRAINED
    base = np.array([_mean(results, first, name) for name in shown])
    axis.axhline(1.0, color="k", lw=0.8, label=f"les: {first}")
    for shift, trained in zip((-0.17, 0.17), others, strict=True):
        ratio = np.array([_mean(results, trained, name) for name in shown]) / base
        axis.bar(np.arange(len(shown)) + shift, ratio, 0.32, label=f"les: {trained}")
    for moment, parity in schemes(data / "test.xyz")["MBIS"].items():
        place = list(shown).index(moment)
        label = "MBIS charges themselves" if moment == MOMENTS[0] else None
        axis.hlines(parity.rmse / base[place], place - 0.4, place + 0.4, color="k", ls=":", label=label)
    axis.set(ylabel=f"RMSE over that of\nles: {first}")
    axis.set_xticks(range(len(shown)), list(shown.values()))
    figure.legend(loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=150)


def _mean(results: list[dict], trained: str, name: str) -> float:
    """RMSE, over seeds; NaN without any run."""
    found = [r[name]["rmse"] for r in results if r["trained"] == trained]
    return float(np.mean(found)) if found else float("nan")


def main() -> None:
    """Run what is asked for; table and picture from all finished runs."""
    given = asked(__doc__, NAME, 60, 1, "data", trained=TRAINED)
    jobs = [
        Job("les", seed, given.output / f"{trained.replace(' ', '-')}-{seed}", {"trained": trained})
        for seed, trained in product(given.seed, given.trained)
    ]
    experiment(
        NAME,
        given,
        jobs,
        partial(config, data=given.data, epochs=given.epochs),
        lambda best, job: measure(best, given.data),
        partial(table, data=given.data),
        partial(plot, data=given.data),
    )


if __name__ == "__main__":
    main()
