"""leyden init: print a config for a preset and a data file."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from leyden.checks import InputError
from leyden.spec.backbones import KINDS as BACKBONES
from leyden.train.config import PRESETS, Config, dump, preset
from leyden.train.data import read_frames


def init(
    data: Annotated[Path | None, typer.Option(help="Training file with energies and forces.")] = None,
    preset_name: Annotated[str, typer.Option("--preset", help=f"One of {', '.join(PRESETS)}.")] = "les",
    backbone: Annotated[str, typer.Option(help=f"One of {', '.join(BACKBONES)}.")] = "cartesian",
    source: Annotated[Path | None, typer.Option("--from", help="File of a trained model of that backbone.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of configs, for editors.")] = False,
) -> None:
    """Print a training config as YAML; redirect it into a file."""
    if schema:
        print(json.dumps(Config.model_json_schema(), indent=2))
        return
    if data is None:
        raise InputError("init: expected --data with the training file, got none.")
    config = preset(preset_name, data, backbone, source)
    found = read_frames(data)
    for line in (*found.notes, *found.warnings):
        print(f"# {line}", file=sys.stderr)
    print(f"# leyden train CONFIG.yaml    preset {preset_name}, {len(found.frames)} structures in {data}")
    print(dump(config), end="")
