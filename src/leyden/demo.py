"""The demonstration: a short-range and a long-range model of NH4+ and HCOO-, side by side.

Both train on pairs closer than 10 Å; the test is what happens beyond, where only the Coulomb energy is left.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.io import read, write
from rich.console import Console

from leyden.checks import InputError
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.report import write as write_report
from leyden.report.assemble import assemble
from leyden.report.content import FarRange, Report
from leyden.storage import load
from leyden.system import System
from leyden.train.config import Config, DataSection, HardwareSection, OptimizerSection, preset
from leyden.train.run import train
from leyden.units import MILLI

PARTS = ("train", "val", "test")
MODELS = ("short-range", "les")
PAIR = "NH4+/HCOO-"
KINDS = (PAIR, "monomer NH4+", "monomer HCOO-")
CATION = 5
"""The first five atoms of that pair are NH4+."""
FAR = 10.0
"""Å; no model has seen a training structure beyond."""


@dataclass(frozen=True)
class Row:
    """One model, or the reference.

    near: force RMSE (meV/Å) within 10 Å; pull: RMSE (meV/Å) of the force between the ions beyond 10 Å; rise: E(15 Å) -
    E(10 Å) in eV; charge: of NH4+ beyond 10 Å in e, None for a model without charges.
    """

    name: str
    near: float
    pull: float
    rise: float
    charge: float | None


def run(data: Path, output: Path, epochs: int, console: Console) -> tuple[list[Row], Path]:
    """Train both models and write the report; the first row is the reference. Raises InputError without the data."""
    files = _subset(data, output / "data")
    for name in MODELS:
        console.print(f"training {name}", style="bold")
        train(_config(name, files, output / name, epochs), restart="auto", console=console)
    report = assemble(output / "les", files["test"], output / "short-range", data / "scan.xyz")
    return _rows(report, output, files["test"]), write_report(report, output)


def _subset(data: Path, folder: Path) -> dict[str, Path]:
    """Write the frames of the demonstration to files of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for part in PARTS:
        source = data / f"{part}.xyz"
        if not source.is_file():
            raise InputError(
                f"{source}: expected the ion pairs that come with Leyden's sources; give their folder with --data."
            )
        files[part] = folder / f"{part}.xyz"
        write(files[part], [a for a in read(source, ":") if a.info["config_type"] in KINDS], format="extxyz")
    return files


def _config(name: str, files: dict[str, Path], output: Path, epochs: int) -> Config:
    return preset(name, files["train"]).model_copy(
        update={
            "output": output,
            "data": DataSection(train=files["train"], validation=files["val"], test=files["test"]),
            "optimizer": OptimizerSection(epochs=epochs),
            "hardware": HardwareSection(threads=1),  # such small molecules leave nothing to share
        }
    )


def _rows(report: Report, output: Path, test: Path) -> list[Row]:
    """Reference, short-range and les."""
    structures = read(test, ":")
    far = [a for a in structures if a.info["separation"] > FAR and a.info["config_type"] == PAIR]
    near = np.array([a.info["separation"] <= FAR for a in structures])
    curve, baseline = report.far_range[0], report.baseline
    assert baseline is not None and curve.reference is not None
    rows = [Row("reference (DFT)", 0.0, 0.0, _rise(curve, curve.reference), 1.0)]
    for name, found in zip(MODELS, (baseline, report.evaluation), strict=True):
        parity = found.parities["forces"]
        error = (parity.predicted - parity.reference)[near[parity.frame]]
        pull, charge = _far_pairs(load(output / name / "best", torch.float64), far)
        rise = _rise(curve, curve.curves[name])
        rows.append(Row(name, float(np.sqrt(np.mean(error**2))) / MILLI, pull / MILLI, rise, charge))
    return rows


def _rise(curve: FarRange, energy: np.ndarray) -> float:
    """E at the largest separation minus E at the one closest to 10 Å (both between centres of mass), eV."""
    return float(energy[np.argmax(curve.separation)] - energy[np.argmin(np.abs(curve.separation - FAR))])


def _far_pairs(potential: Potential, structures: list[Atoms]) -> tuple[float, float | None]:
    """RMSE of the net force on NH4+ (eV/Å), and its mean charge (e)."""
    errors, charges = [], []
    for atoms in structures:
        found = forces(potential, System.from_ase(atoms), stress=False)
        errors.append(found.forces[:CATION].sum(0).numpy() - atoms.arrays["REF_forces"][:CATION].sum(0))
        if found.output.charges is not None:
            charges.append(found.output.charges[:CATION].sum().item())
    return float(np.sqrt(np.mean(np.square(errors)))), float(np.mean(charges)) if charges else None
