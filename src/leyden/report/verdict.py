"""The verdict: a few sentences derived from the numbers, the most important first."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from leyden.report.content import Check, FarRange, LearningCurve, Report
from leyden.report.molecules import transfer_row
from leyden.report.summary import charge_error, energy_key, error_rows, frames_better
from leyden.report.text import FORCE_KEY, fixed, label, number, percent, plural, quantity
from leyden.report.trends import Convergence, convergence, tails

Status = Literal["good", "attention", "bad", "note"]
CONSERVED = 1e-4
SAME = 0.02
OVERFIT = 1.2
TAIL_TOLERANCE = 0.15
TRANSFERRED = 0.1
"""Charge (e) that moves between molecules beyond what is common in nature."""


@dataclass(frozen=True)
class Line:
    """A sentence and how to take it."""

    status: Status
    text: str


def verdict(report: Report) -> list[Line]:
    """All sentences that the report's contents allow."""
    lines = [headline(report), *failures(report), *unsolved(report), training(report.curve)]
    lines += against_baseline(report)
    lines += [charge(report), *between_molecules(report), *far(report), checked(report.checks)]
    return lines


def headline(report: Report) -> Line:
    """The errors themselves."""
    rows = error_rows(report.evaluation)
    parts = []
    if FORCE_KEY in rows and rows[FORCE_KEY].points:
        row = rows[FORCE_KEY]
        relative = f" ({percent(row.rmse / row.spread)} of their spread)" if row.spread > 0 else ""
        parts.append(f"force RMSE {quantity(row.rmse, row.unit)}{relative}")
    energy = energy_key(report.evaluation)
    if energy is not None and rows[energy].points:
        parts.append(f"energy RMSE {quantity(rows[energy].rmse, rows[energy].unit)}")
    if not parts:
        return Line("attention", "Neither energies nor forces are labelled, so there is no error to quote.")
    text = " and ".join(parts)
    return Line("note", f"{text[0].upper()}{text[1:]} on {plural(len(report.evaluation.atoms), 'test frame')}.")


def failures(report: Report) -> list[Line]:
    """Predictions that are not finite."""
    failed = {name: row.failed for name, row in error_rows(report.evaluation).items() if row.failed}
    if not failed:
        return []
    named = ", ".join(f"{count} of {label(name).lower()}" for name, count in failed.items())
    return [Line("bad", f"The model gave values that are not finite ({named}); every error below leaves them out.")]


def unsolved(report: Report) -> list[Line]:
    """Structures whose density was not found."""
    solved = report.evaluation.solved
    if solved is None or not solved.failed:
        return []
    of = f"{len(solved.failed)} of {plural(len(solved.iterations), 'structure')}"
    return [Line("bad", f"The density of {of} was not found; every error below leaves them out.")]


def training(curve: LearningCurve | None) -> Line:
    """Whether training converged."""
    if curve is None:
        return Line("note", "No learning curve was given, so convergence is not judged.")
    found = convergence(curve)
    if found is None:
        return Line("note", "Too few validation losses were recorded to judge convergence.")
    return _trained(found)


def _trained(found: Convergence) -> Line:
    best = f"lowest at epoch {found.best_epoch}, last epoch {found.last_epoch}"
    if found.last_over_best > OVERFIT:
        ratio = number(found.last_over_best)
        return Line("attention", f"Validation loss has risen: {best}, now {ratio} times as large (overfitting).")
    if found.falling:
        fell = f"it fell by {percent(found.late_fall)} over the last fifth of training"
        return Line("attention", f"Validation loss still falling at the last epoch ({best}): {fell}; train longer.")
    return Line(
        "good", f"Training converged: validation loss {best}; it fell by less than 2% over the last fifth of training."
    )


def against_baseline(report: Report) -> list[Line]:
    """Forces and energies compared with the short-range baseline."""
    if report.baseline is None:
        return [Line("note", "No short-range baseline was given, so the gain from long range is not judged.")]
    ours, theirs = error_rows(report.evaluation), error_rows(report.baseline)
    keys = [key for key in (FORCE_KEY, energy_key(report.evaluation)) if key is not None]
    pairs = [(key, ours[key].rmse, theirs[key].rmse) for key in keys if key in ours and key in theirs]
    return [_compared(report, key, mine, other, ours[key].unit) for key, mine, other in pairs if mine > 0 and other > 0]


def _compared(report: Report, key: str, mine: float, other: float, unit: str) -> Line:
    name = "Energy" if key != FORCE_KEY else "Force"
    won = frames_better(report, key)
    frames = "" if won is None else f", better on {won[0]} of {plural(won[1], 'frame')}"
    values = f"{quantity(mine, unit)} against {quantity(other, unit)}{frames}"
    if mine < other * (1 - SAME):
        return Line("good", f"{name} RMSE {percent(1 - mine / other)} below the short-range baseline: {values}.")
    if mine > other * (1 + SAME):
        return Line("bad", f"{name} RMSE {percent(mine / other - 1)} above the short-range baseline: {values}.")
    return Line("attention", f"{name} RMSE equals the short-range baseline's within 2%: {values}.")


def charge(report: Report) -> Line:
    """Whether the latent charges add up to the total charge."""
    if report.evaluation.charges is None:
        return Line("note", "This model has no charges, so there is no charge to conserve.")
    error = charge_error(report.evaluation)
    if np.isnan(error):
        return Line("bad", "Charges are not finite, so nothing can be said about their sum.")
    if error <= CONSERVED:
        return Line("good", f"Charge conserved: Σq equals Q within {quantity(error, 'e', 2)} in every frame.")
    return Line("bad", f"Charge not conserved: Σq differs from Q by up to {quantity(error, 'e')}.")


def between_molecules(report: Report) -> list[Line]:
    """Whether molecules have charges far from whole ones."""
    row = transfer_row(report.evaluation)
    if row is None or not row.largest > TRANSFERRED:
        return []
    worst = row.worst[0]
    return [
        Line(
            "attention",
            f"Charge moves between molecules: {quantity(row.mean, 'e')} on average, {quantity(row.largest, 'e')} at"
            f" most ({worst.formula} of structure {worst.frame}); look whether they are far from each other.",
        )
    ]


def far(report: Report) -> list[Line]:
    """Charge product felt at large separation by the first model of every probe."""
    return [line for probe in report.far_range for line in _tail_of(probe)]


def _tail_of(probe: FarRange) -> list[Line]:
    """Compared with the reference's own tail, which also holds weaker interactions; else with the exact product."""
    products = {t.curve: t.charge_product for t in tails(probe) if np.isfinite(t.charge_product)}
    name = next(iter(probe.curves), None)
    if name is None or name not in products:
        return []
    source = "reference" if "reference" in products else "exact"
    target = products.get("reference", probe.charge_product)
    agrees = abs(products[name] - target) <= TAIL_TOLERANCE * abs(target)
    felt = f"{fixed(products[name], 2)}\u00a0e² ({source} {fixed(target, 2)}\u00a0e²)"
    return [Line("good" if agrees else "bad", f"Far range, {probe.label}: the tail of {name} has q₁q₂ = {felt}.")]


def checked(checks: list[Check]) -> Line:
    """How many checks passed, and the worst."""
    if not checks:
        return Line("note", "No physics checks were run.")
    worst = max(checks, key=lambda check: check.severity)
    failed = sum(not check.passed for check in checks)
    of = f"{number(abs(worst.value), 2)} of {quantity(worst.tolerance, worst.unit, 2)} allowed"
    if failed:
        return Line("bad", f"{failed} of {plural(len(checks), 'check')} failed; worst: {worst.name}, {of}.")
    return Line("good", f"All {plural(len(checks), 'check')} passed; closest to its limit: {worst.name}, {of}.")
