"""leyden response: dipole, quadrupole, polarizability, Born charges, chemical potential and hardness of structures, and
dielectric and piezoelectric tensors of crystals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from ase import Atoms
from ase.io import write
from rich.console import Console

from leyden import storage
from leyden.calculators import LeydenCalculator
from leyden.calculators.phonopy import require_phonopy, write_born
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
CRYSTALS = {
    "dielectric": ("electronic_dielectric_tensor", "static_dielectric_tensor"),
    "piezoelectric": ("piezoelectric_tensor", "relaxed_piezoelectric_tensor"),
}
"""What it takes too, but not unless asked: of crystals, with ions that are fixed and that follow."""


def response(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    structures: Annotated[Path, typer.Argument(help="Structures; every frame is evaluated.")],
    output: Annotated[Path, typer.Option(help="Extended xyz with everything as labels.")] = Path("response.xyz"),
    properties: Annotated[
        str, typer.Option(help=f"Some of these, with commas between them; also {', '.join(CRYSTALS)} of crystals.")
    ] = ",".join(NAMES),
    born: Annotated[Path | None, typer.Option(help="BORN file of phonopy to write, of a single crystal.")] = None,
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
    if born is not None:
        require_phonopy("--born")
        require(len(frames) == 1, f"--born: expected a file with one structure, got {len(frames)}; write one of them.")
    systems, found = _systems(calculator, frames, structures), list[ElectricalProperties]()
    if born is not None:
        with located(str(structures)):
            write_born(born, calculator.potential, systems[0].to_ase()[0])
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
    if born is not None:
        console.print(f"eps_inf and Born charges for phonopy --nac in {born}", markup=False)


def _wanted(given: str) -> list[str]:
    names = [name.strip() for name in given.split(",")]
    for name in names:
        hint = nearest(name, (*NAMES, *CRYSTALS))
        known = f"--properties: expected some of {', '.join((*NAMES, *CRYSTALS))}, got {name!r}{hint}."
        require(name in NAMES or name in CRYSTALS, known)
    wanted = [NAMES[name] for name in NAMES if name in names]
    return wanted + [each for name in CRYSTALS if name in names for each in CRYSTALS[name]]


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
    if charges is not None and charges.permittivity != 1.0:
        notes.append(
            f"charges are those of a bulk of eps_inf {charges.permittivity:g}: {charges.permittivity**0.5:g} times the"
            " latent ones that energies determine."
        )
    return notes
