"""Liquid water: a model of RPBE-D3 water, and 64 waters at 300 K from the command line.

python benchmarks/water_box.py PATH

PATH is the folder water_rpbe_d3; 40 of the 50 frames of test-H2O_RPBE-D3.xyz (192 atoms, periodic) train, 10 validate.
Then `leyden md` runs 64 waters with Langevin dynamics, and the script reads from the trajectory the first peak of g_OO,
the mean temperature, and the longest O-H bond.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from ase.geometry import get_distances
from ase.io import read, write
from harness import Job, machine, numbers, run, write_table

from leyden.storage import load
from leyden.train.config import Config, DataSection, OptimizerSection, preset
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

FILE = "test-H2O_RPBE-D3.xyz"


def prepare(source: Path, folder: Path) -> dict[str, Path]:
    """Split the frames: every fifth validates."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = read(source / FILE, ":")
    parts = {"train": [a for n, a in enumerate(frames) if n % 5], "val": frames[::5]}
    files = {part: folder / f"{part}.xyz" for part in parts}
    for part, chosen in parts.items():
        write(files[part], chosen, format="extxyz")
    write(folder / "start.xyz", frames[0], format="extxyz")
    return files | {"start": folder / "start.xyz"}


def config(files: dict[str, Path], folder: Path, epochs: int) -> Config:
    """The preset les with one frame a batch."""
    return preset("les", files["train"]).model_copy(
        update={
            "output": folder,
            "data": DataSection(train=files["train"], validation=files["val"]),
            "optimizer": OptimizerSection(epochs=epochs, batch_size=1),
        }
    )


def dynamics(best: Path, start: Path, steps: int, folder: Path) -> dict:
    """Run the command and look at the trajectory's second half."""
    trajectory = folder / "md.xyz"
    for old in folder.glob("md.*"):
        old.unlink()
    command = [
        sys.executable,
        "-m",
        "leyden",
        "md",
        str(best),
        str(start),
        "--temperature",
        "300",
        "--steps",
        str(steps),
    ]
    command += ["--timestep", "0.5", "--dtype", "float32", "--every", "20", "--output", str(trajectory)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(printed)
    frames = read(trajectory, ":")
    later = frames[len(frames) // 2 :]
    bonds = [a.get_all_distances(mic=True)[np.ix_(a.numbers == 8, a.numbers == 1)] for a in later]
    return {
        "command": "leyden md run/best start.xyz " + " ".join(command[6:-2]),
        "printed": [line.replace(str(folder), "runs/water_box") for line in printed.splitlines()],
        "ns_per_day": float(next(line.split()[0] for line in printed.splitlines() if line.endswith("ns/day"))),
        "picoseconds": float(frames[-1].info["time_ps"]),
        "temperature": float(np.mean([a.get_temperature() for a in later])),
        "oxygen_peak": peak(later),
        "longest_bond": float(max(np.sort(d, axis=1)[:, :2].max() for d in bonds)),
    }


def peak(frames: list) -> tuple[float, float]:
    """Position (Å) and height of the first maximum of g_OO."""
    edges = np.arange(2.0, 6.0, 0.1)
    counts, expected = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for atoms in frames:
        o = atoms.positions[atoms.numbers == 8]
        _, distances = get_distances(o, cell=atoms.cell, pbc=True)
        counts += np.histogram(distances[np.triu_indices(len(o), 1)], edges)[0]
        shell = 4 / 3 * np.pi * np.diff(edges**3)
        expected += shell * len(o) * (len(o) - 1) / 2 / atoms.get_volume()
    g = counts / expected
    best = int(np.argmax(g))
    return float(edges[best] + 0.05), float(g[best])


def main() -> None:
    """Train, simulate, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=Path("runs/water_box"))
    parser.add_argument("--train-only", action="store_true")
    given = parser.parse_args()
    files = prepare(given.path, given.output / "data")
    job = Job("les", 0, given.output / "les")

    def measure(best: Path) -> dict:
        potential = load(best)
        return {"val": numbers(evaluate(potential, frames_for(potential, files["val"]).frames, 1))}

    result = run(job, config(files, job.folder, given.epochs), measure)
    if given.train_only:
        return
    found = dynamics(job.folder / "best", files["start"], given.steps, given.output)
    val = result["val"]
    lines = [
        "# Liquid water, RPBE-D3, 64 molecules at 300 K",
        "",
        f"Training: `benchmarks/water_box.py PATH --epochs {given.epochs}`, 40 frames; {result['machine']},"
        f" {result['threads']} threads; {result['date']}; {result['training_seconds'] / 60:.1f} minutes.",
        "",
        f"Validation (10 frames): energy RMSE {1000 * val['energy']['rmse']:.2f} meV/atom,"
        f" force RMSE {1000 * val['forces']['rmse']:.1f} meV/Å.",
        "",
        f"Dynamics: `{found['command']}`; {machine()}, {torch.get_num_threads()} threads; {time.strftime('%Y-%m-%d')}.",
        "",
        "| ns/day | simulated, ps | mean T, K | first peak of g_OO | longest O-H bond, Å |",
        "|---|---|---|---|---|",
        f"| {found['ns_per_day']:.3g} | {found['picoseconds']:.2f} | {found['temperature']:.0f} |"
        f" {found['oxygen_peak'][1]:.2f} at {found['oxygen_peak'][0]:.2f} Å | {found['longest_bond']:.2f} |",
    ]
    print(write_table("water_box", lines, [result, found]))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
