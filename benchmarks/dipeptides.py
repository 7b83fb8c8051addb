"""Polar dipeptides: trained on energies and forces only, judged on forces, moments and Born charges.

python benchmarks/dipeptides.py PATH            all presets and seeds, then the table
python benchmarks/dipeptides.py PATH --preset les --seed 0     one run, resumable

The table is written from all runs that are finished.

PATH is the folder spice_dipeptides_polar (train.xyz 495, val.xyz 55, test.xyz 50 frames of 42-51 atoms). To beat,
published: force RMSE 61 test / 53 val meV/Å (latent charges; 72 / 59 short-range), dipole R2 0.991, quadrupole 0.911,
Born charges 0.952.
"""

import json
from pathlib import Path

import numpy as np
from ase.io import read
from harness import Job, arguments, numbers, run, spread, write_table

from leyden.storage import load
from leyden.train.config import Config, DataSection, OptimizerSection, preset
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.metrics import Parity

PRESETS = ("short-range", "les", "les-multipole")
MOMENTS = ("dipole", "quadrupole", "born_effective_charges")


def config(name: str, seed: int, data: Path, folder: Path, epochs: int) -> Config:
    """The preset with these files; nothing else differs between presets."""
    return preset(name, data / "train.xyz").model_copy(
        update={
            "output": folder,
            "seed": seed,
            "data": DataSection(train=data / "train.xyz", validation=data / "val.xyz"),
            "optimizer": OptimizerSection(epochs=epochs),
        }
    )


def measure(best: Path, data: Path) -> dict:
    """Errors on validation and test frames."""
    potential = load(best)
    return {
        part: numbers(evaluate(potential, frames_for(potential, data / f"{part}.xyz").frames))
        for part in ("val", "test")
    }


def published(path: Path) -> dict[str, Parity]:
    """The predictions of the published model, which the test file carries, against the same references."""
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {moment: [] for moment in MOMENTS}
    for atoms in read(path, ":"):
        rows["dipole"].append((atoms.get_dipole_moment(), atoms.info["pred_dipole"]))
        both = (np.reshape(atoms.info[key], (3, 3)) for key in ("quadrupole", "pred_quadrupole"))
        rows["quadrupole"].append(tuple(q - np.eye(3) * np.trace(q) / 3 for q in both))
        rows["born_effective_charges"].append((atoms.arrays["bec"], atoms.arrays["pred_bec"]))
    return {
        name: Parity(
            name, "", *(np.concatenate([np.ravel(pair[n]) for pair in pairs]) for n in (0, 1)), np.zeros(0, int)
        )
        for name, pairs in rows.items()
    }


def table(results: list[dict], theirs: dict[str, Parity], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a preset."""
    lines = [
        "# Polar dipeptides, trained on energies and forces only",
        "",
        f"{command}; {results[0]['machine']}, {results[0]['threads']} threads a run; {results[0]['date']}",
        "",
        "| preset | seeds | epochs | minutes | E val / test, meV/atom | F val | F test, meV/Å |"
        " dipole R2 | slope | MAE, e Å | quadrupole R2 | slope | MAE, e Å² | Born R2 | slope | MAE, e |",
        "|---" * 16 + "|",
    ]
    for name in PRESETS:
        rows = [r for r in results if r["preset"] == name]
        if not rows:
            continue
        cells = [name, str(len(rows)), str(rows[0]["epochs"]), spread([r["training_seconds"] / 60 for r in rows])]
        cells.append(" / ".join(spread([r[p]["energy"]["rmse"] for r in rows], 1000, 2) for p in ("val", "test")))
        cells += [spread([r[p]["forces"]["rmse"] for r in rows], 1000) for p in ("val", "test")]
        for moment in MOMENTS:
            for figure in ("r2", "slope", "mae"):
                there = [r["test"][moment][figure] for r in rows if moment in r["test"]]
                cells.append(spread(there, 1, 4) if there else "-")
        lines.append("| " + " | ".join(cells) + " |")
    cells = [f"{figure:.4f}" for m in MOMENTS for figure in (theirs[m].r2, theirs[m].slope, theirs[m].mae)]
    lines += [
        "| published, latent charges | 1 | | | | 53 | 61 | " + " | ".join(cells) + " |",
        "| published, short-range | 1 | | | | 59 | 72 | - | | | - | | | - | | |",
        "",
        "R2 is the squared Pearson correlation on the test frames; moments are those of the latent charges about the"
        " origin, without any scaling; Born charges by automatic differentiation of the dipole. The moments of the"
        " published model are its predictions in the test file, its force errors those stated with it.",
    ]
    return lines


def main() -> None:
    """Run what is asked for and write the table from all finished runs."""
    given = arguments(__doc__, PRESETS, 100, Path("runs/dipeptides"))
    for seed in given.seed:
        for name in given.preset:
            job = Job(name, seed, given.output / f"{name}-{seed}")
            settings = config(name, seed, given.path, job.folder, given.epochs)
            run(job, settings, lambda best: measure(best, given.path))
    results = [json.loads(path.read_text()) for path in sorted(given.output.glob("*/result.json"))]
    print(
        write_table(
            "dipeptides",
            table(
                results, published(given.path / "test.xyz"), f"`benchmarks/dipeptides.py PATH --epochs {given.epochs}`"
            ),
            results,
        )
    )


if __name__ == "__main__":
    main()
