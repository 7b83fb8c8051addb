"""Sections of the page on charges and on the solver that finds them."""

import numpy as np
from ase.data import atomic_numbers

from leyden.charges.electronegativity import electronegativity
from leyden.report import charge_tables, figures
from leyden.report.content import Report
from leyden.report.molecules import transfer_row
from leyden.report.parts import figure, say
from leyden.report.solver import charge_states, hardness_rows, solver_row
from leyden.report.summary import ChargeRow, charge_rows
from leyden.report.text import grouped, plural, quantity
from leyden.train.metrics import Evaluation, Solved

LATENT = (
    "These charges are not DFT partial charges: they are what makes the trained quantities right, and no partition of"
    " the electron density is meant. Sign: positive where electrons are missing. Energies and forces of neutral"
    " structures stay the same with all signs reversed; the convention is that electronegative elements are negative."
)
BULK = "in a bulk medium the factor is the square root of its electronic dielectric constant."


def charges(report: Report) -> str:
    """Charges by element, and what moves between molecules."""
    rows = charge_rows(report.evaluation, report.provenance.charge_scale)
    if not rows:
        return say("This model has no charges.")
    scale = f"{report.provenance.charge_scale:g}"
    scaled = f"Scale: charge = {scale} × latent charge ({report.provenance.charge_scale_source}); {BULK}"
    caption = "Fraction of atoms; blue: positive mean, red: negative."
    plot = figure(figures.charge_histograms(report.evaluation), caption=caption)
    text = say(LATENT) + say(f"{_signs(rows)} {scaled}".strip())
    pair = f'<div class="pair">{plot}<div>{charge_tables.charges(report)}</div></div>'
    return text + pair + _molecules(report.evaluation)


def _signs(rows: list[ChargeRow]) -> str:
    """Which elements are negative, and whether that is the convention."""
    means = [row.mean for row in rows]
    if len(rows) < 2 or not np.isfinite(means).all():
        return ""
    negative = ", ".join(row.element for row in rows if row.mean < 0) or "none"
    chi = [electronegativity(atomic_numbers[row.element]) for row in rows]
    reversed_here = float(np.cov(chi, means)[0, 1]) > 0
    verdict_here = "is reversed" if reversed_here else "holds"
    return f"Elements that are negative on average: {negative}; the convention {verdict_here} here."


def _molecules(evaluation: Evaluation) -> str:
    """Charge that has moved between molecules, where there are several."""
    row = transfer_row(evaluation)
    if row is None:
        return ""
    text = (
        f"{plural(row.frames, 'structure')} of several molecules, {grouped(row.molecules)} molecules in all: their"
        " charges differ from the closest whole number, or from the charge that a fragment is given, by"
        f" {quantity(row.mean, 'e')} on average and {quantity(row.largest, 'e')} at most. Molecules far from others"
        " have whole charges; models that equilibrate charges, or shift them all, let charge flow at any distance."
    )
    return "<h3>Charge transfer between molecules</h3>" + say(text) + charge_tables.molecules(row)


def solver(solved: Solved, evaluation: Evaluation) -> str:
    """How the charges were found: over all structures, by total charge, and the hardnesses."""
    text = (
        "The charges of this model solve equations, structure by structure. A structure whose solution was not found is"
        " left out of all errors."
    )
    plot = figure(figures.iterations(solved), caption="Structures by iterations of the solver.")
    pair = f'<div class="pair">{plot}<div>{charge_tables.solver(solver_row(solved))}</div></div>'
    states, hardness = charge_states(evaluation), hardness_rows(evaluation)
    by_charge = charge_tables.charge_states(states) if len(states) > 1 else ""
    return say(text) + pair + by_charge + (charge_tables.hardness(hardness) if hardness else "")
