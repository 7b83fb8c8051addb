"""N-methylacetamide in uniform fields: trained with and without fields and dipoles, judged on the response to fields.

python benchmarks/molecule_in_field.py PATH                                       all runs, then the table
python benchmarks/molecule_in_field.py PATH --preset polarizable --labels field --seed 0     one run, resumable
python benchmarks/molecule_in_field.py PATH --table                               the table of all finished runs

PATH is the folder nma_field_fireann (nma_val.xyz 1289, nma_test.xyz 1007 frames of 12 atoms, open; Zhang & Jiang, Nat.
Commun. 14, 6424 (2023)); the first file trains, a tenth of it held out. What the files say, measured: fields are of 82
strengths up to 0.42 V/Å, all along +x of molecules in any orientation, and zero in 14 and 12 frames, too few to train
on; `weak` therefore trains on the frames below 0.1 V/Å, in as many steps as the others. In the 12 pairs of frames with
one geometry and two fields, energies differ by +mu.F_file with the mean of both dipoles, to 2e-5 eV, and dipoles by
REF_polarizability_raw times F_file, to 1e-4 e Å: dipoles contain what the field induces. Forces contain the field:
their torque is -mu x F_file to within its noise at zero field (0.003 eV; the field makes 0.05 eV). Dipoles point from
oxygen to carbon, as they should, so it is the field that has the other sign, and it is turned. 108 test frames have the
geometry of a training frame and are left out.
"""

from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from fields import Signs, benchmark, converted, figure, figures, store, strength
from harness import Job, heading, options, spread

from leyden.storage import load
from leyden.train.config import Config, DataSection, LossSection, OptimizerSection, preset
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

PRESETS = ("les", "polarizable", "variational", "response")
LABELS = {
    "weak": "energies and forces below 0.1 V/Å",
    "field": "energies and forces",
    "dipole": "energies, forces, dipoles",
}
WEAK = 0.1
"""V/Å."""
SIGNS = Signs(field=-1.0, dipole=1.0)
BATCH = 8
DIPOLE_WEIGHT = 100.0
"""At which errors of 0.02 e Å in the dipole and of 0.06 eV/Å in forces weigh the same."""


def prepare(source: Path, folder: Path) -> dict[str, tuple[Path, int]]:
    """Files for training and test, and the number of frames in each; `left out` counts what was removed."""
    (train, wild), (test, wild_test) = (converted(source / f"nma_{part}.xyz", SIGNS) for part in ("val", "test"))
    known = {_geometry(atoms) for atoms in train}
    unseen = [atoms for atoms in test if _geometry(atoms) not in known]
    chosen = {"weak": [atoms for atoms in train if strength(atoms) < WEAK], "field": train, "test": unseen}
    files = {name: (store(frames, folder / f"{name}.xyz"), len(frames)) for name, frames in chosen.items()}
    return files | {"dipole": files["field"], "left out": (source, wild + wild_test)}


def _geometry(atoms: Atoms) -> bytes:
    return (np.round(atoms.positions, 4) + 0.0).tobytes()


def config(job: Job, labels: str, files: dict[str, tuple[Path, int]], epochs: int) -> Config:
    """Nothing else differs between presets; fewer frames get more epochs."""
    path, count = files[labels]
    return preset(job.preset, path).model_copy(
        update={
            "output": job.folder,
            "seed": job.seed,
            "data": DataSection(train=path),
            "loss": LossSection(dipole=DIPOLE_WEIGHT if labels == "dipole" else 0.0),
            "optimizer": OptimizerSection(epochs=round(epochs * files["field"][1] / count), batch_size=BATCH),
        }
    )


def measure(best: Path, test: Path) -> dict:
    """Errors on test frames without field, in weak and in strong fields, and on all of them."""
    potential = load(best)
    frames = frames_for(potential, test).frames
    found = evaluate(potential, frames, 32)
    size = np.array([float(frame.system.field.norm()) for frame in frames])
    chosen = {"zero": size == 0.0, "weak": size < WEAK, "strong": size >= WEAK, "test": size >= 0.0}
    return {part: figures(found, some) | {"frames": int(some.sum())} for part, some in chosen.items()}


def table(results: list[dict], files: dict[str, tuple[Path, int]], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a preset and what it was trained on."""
    lines = [
        *heading("N-methylacetamide in electric fields", command, results),
        "| trained on | preset | seeds | minutes | E zero / weak / strong, meV/atom | F zero / weak / strong, meV/Å |"
        " dipole zero / weak / strong, e Å | R2 | slope | MAE, e Å | polarizability, Å³ | MAE |"
        " isotropic R2 | slope | anisotropic R2 | slope |",
        "|---" * 16 + "|",
    ]
    for labels, said in LABELS.items():
        for name in PRESETS:
            rows = [r for r in results if r["preset"] == name and r["labels"] == labels]
            if rows:
                lines.append(f"| {said} | {name} | {len(rows)} | " + " | ".join(_cells(rows)) + " |")
    counts = {part: results[0][part]["frames"] for part in ("zero", "weak", "strong")}
    return [*lines, "", _notes(files, counts)]


def _cells(rows: list[dict]) -> list[str]:
    cells = [spread([r["training_seconds"] / 60 for r in rows])]
    for name, scale, digits in (("energy", 1000, 2), ("forces", 1000, 1), ("dipole", 1, 4)):
        cells.append(" / ".join(figure(rows, (p, name, "rmse"), scale, digits) for p in ("zero", "weak", "strong")))
    for name, wanted in (
        ("dipole", ("r2", "slope", "mae")), ("polarizability", ("rmse", "mae")),
        ("isotropic", ("r2", "slope")), ("anisotropic", ("r2", "slope")),
    ):  # fmt: skip
        cells += [figure(rows, ("test", name, what), 1, 3 if name == "polarizability" else 4) for what in wanted]
    return cells


def _notes(files: dict[str, tuple[Path, int]], counts: dict[str, int]) -> str:
    return (
        f"{files['field'][1]} training frames ({files['weak'][1]} weak), a tenth of them for validation;"
        f" {files['test'][1]} test frames ({', '.join(f'{n} {part}' for part, n in counts.items())}; weak is below"
        f" {WEAK} V/Å and includes zero) after leaving out those whose geometry is in the training file;"
        f" {files['left out'][1]} frames left out for forces above 25 eV/Å. Columns without another name are RMSE; R2"
        " is the squared Pearson correlation on all test frames. Isotropic is a third of the trace, anisotropic the"
        " tensor without it: all nine components together have a high R2 in any model. Polarizabilities are second"
        " derivatives of the energy by the field and are labels of no run; charges of `les` feel no field, so it has"
        " none."
    )


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    given = options(__doc__, Path("runs/molecule_in_field"), 9, "path", preset=PRESETS, labels=LABELS).parse_args()
    files = prepare(given.path, given.output / "data")
    benchmark(
        "molecule_in_field",
        given,
        partial(config, files=files, epochs=given.epochs),
        partial(measure, test=files["test"][0]),
        partial(table, files=files, command=f"`benchmarks/molecule_in_field.py PATH --epochs {given.epochs}`"),
    )


if __name__ == "__main__":
    main()
