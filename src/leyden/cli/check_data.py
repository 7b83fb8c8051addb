"""leyden check-data: a table of what a data file holds, and a verdict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leyden.train.inspect import Inspection, inspect


def check_data(path: Annotated[Path, typer.Argument(help="A file with structures, for example extended XYZ.")]) -> None:
    """Show every key of a data file and what it is taken for, and say whether the file is fit for training.

    Raises InputError for a file that cannot be read; exits with 2 if there are problems.
    """
    report, console = inspect(path), Console(highlight=False, soft_wrap=True)
    console.print(_table(report))
    for name, value in _summary(report).items():
        console.print(f"[bold]{name:<17}[/bold] {escape(value)}")
    for style, name, lines in (
        ("cyan", "note", report.notes), ("yellow", "warning", report.warnings), ("red", "problem", report.problems)
    ):  # fmt: skip
        for line in lines:
            console.print(f"[{style}]{name}[/{style}] {escape(line)}")
    if report.problems:
        console.print(f"[bold red]Not ready: {len(report.problems)} problem(s) to repair.[/bold red]")
        raise typer.Exit(2)
    console.print(f"[bold green]Ready to train on {', '.join(report.labels)}.[/bold green]")


def _table(report: Inspection) -> Table:
    title = f"{escape(report.path.name)}: {report.structures} structures"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("place", "key", "frames", "shape", "range", "taken for"):
        table.add_column(column, no_wrap=column in ("key", "shape"), overflow="fold")
    for row in report.keys:
        cells = (row.place, row.key, str(row.count), row.shape, row.span, row.taken_for)
        table.add_row(*map(escape, cells), style="dim" if row.taken_for == "not used" else None)
    return table


def _summary(report: Inspection) -> dict[str, str]:
    def counted(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{n} x {what}" for what, n in counts.items())

    return {
        "atoms": f"{report.atoms} ({counted(report.elements)})",
        "periodicity": counted(report.periodicity),
        "total charge (e)": counted({f"{q:g}": n for q, n in report.total_charges.items()}) or "unknown",
        "same geometry": f"{report.duplicates} structures repeat an earlier one",
        "largest force": "none" if report.max_force is None else f"{report.max_force:.3f} eV/Å",
        "closest atoms": "none within 3 Å" if report.closest is None else f"{report.closest:.3f} Å",
        "sha256": report.sha256[:16],
    }
