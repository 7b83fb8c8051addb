"""leyden spectrum: infrared, Raman and power spectra, and the dielectric constant, of a trajectory."""

import math
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from leyden import storage
from leyden.checks import InputError, require
from leyden.properties import spectra, spectrum_file
from leyden.properties.correlation import WINDOWS, Transform
from leyden.properties.fluctuations import dielectric_constant
from leyden.properties.quantum import CORRECTIONS
from leyden.properties.recorded import Electrical
from leyden.properties.trajectory import Trajectory
from leyden.train.files import load
from leyden.train.progress import track

KINDS = ("ir", "raman", "power", "dielectric")
USED = {
    "output": "ir raman power", "model": "ir raman dielectric", "scale": "ir dielectric", "window": "ir raman power",
    "resolution": "ir raman power", "quantum": "ir raman", "temperature": "ir raman dielectric", "laser": "raman",
    "eps_inf": "dielectric", "dipole": "ir dielectric",
}  # fmt: skip
"""Kinds that an option is for."""


def spectrum(
    context: typer.Context,
    trajectory: Annotated[Path, typer.Argument(help="Trajectory, as leyden md writes it.")],
    kind: Annotated[str, typer.Option(help=", ".join(KINDS))] = "ir",
    output: Annotated[Path, typer.Option(help="A .csv or a .png.")] = Path("spectrum.csv"),
    model: Annotated[Path | None, typer.Option(help="Model folder, for Born charges or polarizabilities.")] = None,
    scale: Annotated[float, typer.Option(help="Physical over latent charge of the model, sqrt(eps_inf).")] = 1.0,
    resolution: Annotated[float, typer.Option(help="Full width of a line at half its height, cm^-1.")] = 10.0,
    window: Annotated[str, typer.Option(help=", ".join(WINDOWS))] = "gaussian",
    quantum: Annotated[str, typer.Option(help=f"Quantum correction: {', '.join(CORRECTIONS)}")] = "harmonic",
    temperature: Annotated[float | None, typer.Option(help="K, if not that of the velocities.")] = None,
    laser: Annotated[float, typer.Option(help="Wavelength of the laser of a Raman spectrum, nm.")] = 532.0,
    eps_inf: Annotated[float, typer.Option(help="Electronic part of the dielectric constant.")] = 1.0,
    dipole: Annotated[str | None, typer.Option(help="Key in info of dipoles that go on without jumps, e Å.")] = None,
    timestep: Annotated[float | None, typer.Option(help="fs between frames, if the file has no time_ps.")] = None,
    skip: Annotated[int, typer.Option(help="Frames to leave out at the beginning.", min=0)] = 0,
    last: Annotated[int | None, typer.Option(help="Number of the last frame to take.", min=0)] = None,
) -> None:
    """Write a spectrum and print its highest peaks; or print the dielectric constant."""
    require(kind in KINDS, f"--kind: expected one of {', '.join(KINDS)}, got {kind!r}.")
    for option, kinds in USED.items():
        source = context.get_parameter_source(option)
        used = kind in kinds.split() or source is None or source.name != "COMMANDLINE"
        require(used, f"--kind {kind}: expected no --{option.replace('_', '-')}, which it has no use for; drop it.")
    write = spectrum_file.writer(output)
    run = Trajectory.of(load(trajectory)[skip : None if last is None else last + 1], timestep)
    heat = math.nan if kind == "power" else run.temperature if temperature is None else temperature
    potential = None if model is None else storage.load(model, torch.float64).requires_grad_(False)
    electrical = Electrical(run, potential, dipole, scale, track)
    console, how = Console(soft_wrap=True, highlight=False), Transform(run.timestep, resolution, window)
    times = f"; Born charges of the model times {scale:g}" if scale != 1.0 else ""
    console.print(f"{len(run.frames)} frames, {run.timestep:g} fs apart{times}")
    if kind == "dielectric":
        _print_dielectric(console, electrical, heat, eps_inf)
        return
    found = _spectrum(kind, electrical, how, heat, laser, quantum)
    write(found)
    for name, text in spectrum_file.notes(found).items():
        console.print(f"{name}: {text}", markup=False)
    for peak in spectra.peaks(found):
        console.print(f"peak at {peak.wavenumber:.0f} cm^-1: {peak.height:.3g}")
    console.print(f"spectrum in {output}", markup=False)


def _spectrum(
    kind: str, source: Electrical, how: Transform, heat: float, laser: float, quantum: str
) -> spectra.Spectrum:
    run = source.trajectory
    if kind == "power":
        return spectra.density_of_states(run.velocities, run.frames[0].get_masses(), run.frames[0].numbers, how)
    if kind == "raman":
        return spectra.raman(source.polarizabilities, how, heat, laser, quantum)
    if source.recorded_dipoles:
        return spectra.infrared_of_dipoles(source.dipoles, how, heat, run.volume, quantum)
    return spectra.infrared(source.current, how, heat, run.volume, quantum)


def _print_dielectric(console: Console, source: Electrical, heat: float, eps_inf: float) -> None:
    volume = source.trajectory.volume
    if volume is None:
        raise InputError(
            "--kind dielectric: expected a structure that is periodic along three axes, got an open one; its formula is"
            " that of a cell in conducting surroundings."
        )
    found = dielectric_constant(source.dipoles, volume, heat, eps_inf)
    console.print(f"dielectric constant {found.value:.4g} +- {found.error:.2g} at {heat:.1f} K, eps_inf {eps_inf:g}")
    console.print(f"{found.samples:.0f} independent dipoles; mean volume {volume:.1f} Å^3", markup=False)
    if found.warning:
        console.print(f"warning: {found.warning}", markup=False)
