"""leyden demo: train two small models and see what the long range changes."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def demo(
    data: Annotated[Path, typer.Option(help="Folder with the ion pairs of Leyden's sources.")] = Path(
        "datasets/ion_pairs"
    ),
    output: Annotated[Path, typer.Option()] = Path("runs/demo"),
    epochs: Annotated[int, typer.Option(min=1)] = 100,
) -> None:
    """Train short-range and les on ion pairs, a few minutes on two cores, and write a report."""
    from leyden.demo import run

    console = Console(soft_wrap=True)
    rows, page = run(data, output, epochs, console)
    table = Table(
        "", "force RMSE\n< 10 Å\n(meV/Å)", "RMSE of the\nion-ion force\n> 10 Å (meV/Å)", "E(15 Å)\n-E(10 Å)\n(eV)",
        "charge\nof NH4+\n(e)", box=None,
    )  # fmt: skip
    for row in rows:
        charge = "-" if row.charge is None else f"{row.charge:+.3f}"
        table.add_row(row.name, f"{row.near:.1f}", f"{row.pull:.1f}", f"{row.rise:.3f}", charge)
    console.print(table)
    console.print(f"{page}", highlight=False)
