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
    epochs: Annotated[int, typer.Option(min=1)] = 60,
) -> None:
    """Train short-range and les on ion pairs, a few minutes on two cores, and write a report."""
    from leyden.demo import run

    console = Console()
    rows, page = run(data, output, epochs, console)
    table = Table("model", "force RMSE < 10 Å", "force RMSE > 10 Å", "E(15 Å) - E(10 Å)", "charge of NH4+", box=None)
    for row in rows:
        charge = "-" if row.charge is None else f"{row.charge:+.3f} e"
        table.add_row(row.name, f"{row.near:.1f} meV/Å", f"{row.far:.1f} meV/Å", f"{row.rise:.3f} eV", charge)
    console.print(table)
    console.print(f"{page}", highlight=False)
