"""leyden md: molecular dynamics with a trained model."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import Progress

from leyden.calculators import LeydenCalculator
from leyden.checks import InputError
from leyden.dynamics import Settings, run
from leyden.dynamics.run import THERMOSTATS
from leyden.train.checkpoint import Interrupted
from leyden.train.files import load


def md(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    structure: Annotated[Path, typer.Argument(help="Structure file; the last frame is used.")],
    temperature: Annotated[float, typer.Option(help="K", min=0.0)] = 300.0,
    steps: Annotated[int, typer.Option(min=1)] = 1000,
    timestep: Annotated[float, typer.Option(help="fs", min=0.001)] = 0.5,
    thermostat: Annotated[str, typer.Option(help=f"{', '.join(THERMOSTATS)}; none is NVE")] = "langevin",
    time_constant: Annotated[float, typer.Option(help="of the thermostat, fs", min=0.01)] = 100.0,
    every: Annotated[int, typer.Option(help="Steps between frames of the trajectory.", min=1)] = 10,
    output: Annotated[Path, typer.Option(help="Trajectory, extended xyz with charges.")] = Path("md.xyz"),
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run that wrote the output.")] = False,
    seed: Annotated[int, typer.Option()] = 0,
    charge: Annotated[float | None, typer.Option(help="Total charge, e, if the structure does not carry it.")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64")] = "float64",
    device: Annotated[str, typer.Option()] = "cpu",
) -> None:
    """Run NVE or NVT dynamics; prints temperature, drift of the conserved energy, and speed."""
    settings = Settings(steps, timestep, temperature, thermostat, time_constant, every, seed)
    calculator = LeydenCalculator(model, _device(device), dtype, charge)
    console, last = Console(soft_wrap=True), None
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("dynamics", total=steps)
            for last in run(load(structure)[-1], calculator, settings, output, resume):
                bar.update(task, completed=last.steps)
    except KeyboardInterrupt:
        done = f"after {last.steps} of {steps} steps" if last else "before the first frame was written"
        raise Interrupted(f"stopped {done}; continue with the same command and --resume.") from None
    if last is None:
        console.print(f"{output}: the run already has {steps} steps; nothing to do.", highlight=False)
        return
    drift = "not conserved by Langevin dynamics" if last.drift is None else f"{last.drift:.2e} eV/atom/ps"
    console.print(f"{last.steps} steps of {timestep} fs in {output}", highlight=False)
    console.print(f"mean temperature {last.temperature:.0f} K (second half); energy drift {drift}", highlight=False)
    console.print(f"{last.ns_per_day:.3g} ns/day", highlight=False)


def _device(name: str) -> str:
    """The name of a device that is there. Raises InputError for any other."""
    try:
        torch.zeros((), device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        found = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        raise InputError(f"--device: expected one of {', '.join(found)}, got {name!r}.") from None
    return name
