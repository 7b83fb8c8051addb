"""Water clusters, trained on energy, forces and electron density of up to four molecules, tested on five to eight.

python benchmarks/papers/water_densities.py DATA             DATA: folder of datasets/water_densities.py
python benchmarks/papers/water_densities.py DATA --quick     one seed of everything, a few epochs

Thomas et al. (arXiv:2406.10915) learn a self-consistent Coulomb interaction from energies and densities of water
clusters. Here the density is fitted on Gaussians (datasets/density_fit.py), and models that read it off in one shot
stand beside those that solve for it, on the same backbone, with and without the density in the loss (<dp|V|dp>). Also
measured where none was trained: dipole, quadrupole, and the potential at points around the clusters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from ase.io import read
from experiment import Job, asked, costs, experiment, grid, heading, of_frames, spread, weights
from matplotlib import pyplot

from leyden.charges.model import Solved
from leyden.potential import Potential
from leyden.spec import CartesianSpec, LocalSpec, ModelSpec, ResponseSpec, VariationalSpec
from leyden.spec.charges.base import ChargeSpec
from leyden.storage import load
from leyden.train.batch import Frame
from leyden.train.config import Config, DataSection, HardwareSection, LossSection, OptimizerSection
from leyden.train.density import coulomb_distance
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.metrics import Evaluation

NAME = "water_densities"
BACKBONE = CartesianSpec(cutoff=4.5, channels=32)
WEIGHT = 10.0
"""Of <dp|V|dp> an atom, eV."""


@dataclass(frozen=True)
class Model:
    """A charge model, the labels of its Gaussians, and the key of what their fit leaves."""

    charges: ChargeSpec
    labels: str = "small_density"
    lacking: str = "small_lacking"


MODELS = {
    "local": Model(LocalSpec(width=0.5, dipoles=True)),
    "local, two shells": Model(
        LocalSpec(width=(0.3, 0.6), dipoles=True, quadrupoles=True), "REF_density_coefficients", "lacking"
    ),
    "response": Model(ResponseSpec(width=0.5, dipoles=True)),
    "variational": Model(VariationalSpec(width=0.5, dipoles=True)),
}
LOSSES = {"energies and forces": LossSection(), "and densities": LossSection(density=WEIGHT)}
MEASURED = {
    "energy": (1000, 2),
    "forces": (1000, 1),
    "dipole": (1, 3),
    "quadrupole": (1, 3),
    "electrostatic_potential": (1000, 1),
}
DENSITY = {"density": (100, 2), "excess": (100, 3), "direct": (100, 2)}
"""Scale and digits of what is shown."""


def config(job: Job, data: Path, epochs: int) -> Config:
    """Nothing else differs between models."""
    model, loss = MODELS[job.preset], LOSSES[str(job.about["trained"])]
    return Config(
        output=job.folder,
        seed=job.seed,
        data=DataSection(
            train=data / "train.xyz",
            validation=data / "val.xyz",
            keys={"density_coefficients": model.labels} if loss.density else {},
        ),
        model=ModelSpec(backbone=BACKBONE, charges=model.charges),
        loss=loss,
        optimizer=OptimizerSection(epochs=epochs, batch_size=5),
        hardware=HardwareSection(threads=1),
    )


def measure(best: Path, job: Job, data: Path) -> dict:
    """Errors by number of waters."""
    potential, exact, model = load(best), load(best, torch.float64), MODELS[job.preset]
    out: dict = {"sizes": {}, "weights": weights(potential)}
    for part in ("test", "large"):
        path = data / f"{part}.xyz"
        frames = frames_for(potential, path, keys={"density_coefficients": model.labels}).frames
        found, structures = evaluate(potential, frames), read(path, ":")
        missing = distances(exact, frames)
        with exact.asked(direct=isinstance(exact.charges, Solved)):
            direct = distances(exact, frames)
        waters = np.array([atoms.info["n_water"] for atoms in structures])
        whole, lacking = (np.array([atoms.info[key] for atoms in structures]) for key in ("whole", model.lacking))
        for n in np.unique(waters):
            chosen = waters == n
            shares = {
                name: values[chosen].sum() / whole[chosen].sum()
                for name, values in (("density", missing + lacking), ("direct", direct + lacking), ("floor", lacking))
            }
            out["sizes"][str(n)] = errors(found, chosen) | shares | {"frames": int(chosen.sum())}
    return out


def distances(potential: Potential, frames: Sequence[Frame]) -> np.ndarray:
    """<dp|V|dp> of every frame, eV."""
    out = []
    for frame in frames:
        density, label = potential(frame.system).density.detach(), frame.labels.density_coefficients
        each = coulomb_distance(potential.coulomb, potential.charges.basis, frame.system, density, label)
        out.append(float(each) * len(density))
    return np.array(out)


def errors(found: Evaluation, chosen: np.ndarray) -> dict[str, float]:
    """RMSE over chosen frames."""
    return {name: of_frames(found.parities[name], chosen).rmse for name in MEASURED}


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds; errors of up to four waters and of more."""
    units = ["E, meV/atom", "F, meV/Å", "dipole, e Å", "quadrupole, e Å²", "potential, mV", "density, %"]
    units += ["beyond its fit, %", "direct, %"]
    header = ["model", "trained on", "seeds", "minutes", "weights", *(f"{u}: n <= 4 / more" for u in units)]
    rows = []
    for name, trained in product(MODELS, LOSSES):
        there = [r for r in results if (r["preset"], r["trained"]) == (name, trained)]
        if there:
            cells = [name, trained, *costs(there)]
            for key, (scale, digits) in (MEASURED | DENSITY).items():
                both = ([pooled(r, key, large) for r in there] for large in (False, True))
                cells.append(" / ".join(spread(values, scale, digits) for values in both))
            rows.append(cells)
    floors = {name: next((r for r in results if r["preset"] == name), None) for name in MODELS}
    said = ", ".join(f"{100 * pooled(r, 'floor', True):.2f} % ({name})" for name, r in floors.items() if r)
    return [
        *heading("Water clusters: energies, forces and electron densities", command, results),
        *grid(header, rows),
        "",
        "RMSE, trained on clusters of up to four molecules. Density: <drho|V|drho> over <rho|V|rho>, rho without free"
        f" atoms, summed over structures, of which the best fit on the Gaussians of a model leaves {said} in larger"
        " clusters; beyond its fit: the rest; direct: that of atoms which feel no potential, before anything is"
        " solved.",
    ]


def pooled(result: Mapping, key: str, large: bool) -> float:
    """Of clusters with more than four waters, or up to four: root mean square, of densities the mean."""
    chosen = [each for n, each in result["sizes"].items() if (int(n) > 4) == large]
    counts = np.array([each["frames"] for each in chosen])
    if key in MEASURED:
        return float(np.sqrt(np.average([each[key] ** 2 for each in chosen], weights=counts)))
    return float(np.average([value(each, key) for each in chosen], weights=counts))


def value(size: Mapping[str, float], key: str) -> float:
    """An error of clusters of one size; `excess` is that of the density without what the best fit leaves."""
    return size["density"] - size["floor"] if key == "excess" else size[key]


def plot(results: list[dict], path: Path) -> None:
    """Errors by the number of waters."""
    shown = {
        "energy": ("energy, meV/atom", 1000, "linear"),
        "dipole": ("dipole, e Å", 1, "log"),
        "excess": ("density, beyond its fit, %", 100, "log"),
    }
    figure, axes = pyplot.subplots(1, len(shown), figsize=(11, 4), layout="constrained")
    for axis, (key, (said, scale, form)) in zip(axes, shown.items(), strict=True):
        for number, (name, trained) in enumerate(product(MODELS, LOSSES)):
            rows = [r["sizes"] for r in results if (r["preset"], r["trained"]) == (name, trained)]
            if rows:
                sizes = sorted(rows[0], key=int)
                means = [scale * np.mean([value(row[n], key) for row in rows]) for n in sizes]
                style = {"color": f"C{number // 2}", "ls": "-" if trained == "and densities" else ":", "marker": "."}
                axis.plot([int(n) for n in sizes], means, label=f"{name}: {trained}", **style)
        axis.axvspan(0.5, 4.5, color="0.93")
        axis.set(xlabel="molecules (grey: as many as in training)", ylabel=said, yscale=form)
        axis.yaxis.set_major_formatter("{x:g}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(MODELS), fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run what is asked for; table and picture from all finished runs."""
    given = asked(__doc__, NAME, 60, 1, "data", model=MODELS, trained=LOSSES)
    jobs = [
        Job(
            name,
            seed,
            given.output / f"{name}-{trained}-{seed}".replace(",", "").replace(" ", "-"),
            {"trained": trained},
        )
        for seed, name, trained in product(given.seed, given.model, given.trained)
    ]
    experiment(
        NAME,
        given,
        jobs,
        partial(config, data=given.data, epochs=given.epochs),
        partial(measure, data=given.data),
        table,
        plot,
    )


if __name__ == "__main__":
    main()
