"""leyden md: molecular dynamics with a trained model."""

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from leyden.calculators import LeydenCalculator
from leyden.checks import require
from leyden.cli.device import device_there
from leyden.dynamics import Settings, run
from leyden.dynamics.run import THERMOSTATS
from leyden.info import DISPLACEMENT_KEY
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
    field: Annotated[str | None, typer.Option(help="Uniform field Ex,Ey,Ez, V/Å, in place of the structure's.")] = None,
    displacement: Annotated[
        str | None, typer.Option(help="Displacement Dx,Dy,Dz over eps_0, V/Å, in a crystal; - where the field is held.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64")] = "float64",
    device: Annotated[str, typer.Option()] = "cpu",
) -> None:
    """Run NVE or NVT dynamics; prints temperature, drift of the conserved energy, and speed."""
    settings = Settings(steps, timestep, temperature, thermostat, time_constant, every, seed)
    calculator = LeydenCalculator(model, device_there(device), dtype, charge)
    atoms = load(structure)[-1]
    if field is not None:
        atoms.info["external_field"] = _numbers("--field", "Ex,Ey,Ez", field)
    if displacement is not None:
        atoms.info[DISPLACEMENT_KEY] = _numbers("--displacement", "Dx,Dy,Dz", displacement, absent="-")
    console, last = Console(soft_wrap=True), None
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("dynamics", total=steps)
            for last in run(atoms, calculator, settings, output, resume):
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


def _numbers(option: str, names: str, given: str, absent: str | None = None) -> list[float]:
    """Three finite numbers, NaN for absent ones. Raises InputError for anything else."""
    try:
        numbers = [math.nan if part.strip() == absent else float(part) for part in given.split(",")]
    except ValueError:
        numbers = []
    said = [x for x, part in zip(numbers, given.split(","), strict=False) if part.strip() != absent]
    fits = len(numbers) == 3 and len(said) > 0 and all(map(math.isfinite, said))
    instead = f", {absent} for those that are not held" if absent else ""
    require(fits, f"{option}: expected three numbers {names} in V/Å, such as 0,0,0.01{instead}, got {given!r}.")
    return numbers
