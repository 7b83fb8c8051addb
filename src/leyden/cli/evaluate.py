"""leyden eval: errors of a model on labelled structures."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from leyden.cli.tables import error_table
from leyden.storage import load
from leyden.train.evaluate import evaluate as run
from leyden.train.frames import frames_for


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder, such as runs/les/best.")],
    data: Annotated[Path, typer.Argument(help="Structures with reference labels.")],
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    ignore_pbc: Annotated[
        bool, typer.Option("--open", help="Treat every structure as open, whatever the file says.")
    ] = False,
) -> None:
    """Print RMSE, MAE, R2 and slope of everything the file labels."""
    console = Console(soft_wrap=True)
    potential = load(model)
    found = frames_for(potential, data, pbc=False if ignore_pbc else None)
    for line in (*found.notes, *found.warnings):
        console.print(f"note: {line}", highlight=False, markup=False)
    result = run(potential, found.frames, batch_size)
    console.print(error_table(result))
    console.print(
        f"{len(found.frames)} structures, {result.atoms.sum()} atoms in {result.seconds:.1f} s", highlight=False
    )
    if result.solved is not None:
        solved = result.solved
        console.print(
            f"densities solved in {solved.iterations.mean():.1f} iterations ({solved.iterations.max()} at most),"
            f" largest residual {np.nanmax(solved.residual):.1e} {'eV/e' if np.isnan(solved.radius).all() else 'e'}",
            highlight=False,
        )
        if solved.failed:
            console.print(f"left out, their density was not found: structures {solved.failed}", highlight=False)
    if result.charges is not None:
        long = abs(result.energy_long / result.atoms).mean()
        console.print(f"mean |E_long| {1000 * long:.1f} meV/atom", highlight=False)
