"""leyden train: run a config."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leyden.checks import require
from leyden.train.config import load_config


def train(
    config: Annotated[Path, typer.Argument(help="YAML written by `leyden init`.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, for example optimizer.epochs=50")] = None,
    restart: Annotated[
        str, typer.Option(help="no, auto (continue the run in the output folder), or a checkpoint.")
    ] = "no",
) -> None:
    """Train a potential; Ctrl-C leaves a run that --restart auto continues."""
    require(
        find_spec("lightning") is not None, "train: expected lightning, found none; run: pip install 'leyden[train]'."
    )
    from leyden.train.run import main_process
    from leyden.train.run import train as run

    settings = load_config(config, overrides or [])
    console = Console(quiet=not main_process(), soft_wrap=True)
    done = run(settings, restart, console)
    console.print(f"{done.epochs} epochs in {done.seconds:.0f} s; best model in {done.best}", highlight=False)
    console.print(f"next: leyden eval {done.best} TEST.xyz   or   leyden report {settings.output}", highlight=False)
