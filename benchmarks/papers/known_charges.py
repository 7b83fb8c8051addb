"""Controls with known answers from energies and forces only: charges of SPC/E water and of KF in it, induced dipoles of
AMOEBA water.

python benchmarks/papers/known_charges.py DATA             DATA: folder of datasets/known_charges.py; all runs, table
python benchmarks/papers/known_charges.py DATA --quick     one seed of everything, an epoch

Cases are named by force field and number of molecules; box: periodic. A backbone of one layer sees no further than its
cutoff: of the Coulomb energy it can take up as short-range energy what is within, and in structures no larger than the
cutoff all of it; one row has two layers. Sizes have the same number of atoms in training, and an epoch the same number
of steps. The diagnostic needs no known charges (properties/identifiability.py); whether it tells which runs find them
is what the table is for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers
from experiment import Job, asked, complete, heading, numbers, spread
from scipy.stats import spearmanr

from leyden.properties.identifiability import identifiability
from leyden.storage import load
from leyden.train.batch import collate
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection, preset
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

NAME = "known_charges"
MOLECULES_A_STEP = 32
CHANNELS = 16
CUTOFFS = (3.5, 4.5, 6.0)
"""Å; Lennard-Jones forces beyond the first are below 6 meV/Å."""
TRUE = {"O": -0.8476, "H": 0.4238, "K": 1.0, "F": -1.0}
"""e."""
PUBLISHED = "0.04 to 0.5 e, the latter with a cutoff of 5.5 Å"
"""Error of charges of an electrolyte of K+ and F-, latent charges (arXiv:2412.15455)."""


@dataclass(frozen=True)
class Control:
    """A case with a preset, cutoff (Å) and number of layers of the backbone."""

    case: str
    preset: str
    cutoff: float
    layers: int = 1

    @property
    def name(self) -> str:
        """Name of the run without its seed."""
        return f"{self.case}-{self.preset}-{self.cutoff:g}-{self.layers}"

    @property
    def molecules(self) -> int:
        """Waters in a structure."""
        return int("".join(filter(str.isdigit, self.case)))


CHARGES = [Control(f"spce-{n}", "les", cutoff) for n, cutoff in product((2, 8, 32), CUTOFFS)]
CHARGES += [Control("spce-box32", "les", 4.5), Control("spce-8", "les", 4.5, layers=2)]
SALT = [Control("kf-box32", "les", cutoff) for cutoff in CUTOFFS] + [Control("kf-box32", "les", 4.5, layers=2)]
INDUCED = [Control(case, name, 4.5) for case, name in product(("amoeba-2", "amoeba-8"), ("polarizable", "response"))]


def config(job: Job, control: Control, data: Path, epochs: int) -> Config:
    """The preset with a backbone of this reach; nothing else differs."""
    chosen = preset(control.preset, data / "train.xyz")
    reach = {"cutoff": control.cutoff, "layers": control.layers, "channels": CHANNELS}
    backbone = chosen.model.backbone.model_copy(update=reach)
    return chosen.model_copy(
        update={
            "model": chosen.model.model_copy(update={"backbone": backbone}),
            "output": job.folder,
            "seed": job.seed,
            "data": DataSection(train=data / "train.xyz", validation=data / "val.xyz"),
            "optimizer": OptimizerSection(epochs=epochs, batch_size=MOLECULES_A_STEP // control.molecules),
            "hardware": HardwareSection(threads=1),
        }
    )


def measure(best: Path, control: Control, data: Path) -> dict:
    """Errors, charges and slopes on the test frames, and the diagnostic."""
    potential = load(best, torch.float64)
    frames = frames_for(potential, data / "test.xyz").frames
    found = evaluate(potential, frames)
    batch = collate(frames).to(dtype=torch.float64)
    ratio = identifiability(potential, batch.system, batch.labels.forces, control.layers * control.cutoff)
    described = {"case": control.case, "cutoff": control.cutoff, "layers": control.layers, "identifiability": ratio}
    elements = [element for element in TRUE if atomic_numbers[element] in found.numbers]
    charges = {e: moments(found.charges[found.numbers == atomic_numbers[e]]) for e in elements}
    return numbers(found) | described | {"charges": charges}


def moments(values: np.ndarray) -> list[float]:
    """Mean and standard deviation."""
    return [float(np.mean(values)), float(np.std(values))]


def table(results: list[dict], command: str) -> list[str]:
    """All controls, and what the diagnostic tells."""
    return [
        *heading("Known charges and induced dipoles, from energies and forces only", command, results),
        "## SPC/E: charges O -0.8476, H +0.4238 e; preset les",
        "",
        *rows(results, CHARGES, partial(charge_cells, elements=("O", "H")), charge_header("O", "H")),
        "",
        *verdict([r for r in results if r["case"].startswith("spce")]),
        "",
        "## KF in SPC/E: charges K +1, F -1 e; preset les",
        "",
        *rows(results, SALT, partial(charge_cells, elements=tuple(TRUE)), charge_header(*TRUE)),
        "",
        f"Published, another electrolyte of K+ and F-: charges within {PUBLISHED}.",
        "",
        "## AMOEBA: induced dipoles",
        "",
        *rows(results, INDUCED, induced_cells, INDUCED_HEADER),
        "",
        "Mean and standard deviation over seeds. Charges are latent ones without any scaling: their mean over the atoms"
        " of an element and, spread, the standard deviation over its atoms. Slopes are of predicted against true, over"
        " all components, on test frames. Distant forces: rms of those between the model's charges further apart than"
        " its reach, layers x cutoff; over the force RMSE, identifiability (id.). If all charges were wrong by d and"
        " nothing made up for it, distant forces would be wrong by 2 d: the last column is the d at which this is the"
        " force RMSE. Training: 2400 atoms for every size, 25 steps an epoch.",
    ]


SHARED = ["layers x cutoff, Å", "seeds", "minutes", "E, meV/atom", "F, meV/Å"]
LAST = ["distant F, meV/Å", "identifiability"]
INDUCED_HEADER = ["case", "preset", *SHARED, "dipole R2", "slope", "RMSE, e Å", "polarizability slope", "RMSE, Å³",
                  *LAST]  # fmt: skip


def charge_header(*elements: str) -> list[str]:
    """Of the tables of known charges."""
    charges = [cell for element in elements for cell in (f"q {element}, e", "spread")]
    return ["case", *SHARED, *charges, "dipole slope", "Born slope", "RMSE, e", *LAST, "error of q, %", "100 / (2 id.)"]


def rows(
    results: list[dict], controls: list[Control], cells: Callable[[list[dict]], list[str]], header: list[str]
) -> list[str]:
    """One row a control that has runs."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for control in controls:
        found = [r for r in results if key(r) == (control.case, control.preset, control.cutoff, control.layers)]
        if found:
            lines.append("| " + " | ".join(cells(found)) + " |")
    return lines


def key(result: dict) -> tuple:
    """What makes a row."""
    return result["case"], result["preset"], result["cutoff"], result["layers"]


def shared(found: list[dict]) -> list[str]:
    """What both tables begin with."""
    return [f"{found[0]['layers']} x {found[0]['cutoff']:g}", str(len(found)),
            spread([r["training_seconds"] / 60 for r in found]), column(found, "energy", "rmse", 1000, 2),
            column(found, "forces", "rmse", 1000)]  # fmt: skip


def last(found: list[dict]) -> list[str]:
    """The diagnostic."""
    distant = [r["identifiability"] * r["forces"]["rmse"] for r in found]
    return [spread(distant, 1000), spread([r["identifiability"] for r in found], 1, 2)]


def column(found: list[dict], name: str, figure: str, scale: float = 1.0, digits: int = 1) -> str:
    """A figure over seeds, or nothing where a case has no such label."""
    return spread([r[name][figure] for r in found], scale, digits) if name in found[0] else "-"


def charge_cells(found: list[dict], elements: Sequence[str]) -> list[str]:
    """A row of a table of known charges."""
    by_element = [spread([r["charges"][e][n] for r in found], 1, 4) for e in elements for n in (0, 1)]
    born = [column(found, "born_effective_charges", figure, 1, 4) for figure in ("slope", "rmse")]
    error = spread([charge_error(r) for r in found], 100)
    mean = np.mean([r["identifiability"] for r in found])
    cells = [found[0]["case"], *shared(found), *by_element, column(found, "dipole", "slope", 1, 4), *born, *last(found)]
    return [*cells, error, f"{50 / mean:.1f}" if mean > 0.005 else "-"]


def induced_cells(found: list[dict]) -> list[str]:
    """A row of the table of induced dipoles."""
    dipole = [column(found, "dipole", figure, 1, 4) for figure in ("r2", "slope", "rmse")]
    alpha = [column(found, "polarizability", figure, 1, 3) for figure in ("slope", "rmse")]
    return [found[0]["case"], found[0]["preset"], *shared(found), *dipole, *alpha, *last(found)]


def charge_error(result: dict) -> float:
    """|q / true - 1| of the mean charge of an element, the largest."""
    return max(abs(mean / TRUE[element] - 1) for element, (mean, _) in result["charges"].items())


def verdict(results: list[dict]) -> list[str]:
    """What the diagnostic says of the error of the charge, over all runs with known charges."""
    if len(results) < 3:
        return []
    ratio, error = (np.array([f(r) for r in results]) for f in (itemgetter("identifiability"), charge_error))
    within = int((2 * ratio * error <= 1).sum())
    lines = [
        f"Does identifiability tell which runs find the charges? With d = |q / true - 1|, Spearman's rank correlation"
        f" with d over {len(results)} runs is {spearmanr(ratio, error).statistic:.2f}; that of the force RMSE alone"
        f" {spearmanr([r['forces']['rmse'] for r in results], error).statistic:.2f}, that of the reach alone"
        f" {spearmanr([r['cutoff'] * r['layers'] for r in results], error).statistic:.2f}. d is below"
        f" 1 / (2 identifiability) in {within} of them."
    ]
    for side, chosen in (("of 3 and more", ratio >= 3), ("of 1 to 3", (ratio >= 1) & (ratio < 3)), ("< 1", ratio < 1)):
        if chosen.any():
            lines.append(
                f"Identifiability {side}: {chosen.sum()} runs, d median {100 * np.median(error[chosen]):.1f}, largest"
                f" {100 * error[chosen].max():.1f} %."
            )
    return [" ".join(lines)]


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    controls = {control.name: control for control in CHARGES + SALT + INDUCED}
    given = asked(__doc__, NAME, 150, 1, "data", control=controls)
    jobs = [
        Job(controls[name].preset, seed, given.output / f"{name}-{seed}", {"control": name})
        for seed, name in product(given.seed, given.control)
    ]

    def case(job: Job) -> tuple[Control, Path]:
        control = controls[str(job.about["control"])]
        return control, given.data / control.case

    complete(
        NAME,
        given,
        jobs,
        lambda job: config(job, *case(job), given.epochs),
        lambda best, job: measure(best, *case(job)),
        lambda results: table(results, f"`benchmarks/papers/{NAME}.py DATA --epochs {results[0]['epochs']}`"),
    )


if __name__ == "__main__":
    main()
