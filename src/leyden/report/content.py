"""What a report is about: an evaluation, learning curves, far-range probes, checks, provenance. Facts, no layout."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leyden.checks import require
from leyden.train.metrics import Evaluation
from leyden.units import COULOMB

Array = NDArray[np.float64]
Zero = Literal["largest separation", "separated fragments"]


@dataclass(frozen=True)
class LearningCurve:
    """Epoch numbers (ascending) and, for each recorded quantity, one value an epoch; NaN where it was not recorded.

    Known columns: train_loss, val_loss, val_energy_rmse (meV/atom), val_force_rmse (meV/Å), learning_rate, seconds.
    """

    epoch: list[int]
    columns: dict[str, list[float]]

    @staticmethod
    def from_csv(path: str | Path) -> "LearningCurve":
        """Read the table that training writes. Where a restart repeated an epoch, its last row counts.

        Raises InputError for a table without an epoch column or with an entry that is no number.
        """
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            require("epoch" in names, f"{path}: expected a column 'epoch', got {names}.")
            rows = {int(_number(path, "epoch", row["epoch"])): row for row in reader}
        epoch = sorted(rows)
        columns = {name: [_number(path, name, rows[e][name]) for e in epoch] for name in names if name != "epoch"}
        return LearningCurve(epoch, columns)


def _number(path: str | Path, column: str, text: str | None) -> float:
    """A table entry; empty means not recorded: NaN."""
    if text is None or not text.strip():
        require(column != "epoch", f"{path}: expected an epoch in every row, got an empty entry.")
        return math.nan
    try:
        return float(text)
    except ValueError:
        require(False, f"{path}: expected numbers in column {column!r}, got {text!r}.")
        raise


@dataclass(frozen=True)
class Check:
    """A quantity that should vanish, and how far from zero it may be; NaN fails."""

    name: str
    value: float
    tolerance: float
    unit: str
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether |value| is within the tolerance."""
        return abs(self.value) <= self.tolerance

    @property
    def severity(self) -> float:
        """|value| in units of the tolerance; infinite for NaN."""
        return math.inf if math.isnan(self.value) else abs(self.value) / self.tolerance


@dataclass(frozen=True)
class FarRange:
    """Two charged fragments pulled apart: energy against separation, from the reference and from models.

    separation (P,) Å between the centres of charge, any order; reference (P,) eV or None; curves name -> (P,) eV;
    charge_product q1 q2 in e^2. zero: what the energies are relative to. With "largest separation" every curve is
    shifted here, so absolute energies may be given; with "separated fragments" the caller has subtracted them.
    """

    label: str
    separation: Array
    reference: Array | None
    curves: dict[str, Array]
    charge_product: float = -1.0
    zero: Zero = "largest separation"

    def relative(self, energy: Array) -> Array:
        """Energies (P,) eV relative to the zero of the probe."""
        return energy if self.zero == "separated fragments" else energy - energy[self.outermost]

    @property
    def outermost(self) -> int:
        """Index of the largest separation at which every curve is finite (of all, where there is none)."""
        curves = [*self.curves.values(), *([] if self.reference is None else [self.reference])]
        finite = np.isfinite(np.stack([self.separation, *curves])).all(axis=0)
        return int(np.argmax(np.where(finite, self.separation, -np.inf) if finite.any() else self.separation))

    @property
    def coulomb(self) -> Array:
        """k_e q1 q2 / r relative to the zero, (P,) eV."""
        return self.relative(COULOMB * self.charge_product / self.separation)


CITATION = "Leyden (name and version as above), and the publications of the backbone and of the charge model in use."


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from.

    config: YAML text; data_hash and versions: name -> value; charge_scale: charge = charge_scale * latent charge,
    sqrt(eps_inf) in a bulk medium, and charge_scale_source how it was obtained; model: specification of the
    potential as text; timings: what -> seconds.
    """

    config: str
    data_hash: dict[str, str]
    versions: dict[str, str]
    command: str
    charge_scale: float
    charge_scale_source: str
    notes: list[str] = field(default_factory=list)
    model: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    citations: list[str] = field(default_factory=lambda: [CITATION])


@dataclass(frozen=True)
class Report:
    """All that a report shows; baseline is the short-range model on the same frames."""

    title: str
    evaluation: Evaluation
    baseline: Evaluation | None
    curve: LearningCurve | None
    baseline_curve: LearningCurve | None
    far_range: list[FarRange]
    checks: list[Check]
    provenance: Provenance
