"""leyden response: dipole, quadrupole, polarizability, Born charges, chemical potential and hardness of structures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from ase import Atoms
from ase.io import write
from rich.console import Console

from leyden import storage
from leyden.calculators import LeydenCalculator
from leyden.charges import Local
from leyden.checks import InputError, nearest, require
from leyden.cli.device import device_there
from leyden.cli.response_table import heading, lines
from leyden.properties.labelled import labelled
from leyden.properties.summary import ElectricalProperties, electrical_properties
from leyden.system import System
from leyden.train.files import load
from leyden.train.progress import track
from leyden.train.values import located, place

NAMES = {
    "dipole": "dipole", "quadrupole": "quadrupole", "polarizability": "polarizability",
    "born": "born_effective_charges", "chemical_potential": "chemical_potential", "hardness": "hardness",
}  # fmt: skip
"""What --properties takes, and what the library calls it."""


def response(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    structures: Annotated[Path, typer.Argument(help="Structures; every frame is evaluated.")],
    output: Annotated[Path, typer.Option(help="Extended xyz with everything as labels.")] = Path("response.xyz"),
    properties: Annotated[str, typer.Option(help="Some of these, with commas between them.")] = ",".join(NAMES),
    charge: Annotated[float | None, typer.Option(help="Total charge, e, if the structures do not carry it.")] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    dtype: Annotated[str, typer.Option(help="float32 or float64")] = "float64",
    device: Annotated[str, typer.Option()] = "cpu",
) -> None:
    """Print how each structure answers to fields, displacements and charge, and write it as labels."""
    wanted = ["charges", *_wanted(properties)]
    same = output.exists() and structures.exists() and output.samefile(structures)
    require(not same, f"--output: expected another file than the structures, got {output}; choose another.")
    calculator, frames = LeydenCalculator(model, device_there(device), dtype, charge), load(structures)
    systems, found = _systems(calculator, frames, structures), list[ElectricalProperties]()
    starts = range(0, len(systems), batch_size)
    for first in track(starts, "response", len(starts)):
        part = systems[first : first + batch_size]
        last = first + len(part) - 1
        with located(place(structures, first) if last == first else f"{structures}, frames {first} to {last}"):
            found += electrical_properties(calculator.potential, System.join(part), wanted)
    _write(output, [labelled(each) for each in found])
    console = Console(soft_wrap=True, highlight=False)
    for number, each in enumerate(found):
        console.print("\n".join((heading(number, each), *lines(each, wanted), "")), markup=False)
    for note in _notes(calculator, model, wanted):
        console.print(f"note: {note}", markup=False)
    console.print(f"{len(found)} structures with labels in {output}", markup=False)


def _wanted(given: str) -> list[str]:
    names = [name.strip() for name in given.split(",")]
    for name in names:
        hint = nearest(name, NAMES)
        require(name in NAMES, f"--properties: expected some of {', '.join(NAMES)}, got {name!r}{hint}.")
    return [NAMES[name] for name in NAMES if name in names]


def _systems(calculator: LeydenCalculator, frames: Sequence[Atoms], path: Path) -> list[System]:
    systems = []
    for number, atoms in enumerate(frames):
        with located(place(path, number)):
            systems.append(calculator.system(atoms))
    with located(str(path)):  # charges that only some of the frames have
        System.from_ase(frames, calculator.charge)
    return systems


def _write(output: Path, frames: Sequence[Atoms]) -> None:
    try:
        write(output, frames, format="extxyz")
    except OSError as error:
        raise InputError(f"{output}: expected a file that can be written, got {error.strerror}.") from None


def _notes(calculator: LeydenCalculator, model: Path, wanted: Sequence[str]) -> list[str]:
    """What a reader of the numbers should know about the model."""
    known, notes = storage.metadata(model).get("total_charges", []), []
    if {"chemical_potential", "hardness"} & set(wanted) and len(known) == 1:
        notes.append(
            f"the model was trained at the total charge {known[0]:g} only: chemical potential and hardness, derivatives"
            " by it, are extrapolated."
        )
    charges = calculator.potential.charges
    if isinstance(charges, Local) and charges.scale != 1.0:
        notes.append(f"charges are latent; in its bulk physical ones are {charges.scale:g} times as large.")
    return notes
