"""Born charges of other molecules, by models trained on energies and forces of dipeptides.

python benchmarks/papers/spice_bec.py PATH --models runs/papers/dipeptides/response-epochs100-0/best ...

PATH is the folder spice_bec: seven files of one class of molecules each. Models are those of finished runs of
dipeptides.py; rows of models that the table has and that are not given stay. Left out are frames with an element that
the model does not know, and frames that it was trained on.

References are density-functional ones: `bec` obeys the rotational sum rule with the file's `dipole` to 0.1 to 2 %, and
the acoustic one only to 0.01 e and not isotropically, while a model of charges has sum_i Z*_i = Q 1 up to rounding.
The published model's predictions in the files, MACE_energy and MACE_forces, have no Born charges and no dipoles.
"""

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from dipeptides import title
from harness import RESULTS, machine, spread, write_table

from leyden.potential import Potential
from leyden.storage import load
from leyden.train.config import load_config
from leyden.train.data import Frame, read_labels, systems, with_pairs
from leyden.train.evaluate import evaluate
from leyden.train.keys import resolve
from leyden.train.metrics import Parity

BORN, PUBLISHED = "born_effective_charges", "published"
PROPERTIES = (BORN, "dipole", "forces")
ALL = "all"
MODEL = ("preset", "dipoles", "epochs", "seed")
"""What tells one from another."""
SAME = 1e-3
"""Å: distances that make two structures one."""


def distances(atoms: Atoms) -> np.ndarray:
    """Those of all pairs, sorted: the same for a structure that is turned or whose atoms are renamed."""
    return np.sort(atoms.get_all_distances()[np.triu_indices(len(atoms), 1)])


def usable(structures: Sequence[Atoms], elements: Sequence[int], training: Iterable[Atoms]) -> tuple[list[Atoms], int]:
    """Structures of known elements that are not among those of the training, and how many were."""
    seen: dict[str, list[np.ndarray]] = {}
    for atoms in training:
        seen.setdefault(atoms.get_chemical_formula(), []).append(distances(atoms))
    known = [atoms for atoms in structures if set(atoms.numbers.tolist()) <= set(elements)]
    new = [
        atoms
        for atoms in known
        if not any(
            np.abs(distances(atoms) - other).max() < SAME for other in seen.get(atoms.get_chemical_formula(), [])
        )
    ]
    return new, len(known) - len(new)


def labelled(structures: Sequence[Atoms], path: Path, cutoff: float) -> list[Frame]:
    """Frames with pairs; all structures of these files are neutral, but only some say so."""
    for atoms in structures:
        atoms.info.setdefault("total_charge", 0)
    found = resolve(structures)
    made = systems(structures, found, path)
    frames = [
        Frame(system, read_labels(atoms, found, str(path)), origin=str(path))
        for system, atoms in zip(made, structures, strict=True)
    ]
    return with_pairs(frames, cutoff)


def compare(potential: Potential, structures: Sequence[Atoms], path: Path) -> dict[str, Parity]:
    """The model's Born charges, dipoles and forces, and the published model's forces, beside the references."""
    found = evaluate(potential, labelled(structures, path, potential.backbone.cutoff)).parities
    forces = (np.concatenate([pick(a).ravel() for a in structures]) for pick in (Atoms.get_forces, _theirs))
    return {name: found[name] for name in PROPERTIES} | {PUBLISHED: Parity("forces", "eV/Å", *forces, np.zeros(0, int))}


def _theirs(atoms: Atoms) -> np.ndarray:
    return atoms.arrays["MACE_forces"]


def pooled(parts: Sequence[Mapping[str, Parity]]) -> dict[str, Parity]:
    """All classes as one."""
    together = {name: [part[name] for part in parts] for name in parts[0]}
    return {
        name: Parity(
            name,
            each[0].unit,
            np.concatenate([p.reference for p in each]),
            np.concatenate([p.predicted for p in each]),
            np.zeros(0, int),
        )
        for name, each in together.items()
    }


def sum_rule(born: Parity) -> tuple[float, float]:
    """Largest entry of sum_i Z*_i of any neutral structure, which should be zero: of the model and of the reference."""
    found = []
    for values in (born.predicted, born.reference):
        total = np.zeros((born.frame.max() + 1, 9))
        np.add.at(total, born.frame[::9], values.reshape(-1, 9))
        found.append(float(np.abs(total).max()))
    return found[0], found[1]


def figures(parities: Mapping[str, Parity]) -> dict[str, dict[str, float]]:
    """Errors, squared correlation and slope of every property."""
    return {n: {"r2": p.r2, "slope": p.slope, "mae": p.mae, "rmse": p.rmse} for n, p in parities.items()}


def measure(best: Path, data: Path) -> list[dict]:
    """One row for each class and one for all, of the best model of a finished run."""
    potential, run = load(best), json.loads((best.parent / "result.json").read_text())
    section = load_config(best.parent / "config.yaml").data
    training = [atoms for path in (section.train, section.validation) if path for atoms in read(path, ":")]
    model = {key: run.get(key, 0) for key in MODEL} | {
        "machine": machine(), "date": time.strftime("%Y-%m-%d")
    }  # fmt: skip
    rows, parts = [], []
    for path in sorted(data.glob("*.xyz")):
        structures = read(path, ":")
        chosen, seen = usable(structures, potential.backbone.elements, training)
        parities = compare(potential, chosen, path)
        counts = {"of": len(structures), "frames": len(chosen), "seen": seen, "atoms": sum(map(len, chosen))}
        rule = dict(zip(("sum_rule", "sum_rule_reference"), sum_rule(parities[BORN]), strict=True))
        rows.append(model | {"class": path.stem} | counts | rule | figures(parities))
        parts.append(parities)
    counts = {key: sum(row[key] for row in rows) for key in ("of", "frames", "seen", "atoms")}
    rule = {key: max(row[key] for row in rows) for key in ("sum_rule", "sum_rule_reference")}
    return [*rows, model | {"class": ALL} | counts | rule | figures(pooled(parts))]


def table(results: Sequence[dict]) -> list[str]:
    """Mean and standard deviation over seeds; one row for each class and kind of model, then the published model."""
    columns = [(BORN, ("r2", "slope", "mae", "rmse")), ("dipole", ("r2", "slope", "mae"))]
    lines = [
        "# Born charges of other molecules, by models trained on dipeptides",
        "",
        f"`benchmarks/papers/spice_bec.py PATH --models FOLDER ...`; {results[0]['machine']}, 1 thread;"
        f" {max(r['date'] for r in results)}",
        "",
        "| class | model | seeds | epochs | frames | atoms | Born R2 | slope | MAE, e | RMSE, e |"
        " largest sum of Z*, e | dipole R2 | slope | MAE, e Å | F RMSE, meV/Å | F MAE, meV/Å |",
        "|---" * 16 + "|",
    ]
    for kind in [*sorted({r["class"] for r in results} - {ALL}), ALL]:
        of_kind = [r for r in results if r["class"] == kind]
        for name, epochs in dict.fromkeys((title(r), r["epochs"]) for r in of_kind):
            rows = [r for r in of_kind if (title(r), r["epochs"]) == (name, epochs)]
            cells = [kind, name, str(len(rows)), str(epochs), f"{rows[0]['frames']} of {rows[0]['of']}"]
            cells.append(str(rows[0]["atoms"]))
            shown = [[spread([r[p][f] for r in rows], 1, 4) for f in wanted] for p, wanted in columns]
            cells += [*shown[0], f"{max(r['sum_rule'] for r in rows):.2g}", *shown[1]]
            cells += [spread([r["forces"][f] for r in rows], 1000) for f in ("rmse", "mae")]
            lines.append("| " + " | ".join(cells) + " |")
        theirs = of_kind[0]
        errors = " | ".join(f"{theirs[PUBLISHED][f] * 1000:.1f}" for f in ("rmse", "mae"))
        counts = f"{theirs['frames']} of {theirs['of']} | {theirs['atoms']}"
        lines.append(f"| {kind} | published, MACE_* in the files | 1 | | {counts} | - | | | | | - | | | {errors} |")
    return [*lines, "", *_remarks(results)]


def _remarks(results: Sequence[dict]) -> list[str]:
    whole = next(r for r in results if r["class"] == ALL)
    unknown = whole["of"] - whole["frames"] - whole["seen"]
    return [
        "The models know H, C, N and O, from 495 frames of dipeptides of 6 compositions and nothing else:"
        f" {unknown} of {whole['of']} frames have other elements and are left out, and {whole['seen']} that the models"
        " were trained or selected on. R2 is the squared Pearson correlation; dipoles are those of the charges, without"
        " any scaling. Sum of Z*: its largest entry, zero for a neutral molecule; that of the references is up to"
        f" {whole['sum_rule_reference']:.2g} e.",
        "",
        "The files have density-functional Born charges and dipoles, and of the published model, which was trained on"
        " SPICE, energies and forces only: its Born charges cannot stand here. Those that an earlier published model"
        " predicts for dipeptides, and their errors, are in dipeptides.md. Energies are left out: those of training are"
        " relative to atoms, these are not.",
    ]


def main() -> None:
    """Evaluate the models given and write the table with the rows of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="best/ of finished runs of dipeptides.py")
    given = parser.parse_args()
    path = RESULTS / "spice_bec.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for best in given.models:
        rows += measure(best, given.path)
    kept = {tuple(row[key] for key in (*MODEL, "class")): row for row in rows}
    results = [kept[key] for key in sorted(kept)]
    print(write_table("spice_bec", table(results), results))


if __name__ == "__main__":
    main()
