"""Tables of the page as HTML; every text is escaped here."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from leyden.report import summary
from leyden.report.composition import rows_of
from leyden.report.content import Array, FarRange, Report
from leyden.report.text import FORCE_KEY, fixed, grouped, label, number, pretty_unit
from leyden.report.trends import tails


@dataclass(frozen=True)
class Html:
    """Markup that is already safe; a plain str in a cell is escaped."""

    markup: str


Cell = str | Html
WORDS = {"good": "OK", "bad": "Problem", "attention": "Attention", "note": "Note"}


def badge(status: str, word: str | None = None) -> Html:
    """A status in words, tinted."""
    return Html(f'<span class="badge {status}">{word or WORDS[status]}</span>')


def safe(cell: Cell) -> str:
    """Escaped markup of a cell."""
    return cell.markup if isinstance(cell, Html) else escape(cell)


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str = "", text: Sequence[int] = ()) -> str:
    """A table; columns other than the first and those in `text` are right-aligned numbers."""
    mark = {column: ' class="text"' for column in text}
    head = "".join(f'<th scope="col"{mark.get(n, "")}>{escape(name)}</th>' for n, name in enumerate(header))
    body = "".join(
        "<tr>" + "".join(f"<td{mark.get(n, '')}>{safe(cell)}</td>" for n, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def errors(report: Report) -> str:
    """All errors; beside them the baseline's root mean square error where there is one."""
    theirs = {} if report.baseline is None else rows_of(report.baseline)
    header = ["Property", "Unit", "RMSE", "MAE", "R²", "Slope", "Spread of reference", "Values"]
    header += ["RMSE of baseline", "Ratio"] if theirs else []
    rows = []
    for name, row in rows_of(report.evaluation).items():
        cells = [label(name), pretty_unit(row.unit), number(row.rmse), number(row.mae), fixed(row.r2, 4)]
        cells += [fixed(row.slope, 4), number(row.spread), grouped(row.points)]
        if theirs:
            other = theirs[name].rmse if name in theirs else float("nan")
            cells += [number(other), fixed(row.rmse / other, 2) if other > 0 else "–"]
        rows.append(cells)
    return table(header, rows, "Errors over all labelled values.", text=(1,))


def by_type(report: Report) -> str:
    """Energy and force errors by configuration type."""
    units = {name: row.unit for name, row in summary.error_rows(report.evaluation).items()}
    energy = pretty_unit(units.get(summary.energy_key(report.evaluation) or "", ""))
    force = pretty_unit(units.get(FORCE_KEY, ""))
    rows = [
        [row.config_type, str(row.frames), number(row.energy_rmse), number(row.force_rmse)]
        for row in summary.type_rows(report.evaluation)
    ]
    header = ["Configuration type", "Frames", f"Energy RMSE ({energy})", f"Force RMSE ({force})"]
    return table(header, rows, "Errors by configuration type.")


def energy_split(report: Report) -> str:
    """Short and long part of the energy per atom by configuration type."""
    rows = [
        [row.config_type, str(row.frames), fixed(row.mean_short, 4), number(1000 * row.std_short),
         number(1000 * row.mean_long), number(1000 * row.std_long)]
        for row in summary.split_rows(report.evaluation)
    ]  # fmt: skip
    header = ["Configuration type", "Frames", "Short: mean (eV/atom)", "Short: std (meV/atom)"]
    return table(
        [*header, "Long: mean (meV/atom)", "Long: std (meV/atom)"],
        rows,
        "Energy per atom, mean and spread over frames.",
    )


def far_range(probe: FarRange) -> str:
    """Energies at every separation."""
    order = np.argsort(probe.separation)
    columns: dict[str, Array] = {} if probe.reference is None else {"Reference": probe.relative(probe.reference)}
    columns |= {name: probe.relative(energy) for name, energy in probe.curves.items()}
    columns["k q₁q₂/r"] = probe.coulomb
    rows = [[fixed(float(probe.separation[n]), 3), *(fixed(float(e[n]), 4) for e in columns.values())] for n in order]
    return table(["Separation (Å)", *columns], rows, f"Energy in eV relative to the {probe.zero}.")


def far_range_tails(probe: FarRange) -> str:
    """Charge product that each curve has at large separation, and its error against the reference."""
    rows = [[found.curve, fixed(found.charge_product, 3), number(1000 * found.rmse)] for found in tails(probe)]
    rows.append(["point charges", fixed(probe.charge_product, 3), "–"])
    caption = "Fit of a + k q₁q₂/r to the outer half of the separations; RMSE against the reference over all of them."
    return table(["Curve", "q₁q₂ of the tail (e²)", "RMSE (meV)"], rows, caption)


def checks(report: Report) -> str:
    """Every check with its tolerance and whether it passed, in words."""
    rows: list[list[Cell]] = [
        [
            check.name,
            badge("good", "passed") if check.passed else badge("bad", "failed"),
            number(abs(check.value), 2),
            number(check.tolerance, 2),
            pretty_unit(check.unit),
            Html(f'<span class="small">{escape(check.note)}</span>'),
        ]
        for check in report.checks
    ]
    return table(["Check", "Result", "Value", "Tolerance", "Unit", "Meaning"], rows, text=(1, 4, 5))
