"""The demonstration: a short-range and a long-range model of NH4+ and HCOO-, side by side.

Both train on pairs closer than 10 Å; the test is what happens beyond, where only the Coulomb energy is left.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase.io import read, write
from rich.console import Console

from leyden.checks import InputError
from leyden.report import write as write_report
from leyden.report.assemble import assemble
from leyden.report.content import FarRange, Report
from leyden.storage import load
from leyden.system import System
from leyden.train.config import Config, DataSection, OptimizerSection, preset
from leyden.train.run import train
from leyden.units import MILLI

PARTS = ("train", "val", "test")
KINDS = ("NH4+/HCOO-", "monomer NH4+", "monomer HCOO-")
CATION = 5
"""The first five atoms of a pair are NH4+."""
FAR = 10.0
"""Å; beyond, no model has seen a training structure."""


@dataclass(frozen=True)
class Row:
    """One model: force RMSE (meV/Å) near and far, E(10 Å) - E(15 Å) (eV), charge of NH4+ in the far pairs (e)."""

    name: str
    near: float
    far: float
    rise: float
    charge: float | None


def run(data: Path, output: Path, epochs: int, console: Console) -> tuple[list[Row], Path]:
    """Train both models and write the report; the first row is the reference. Raises InputError without the data."""
    files = _subset(data, output / "data")
    for name in ("short-range", "les"):
        console.print(f"training {name}", style="bold")
        train(_config(name, files, output / name, epochs), console=console)
    report = assemble(output / "les", files["test"], output / "short-range", data / "scan.xyz")
    page = write_report(report, output)
    return _rows(report, output / "les", files["test"]), page


def _subset(data: Path, folder: Path) -> dict[str, Path]:
    """Write the frames of the pair and its ions to files of their own."""
    files = {}
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = data / f"{part}.xyz"
        if not source.is_file():
            raise InputError(
                f"{source}: expected the ion pairs that come with Leyden's sources; give their folder with --data."
            )
        frames = [atoms for atoms in read(source, ":") if atoms.info["config_type"] in KINDS]
        files[part] = folder / f"{part}.xyz"
        write(files[part], frames, format="extxyz")
    return files


def _config(name: str, files: dict[str, Path], output: Path, epochs: int) -> Config:
    base = preset(name, files["train"])
    return base.model_copy(
        update={
            "output": output,
            "data": DataSection(train=files["train"], validation=files["val"], test=files["test"]),
            "optimizer": OptimizerSection(epochs=epochs),
        }
    )


def _rows(report: Report, run: Path, test: Path) -> list[Row]:
    """Reference, short-range and les, from the numbers of the report."""
    structures = read(test, ":")
    separation = np.array([atoms.info["separation"] for atoms in structures])
    curve = report.far_range[0]
    assert report.baseline is not None and curve.reference is not None
    rows = [Row("reference (DFT)", 0.0, 0.0, _rise(curve, curve.reference), 1.0)]
    for name, found in (("short-range", report.baseline), ("les", report.evaluation)):
        forces = found.parities["forces"]
        errors = forces.predicted - forces.reference
        beyond = separation[forces.frame] > FAR
        near, far = (float(np.sqrt(np.mean(errors[part] ** 2))) / MILLI for part in (~beyond, beyond))
        charge = _cation_charge(run, [a for a in structures if a.info["separation"] > FAR]) if name == "les" else None
        rows.append(Row(name, near, far, _rise(curve, curve.curves[name]), charge))
    return rows


def _rise(curve: FarRange, energy: np.ndarray) -> float:
    """E at the largest separation minus E at the one closest to 10 Å (both between centres of mass), eV."""
    return float(energy[np.argmax(curve.separation)] - energy[np.argmin(np.abs(curve.separation - FAR))])


def _cation_charge(run: Path, structures: list) -> float:
    potential = load(run / "best", torch.float64)
    charges = [potential(System.from_ase(atoms)).charges for atoms in structures]
    return float(np.mean([q[:CATION].sum().item() for q in charges if q is not None]))
