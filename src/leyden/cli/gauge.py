"""leyden gauge: the scale of a model's latent charges, from a handful of labels."""

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leyden.checks import require
from leyden.storage import load, metadata, save
from leyden.train.frames import frames_for
from leyden.train.gauge import LABELS, estimate_scale, scalable


def gauge(
    model: Annotated[Path, typer.Argument(help="Model folder, such as runs/les/best.")],
    data: Annotated[Path, typer.Argument(help="Structures with Born charges, or open ones with dipoles.")],
    label: Annotated[str | None, typer.Option(help=f"{' or '.join(LABELS)}; the first that is there")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the model with this scale.")] = None,
) -> None:
    """Estimate by what latent charges have to be multiplied, sqrt(eps_inf) of a bulk; energies and forces of neutral
    structures do not depend on it.
    """
    require(output is None or not output.exists(), f"{output}: expected a new folder, found one; choose another.")
    console = Console(soft_wrap=True, highlight=False)
    potential = load(model)
    charges = scalable(potential)
    found = frames_for(potential, data)
    for line in found.notes:
        console.print(f"note: {line}", markup=False)
    scale = estimate_scale(potential, found.frames, label)
    unit = "e" if scale.label == "born_effective_charges" else "e Å"
    spread = "" if math.isnan(scale.error) else f" ± {scale.error:.4f}"
    console.print(f"scale    {scale.value:.4f}{spread}, {scale}")
    console.print(f"eps_inf  {scale.permittivity:.4f}")
    console.print(
        f"RMSE     {scale.before:.4g} {unit} as the model is (scale {charges.scale:g}), then {scale.after:.4g}"
    )
    if output is None:
        return
    charges.scale = scale.value
    save(potential, output, metadata(model) | {"charge_scale": str(scale)})
    console.print(f"model with this scale in {output}")
