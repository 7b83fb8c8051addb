"""leyden eval: errors of a model on labelled structures."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from leyden.cli.tables import error_table
from leyden.report.molecules import transfer_row
from leyden.report.solver import charge_states, hardness_rows, solver_row
from leyden.report.text import fixed, number
from leyden.storage import load
from leyden.train.evaluate import evaluate as run
from leyden.train.frames import frames_for
from leyden.train.metrics import Evaluation, Solved


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder, such as runs/les/best.")],
    data: Annotated[Path, typer.Argument(help="Structures with reference labels.")],
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    ignore_pbc: Annotated[
        bool, typer.Option("--open", help="Treat every structure as open, whatever the file says.")
    ] = False,
) -> None:
    """Print RMSE, MAE, R2 and slope of everything the file labels, and how the charges were found."""
    console = Console(soft_wrap=True, highlight=False)
    potential = load(model)
    found = frames_for(potential, data, pbc=False if ignore_pbc else None)
    for line in (*found.notes, *found.warnings):
        console.print(f"note: {line}", markup=False)
    result = run(potential, found.frames, batch_size)
    console.print(error_table(result))
    console.print(f"{len(found.frames)} structures, {result.atoms.sum()} atoms in {result.seconds:.1f} s")
    if result.solved is not None:
        _print_solver(console, result, result.solved)
    if result.charges is not None:
        long = abs(result.energy_long / result.atoms).mean()
        console.print(f"mean |E_long| {1000 * long:.1f} meV/atom")
    _print_molecules(console, result)


def _print_solver(console: Console, result: Evaluation, solved: Solved) -> None:
    """Iterations and residuals, over all structures and by total charge; hardnesses by element."""
    row, states, hardness = solver_row(solved), charge_states(result), hardness_rows(result)
    console.print(
        f"densities solved in {row.mean_iterations:.1f} iterations ({row.most_iterations} at most),"
        f" largest residual {row.largest_residual:.1e} {row.residual_unit}"
    )
    if row.left_out:
        console.print(f"left out, their density was not found: structures {row.left_out}")
    table = Table("charge", "structures", "iterations", "most", "residual", "curvature", "radius", "left out", box=None)
    for state in states:
        of = state.solver
        table.add_row(
            f"{state.total_charge:+g}" if state.total_charge else "0", str(of.structures), f"{of.mean_iterations:.1f}",
            str(of.most_iterations), f"{of.largest_residual:.1e}", number(of.smallest_curvature),
            number(of.largest_radius), str(len(of.left_out)),
        )  # fmt: skip
    console.print(table)
    for each in hardness:
        span = f"{fixed(each.smallest, 3)} to {fixed(each.largest, 3)}"
        console.print(f"hardness of {each.element}: {span} eV/e^2")


def _print_molecules(console: Console, result: Evaluation) -> None:
    """Charge that has moved between molecules."""
    row = transfer_row(result)
    if row is None:
        return
    worst = ", ".join(f"{each.frame} ({each.formula})" for each in row.worst)
    console.print(f"charge moved between molecules: {row.mean:.4f} e on average, {row.largest:.4f} e at most")
    console.print(f"most in structures {worst}")
