"""Numbers derived from the facts of a report, computed once for the page, the verdict and report.json.

Error rows keep the definitions of leyden.train.metrics; entries without a finite reference (not labelled) or without a
finite prediction (a failure, counted) are left out of them.
"""

from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from leyden.report.content import Report
from leyden.report.text import ENERGY_KEYS, FORCE_KEY, error_unit
from leyden.train.metrics import Evaluation, Parity


@dataclass(frozen=True)
class ErrorRow:
    """Errors of one property in `unit` (milli-electronvolt units for energies); R2 and slope have none."""

    name: str
    unit: str
    points: int
    rmse: float
    mae: float
    r2: float
    slope: float
    spread: float
    unlabelled: int
    failed: int


@dataclass(frozen=True)
class TypeRow:
    """One configuration type: frames, RMSE of energy per atom and of forces, each in the unit of its error row."""

    config_type: str
    frames: int
    energy_rmse: float
    force_rmse: float


@dataclass(frozen=True)
class SplitRow:
    """Energies per atom of one configuration type: mean short and long part (eV), standard deviations (eV)."""

    config_type: str
    frames: int
    mean_short: float
    std_short: float
    mean_long: float
    std_long: float


@dataclass(frozen=True)
class ChargeRow:
    """Charges of one element in e; latent_mean is the mean over charge_scale."""

    element: str
    atoms: int
    mean: float
    std: float
    lowest: float
    highest: float
    latent_mean: float


def labelled(parity: Parity) -> Parity:
    """The entries with a finite reference and a finite prediction."""
    keep = np.isfinite(parity.reference) & np.isfinite(parity.predicted)
    return Parity(parity.name, parity.unit, parity.reference[keep], parity.predicted[keep], parity.frame[keep])


def error_row(name: str, parity: Parity) -> ErrorRow:
    """Errors of one property; all NaN where nothing is labelled."""
    clean = labelled(parity)
    factor, unit = error_unit(parity.unit)
    unlabelled = int((~np.isfinite(parity.reference)).sum())
    failed = int((np.isfinite(parity.reference) & ~np.isfinite(parity.predicted)).sum())
    points = len(clean.reference)
    if points == 0:
        nan = float("nan")
        return ErrorRow(name, unit, 0, nan, nan, nan, nan, nan, unlabelled, failed)
    return ErrorRow(
        name, unit, points, factor * clean.rmse, factor * clean.mae, clean.r2, clean.slope,
        factor * float(np.std(clean.reference)), unlabelled, failed,
    )  # fmt: skip


def error_rows(evaluation: Evaluation) -> dict[str, ErrorRow]:
    """Errors of every property, by name."""
    return {name: error_row(name, parity) for name, parity in evaluation.parities.items()}


def energy_key(evaluation: Evaluation) -> str | None:
    """The key under which this evaluation holds the energy."""
    return next((key for key in ENERGY_KEYS if key in evaluation.parities), None)


def config_types(evaluation: Evaluation) -> list[str]:
    """Configuration types, most frames first, then by name."""
    kinds = set(evaluation.config_type)
    return sorted(kinds, key=lambda kind: (-evaluation.config_type.count(kind), kind))


def frames_of(evaluation: Evaluation, kind: str) -> NDArray[np.bool_]:
    """Mask (F,) of the frames of a configuration type."""
    return np.array([entry == kind for entry in evaluation.config_type], dtype=bool)


def _rmse_of(evaluation: Evaluation, key: str | None, frames: NDArray[np.bool_]) -> float:
    if key is None or key not in evaluation.parities:
        return float("nan")
    parity = evaluation.parities[key]
    keep = frames[parity.frame]
    part = Parity(parity.name, parity.unit, parity.reference[keep], parity.predicted[keep], parity.frame[keep])
    return error_row(key, part).rmse


def type_rows(evaluation: Evaluation) -> list[TypeRow]:
    """Energy and force errors by configuration type."""
    rows = []
    for kind in config_types(evaluation):
        frames = frames_of(evaluation, kind)
        energy = _rmse_of(evaluation, energy_key(evaluation), frames)
        rows.append(TypeRow(kind, int(frames.sum()), energy, _rmse_of(evaluation, FORCE_KEY, frames)))
    return rows


def split_rows(evaluation: Evaluation) -> list[SplitRow]:
    """Short- and long-range energy per atom by configuration type."""
    short, far = evaluation.energy_short / evaluation.atoms, evaluation.energy_long / evaluation.atoms
    rows = []
    for kind in config_types(evaluation):
        s, f = short[frames_of(evaluation, kind)], far[frames_of(evaluation, kind)]
        rows.append(SplitRow(kind, len(s), *(float(v) for v in (s.mean(), s.std(), f.mean(), f.std()))))
    return rows


def charge_rows(evaluation: Evaluation, scale: float) -> list[ChargeRow]:
    """Charges by element, in order of atomic number; empty for a model without charges."""
    if evaluation.charges is None:
        return []
    rows = []
    for z in np.unique(evaluation.numbers):
        q = evaluation.charges[evaluation.numbers == z]
        q = q[np.isfinite(q)] if np.isfinite(q).any() else q
        mean = float(q.mean())
        rows.append(
            ChargeRow(chemical_symbols[z], len(q), mean, float(q.std()), float(q.min()), float(q.max()), mean / scale)
        )
    return rows


def charge_error(evaluation: Evaluation) -> float:
    """Largest |sum q - Q| of any frame, e; NaN for a model without charges."""
    if evaluation.charges is None:
        return float("nan")
    frame = np.repeat(np.arange(len(evaluation.atoms)), evaluation.atoms)
    total = np.bincount(frame, weights=evaluation.charges, minlength=len(evaluation.atoms))
    return float(np.abs(total - evaluation.total_charge).max())


def frames_better(report: Report, key: str) -> tuple[int, int] | None:
    """Frames on which this model's squared error is below the baseline's, and frames compared; None if they differ."""
    ours = report.evaluation.parities.get(key)
    theirs = None if report.baseline is None else report.baseline.parities.get(key)
    if ours is None or theirs is None or not np.array_equal(ours.frame, theirs.frame):
        return None
    if not np.array_equal(ours.reference, theirs.reference, equal_nan=True):
        return None
    keep = np.isfinite(ours.reference) & np.isfinite(ours.predicted) & np.isfinite(theirs.predicted)
    gain = (theirs.predicted - ours.reference) ** 2 - (ours.predicted - ours.reference) ** 2
    by_frame = (
        np.bincount(ours.frame[keep], weights=gain[keep])[np.unique(ours.frame[keep])] if keep.any() else gain[:0]
    )
    return int((by_frame > 0).sum()), len(by_frame)
