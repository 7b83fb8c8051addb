"""report.json: the numbers of the page, by name. NaN and infinity, which JSON lacks, become null."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from leyden.report import summary
from leyden.report.composition import rows_of
from leyden.report.content import Check, FarRange, LearningCurve, Report
from leyden.report.molecules import transfer_row
from leyden.report.solver import charge_states, hardness_rows, solver_row
from leyden.report.trends import convergence, tails
from leyden.report.verdict import verdict
from leyden.train.metrics import Evaluation

Json = Any
"""Whatever JSON can hold."""


def numbers(report: Report) -> dict[str, Json]:
    """Everything that the page states, ready for json.dump(..., allow_nan=False)."""
    scale = report.provenance.charge_scale
    content = {
        "title": report.title,
        "verdict": [asdict(line) for line in verdict(report)],
        "evaluation": _evaluation(report.evaluation, scale),
        "baseline": None if report.baseline is None else _evaluation(report.baseline, scale),
        "frames_better_than_baseline": {key: summary.frames_better(report, key) for key in report.evaluation.parities},
        "learning_curve": _curve(report.curve),
        "baseline_learning_curve": _curve(report.baseline_curve),
        "far_range": [_far_range(probe) for probe in report.far_range],
        "checks": [_check(check) for check in report.checks],
        "provenance": asdict(report.provenance),
    }
    plain: dict[str, Json] = _plain(content)
    return plain


def _evaluation(evaluation: Evaluation, scale: float) -> dict[str, Json]:
    transfer = transfer_row(evaluation)
    return {
        "frames": len(evaluation.atoms),
        "atoms": int(evaluation.atoms.sum()),
        "errors": {name: asdict(row) for name, row in rows_of(evaluation).items()},
        "by_config_type": [asdict(row) for row in summary.type_rows(evaluation)],
        "energy_split_ev_per_atom": [asdict(row) for row in summary.split_rows(evaluation)],
        "charges": [asdict(row) for row in summary.charge_rows(evaluation, scale)],
        "largest_charge_error_e": summary.charge_error(evaluation),
        "charge_transfer_between_molecules": None if transfer is None else asdict(transfer),
        "solver": _solver(evaluation),
        "seconds": evaluation.seconds,
        "notes": evaluation.notes,
    }


def _solver(evaluation: Evaluation) -> dict[str, Json] | None:
    solved = evaluation.solved
    if solved is None:
        return None
    return asdict(solver_row(solved)) | {
        "iterations": solved.iterations,
        "by_total_charge": [asdict(state) for state in charge_states(evaluation)],
        "hardness_ev_per_e2": [asdict(row) for row in hardness_rows(evaluation)],
    }


def _curve(curve: LearningCurve | None) -> dict[str, Json] | None:
    if curve is None:
        return None
    found = convergence(curve)
    return {"epoch": curve.epoch, "columns": curve.columns, "convergence": None if found is None else asdict(found)}


def _far_range(probe: FarRange) -> dict[str, Json]:
    return {
        "label": probe.label,
        "relative_to": probe.zero,
        "charge_product_e2": probe.charge_product,
        "separation_angstrom": probe.separation,
        "coulomb_ev": probe.coulomb,
        "reference_ev": None if probe.reference is None else probe.relative(probe.reference),
        "curves_ev": {name: probe.relative(energy) for name, energy in probe.curves.items()},
        "tails_e2": [asdict(found) for found in tails(probe)],
    }


def _check(check: Check) -> dict[str, Json]:
    return asdict(check) | {"passed": check.passed}


def _plain(value: object) -> Json:
    """Arrays to lists, numpy numbers to Python's, non-finite numbers to None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
