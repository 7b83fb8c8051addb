"""leyden report: a page and the numbers of a run."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leyden.report import verdict, write
from leyden.report.assemble import assemble


def report(
    run: Annotated[Path, typer.Argument(help="Run folder, such as runs/les.")],
    test: Annotated[
        Path | None, typer.Option(help="Labelled structures; by default the config's test or validation.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="Run folder of a short-range model to compare with.")] = None,
    scan: Annotated[
        Path | None, typer.Option(help="Two ions pulled apart: frames with `separation` and REF_energy.")
    ] = None,
) -> None:
    """Write report.html and report.json into the run folder."""
    console = Console(soft_wrap=True)
    content = assemble(run, test, baseline, scan)
    page = write(content, run)
    for line in verdict(content):
        console.print(line.text, highlight=False)
    console.print(f"{page}", highlight=False)
