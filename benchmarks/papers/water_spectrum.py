"""Liquid water: infrared spectrum and static dielectric constant from dynamics with models of RPBE-D3 water.

python benchmarks/papers/water_spectrum.py DATA                       train, simulate, write table and picture
python benchmarks/papers/water_spectrum.py DATA --picoseconds 50      the same, going on where an earlier run stopped
python benchmarks/papers/water_spectrum.py DATA --quick               one seed, a few epochs and steps

DATA is the folder water_rpbe_d3; the models are those of water_box.py, one a seed. `leyden md` heats 64 molecules for
2 ps and then records frames every 4 fs with a thermostat so weak that it leaves vibrations alone; Born charges of the
model along them give

    J = sum_i Z*_i v_i    (the spectrum),    M(t) = int J dt    (the dielectric constant).

All seeds are lengthened in turn, a block at a time, and what was found of a block is kept in its folder.
"""

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ase.io import read
from experiment import Job, asked, numbers
from harness import run, write_table
from water_box import config, prepare
from water_spectrum_report import EPS_INF, Found, numbers_of, plot, table

from leyden.properties.correlation import Transform
from leyden.properties.electric import born_charges
from leyden.properties.fluctuations import dielectric_constant
from leyden.properties.recorded import along, polarization
from leyden.properties.spectra import infrared
from leyden.properties.trajectory import Trajectory
from leyden.storage import load
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for

NAME = "water_spectrum"
ATOMS, TIMESTEP, EVERY = 192, 0.5, 8
TOGETHER = 400
"""Atoms whose Born charges are computed at a time; more take gigabytes."""


def trained(seed: int, given: argparse.Namespace, files: dict[str, Path]) -> Path:
    """The model of a seed; a finished run is read."""
    job = Job("les", seed, given.output / f"seed{seed}")
    settings = config(files, job.folder, given.epochs).model_copy(update={"seed": seed})

    def measure(best: Path) -> dict:
        potential = load(best)
        return {"val": numbers(evaluate(potential, frames_for(potential, files["val"]).frames, 1))}

    run(job, settings, measure)
    return job.folder / "best"


def simulate(best: Path, start: Path, output: Path, picoseconds: float, *options: str) -> None:
    """`leyden md`, going on where it stopped, up to a length."""
    resume = ["--resume"] if output.with_suffix(".state.npz").exists() else []
    steps = str(round(1000 * picoseconds / TIMESTEP))
    command = [sys.executable, "-m", "leyden", "md", str(best), str(start), "--steps", steps, "--output", str(output)]
    command += ["--timestep", str(TIMESTEP), "--dtype", "float32", "--temperature", "300", *options, *resume]
    subprocess.run(command, check=True)


def heated(seed: int, given: argparse.Namespace, files: dict[str, Path]) -> Path:
    """Train and heat one seed, as far as that is not done; the trajectory whose end is the start."""
    best, output = trained(seed, given, files), given.output / f"seed{seed}" / "heated.xyz"
    simulate(
        best, files["start"], output, given.heating, "--thermostat", "langevin", "--every", "100", "--seed", str(seed)
    )
    return output


def lengthen(seed: int, given: argparse.Namespace, start: Path, picoseconds: float) -> None:
    """Simulate up to a length and evaluate Born charges along it."""
    folder = given.output / f"seed{seed}"
    weak = ("--thermostat", "bussi", "--time-constant", "1000", "--every", str(EVERY), "--seed", str(seed))
    simulate(folder / "best", start, folder / "md.xyz", picoseconds, *weak)
    follow(folder)


def follow(folder: Path) -> None:
    """Append current (e Å/fs) and change of the dipole (e Å) of frames that are new to electrical.npz."""
    path = folder / "electrical.npz"
    known = dict(np.load(path)) if path.exists() else {}
    done = len(known.get("current", ()))
    frames = read(folder / "md.xyz", f"{max(0, done - 1)}:", format="extxyz")
    if len(frames) < 2:
        return
    piece = Trajectory.of(frames)
    potential = load(folder / "best", torch.float64).requires_grad_(False)
    born = np.array(list(along(partial(born_charges, potential), frames, TOGETHER)))
    found = {"current": np.einsum("tnab,tnb->ta", born, piece.velocities), "dipole": polarization(born, piece)}
    found["temperature"] = np.array([frame.get_temperature() for frame in frames])
    if done:
        found["dipole"] += known["dipole"][-1]
        found = {name: np.concatenate([known[name], values[1:]]) for name, values in found.items()}
    constants = {"volume": frames[0].get_volume(), "timestep": piece.timestep}
    np.savez(path, **found, **constants)


def hydrogen(best: Path, files: dict[str, Path], frames: int = 2) -> np.ndarray:
    """Principal values (K, 3), e, ascending, of the physical Born charges of hydrogens in validation frames."""
    structures = read(files["val"], f":{frames}")
    potential = load(best, torch.float64).requires_grad_(False)
    born = EPS_INF**0.5 * np.concatenate(list(along(partial(born_charges, potential), structures, TOGETHER)))
    tensors = born[np.concatenate([atoms.numbers for atoms in structures]) == 1]
    return np.linalg.eigvalsh(0.5 * (tensors + tensors.transpose(0, 2, 1)))


def collect(seed: int, folder: Path, files: dict[str, Path], resolution: float) -> Found:
    """Spectrum and dielectric constant of all frames of a seed, in physical charges."""
    kept, scale = np.load(folder / "electrical.npz"), EPS_INF**0.5
    timestep, volume = float(kept["timestep"]), float(kept["volume"])
    temperature = float(kept["temperature"].mean())
    spectrum = infrared(scale * kept["current"], Transform(timestep, resolution), temperature, volume)
    log = np.load(folder / "md.state.npz")["log"]
    return Found(
        seed, timestep * (len(kept["current"]) - 1) / 1000, temperature,
        float(np.polyfit(log[:, 0], log[:, 4], 1)[0] / ATOMS), spectrum.wavenumbers, spectrum.intensity,
        100 / spectrum.averages**0.5, dielectric_constant(scale * kept["dipole"], volume, temperature, EPS_INF),
        hydrogen(folder / "best", files), json.loads((folder / "result.json").read_text()),
    )  # fmt: skip


def asked_for() -> argparse.Namespace:
    """The command line; lengths in ps."""

    def number(default: float, meaning: str) -> dict:
        return {"type": float, "default": default, "help": meaning}

    dynamics = {
        "heating": number(2.0, "ps, Langevin dynamics that is not used"),
        "picoseconds": number(20.0, "of each seed"),
        "block": number(2.0, "ps, after which it is another seed's turn"),
        "resolution": number(60.0, "of the spectrum, cm^-1"),
        "heat-only": {"action": "store_true", "help": "train and heat"},
    }
    given = asked(__doc__, NAME, 60, 4, "data", also=dynamics)
    if given.quick:
        given.heating, given.picoseconds, given.resolution = 0.05, 0.25, 300.0
    return given


def main() -> None:
    """Lengthen all seeds in turn."""
    given = asked_for()
    files = prepare(given.data, given.output / "data")
    if not given.table:
        if given.heat_only:
            return print(*(heated(seed, given, files) for seed in given.seed))
        for picoseconds in np.arange(given.block, given.picoseconds + given.block, given.block):
            for seed in given.seed:
                lengthen(seed, given, heated(seed, given, files), min(float(picoseconds), given.picoseconds))
    folders = {seed: given.output / f"seed{seed}" for seed in given.seed}
    found = [collect(n, f, files, given.resolution) for n, f in folders.items() if (f / "electrical.npz").exists()]
    if not found:
        raise SystemExit(f"{given.output}: expected finished dynamics, got none; run without --table.")
    longest = round(max(f.picoseconds for f in found))
    seeds = " ".join(str(f.seed) for f in found)
    command = f"benchmarks/papers/{NAME}.py DATA --epochs {given.epochs} --seed {seeds} --picoseconds {longest:g}"
    dynamics = (
        f"300 K, {TIMESTEP} fs, float32; {given.heating:g} ps of Langevin dynamics that are not used, then a Bussi"
        f" thermostat of 1 ps, a frame every {TIMESTEP * EVERY:g} fs"
    )
    lines = table(found, command, dynamics, given.resolution)
    print(write_table(NAME, lines, [numbers_of(f) for f in found], given.tables))
    plot(found, given.tables / f"{NAME}.png")


if __name__ == "__main__":
    main()
