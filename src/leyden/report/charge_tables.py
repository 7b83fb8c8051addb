"""Tables on charges and on how they were found, as HTML."""

from collections.abc import Sequence

from leyden.report import summary
from leyden.report.content import Report
from leyden.report.molecules import TransferRow
from leyden.report.solver import ChargeState, HardnessRow, SolverRow
from leyden.report.tables import table
from leyden.report.text import NOTHING, fixed, grouped, number, plural

SHOWN = 8
"""Structures named where there may be many."""


def charges(report: Report) -> str:
    """Charges by element, and the latent ones that energies and forces determine."""
    scale = report.provenance.charge_scale
    rows = [
        [
            row.element,
            str(row.atoms),
            *(fixed(v, 4) for v in (row.mean, row.std, row.lowest, row.highest, row.latent_mean)),
        ]
        for row in summary.charge_rows(report.evaluation, scale)
    ]
    header = ["Element", "Atoms", "Mean (e)", "Std (e)", "Lowest (e)", "Highest (e)", "Latent mean (e)"]
    return table(header, rows, f"Charges by element; the last column is their mean over the charge scale, {scale:g}.")


def solver(row: SolverRow) -> str:
    """How densities were found; a curvature or a spectral radius only where there is one."""
    named = _named(row)
    rows = [
        ["Iterations, mean", number(row.mean_iterations), "", "of one structure"],
        ["Iterations, most", grouped(row.most_iterations), "", "of one structure"],
        ["Largest residual", number(row.largest_residual), row.residual_unit, "violation of an equation"],
        ["Smallest curvature", number(row.smallest_curvature), "eV/e²", "positive at a minimum"],
        ["Largest spectral radius", number(row.largest_radius), "", "plain steps converge below 1"],
        ["Left out", grouped(len(row.left_out)), "", f"structures {named}" if named else "density found in all"],
    ]
    shown = [cells for cells in rows if cells[1] != NOTHING]
    caption = f"Over {plural(row.structures, 'structure')}; curvature and spectral radius are estimates."
    return table(["Quantity", "Value", "Unit", "Meaning"], shown, caption, text=(2, 3))


def charge_states(states: Sequence[ChargeState]) -> str:
    """The solver for each total charge, a row each; a column only where there is a number."""
    unit = states[0].solver.residual_unit
    columns = {
        "Total charge (e)": [
            f"{state.total_charge:+g}".replace("-", "−") if state.total_charge else "0" for state in states
        ],
        "Structures": [grouped(state.solver.structures) for state in states],
        "Iterations, mean": [number(state.solver.mean_iterations) for state in states],
        "Iterations, most": [grouped(state.solver.most_iterations) for state in states],
        f"Largest residual ({unit})": [number(state.solver.largest_residual) for state in states],
        "Smallest curvature (eV/e²)": [number(state.solver.smallest_curvature) for state in states],
        "Largest spectral radius": [number(state.solver.largest_radius) for state in states],
        "Left out": [grouped(len(state.solver.left_out)) for state in states],
    }
    shown = {name: cells for name, cells in columns.items() if set(cells) != {NOTHING}}
    return table(list(shown), list(zip(*shown.values(), strict=True)), "By total charge of the structure.")


def hardness(rows: Sequence[HardnessRow]) -> str:
    """Smallest and largest hardness of each element."""
    cells = [[row.element, grouped(row.atoms), fixed(row.smallest, 3), fixed(row.largest, 3)] for row in rows]
    caption = "Hardness by element: second derivative of the energy of an atom by its charge, without that of V."
    return table(["Element", "Atoms", "Smallest (eV/e²)", "Largest (eV/e²)"], cells, caption)


def molecules(row: TransferRow) -> str:
    """The structures with the most charge moved between molecules."""
    cells = [
        [str(worst.frame), worst.config_type, worst.formula]
        + [fixed(value, 4) for value in (worst.charge, worst.expected, worst.transferred)]
        for worst in row.worst
    ]
    header = ["Structure", "Configuration type", "Molecule", "Charge (e)", "Expected (e)", "Difference (e)"]
    return table(header, cells, "Structures with the largest difference, and the molecule that has it.", text=(1, 2))


def _named(row: SolverRow) -> str:
    """Structures left out, by number, and an ellipsis where there are more."""
    return ", ".join(str(n) for n in row.left_out[:SHOWN]) + (", …" if len(row.left_out) > SHOWN else "")
