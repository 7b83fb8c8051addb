"""The `leyden` command. A user's mistake is one sentence and exit code 2; Ctrl-C in training is exit code 130."""

import sys

import typer
from rich.console import Console

from leyden.checks import InputError
from leyden.cli.check_data import check_data
from leyden.cli.demo import demo
from leyden.cli.evaluate import evaluate
from leyden.cli.gauge import gauge
from leyden.cli.info import info
from leyden.cli.init import init
from leyden.cli.md import md
from leyden.cli.report import report
from leyden.cli.response import response
from leyden.cli.spectrum import spectrum
from leyden.cli.train import train
from leyden.train.checkpoint import Interrupted

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Electrostatics for machine-learning interatomic potentials: train, evaluate, run.",
)
app.command()(demo)
app.command()(info)
app.command("check-data")(check_data)
app.command()(init)
app.command()(train)
app.command("eval")(evaluate)
app.command()(md)
app.command()(report)
app.command()(response)
app.command()(spectrum)
app.command()(gauge)


def main() -> None:
    """Entry point of the console script."""
    errors = Console(stderr=True, soft_wrap=True)
    try:
        app(prog_name="leyden")
    except InputError as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False)
        sys.exit(2)
    except Interrupted as stop:
        errors.print(str(stop), markup=False, highlight=False)
        sys.exit(130)
