"""leyden init: print a config for a preset and a data file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from leyden.train.config import PRESETS, dump, preset
from leyden.train.data import read_frames


def init(
    data: Annotated[Path, typer.Option(help="Training file with energies and forces.")],
    preset_name: Annotated[str, typer.Option("--preset", help=f"One of {', '.join(PRESETS)}.")] = "les",
) -> None:
    """Print a training config as YAML; redirect it into a file."""
    config = preset(preset_name, data)
    found = read_frames(data)
    for line in (*found.notes, *found.warnings):
        print(f"# {line}", file=sys.stderr)
    print(f"# leyden train CONFIG.yaml    preset {preset_name}, {len(found.frames)} structures in {data}")
    print(dump(config), end="")
