"""leyden md --field and --displacement: the trajectory carries it, --resume keeps it, and mistakes are one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write

from leyden.charges import SplitChargeEquilibration
from leyden.density import GaussianBasis
from leyden.storage import save
from leyden.testing.assembly import SALT, assembled

WATER = Atoms("OH2", [[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], info={"total_charge": 0})
FIELD = [-0.05, 0.0, 1 / 3]
GIVEN = "-0.05,0,0.3333333333333333"


def start(folder: Path, atoms: Atoms = WATER) -> Path:
    write(folder / "start.xyz", atoms, format="extxyz")
    return folder / "start.xyz"


def test_field(leyden: Callable, folder: Path, tmp_path: Path) -> None:
    """A run in two parts, the second of which is not told the field, is the whole one byte by byte."""
    command = ("md", folder / "run" / "best", start(tmp_path), "--every", 2)
    whole, parts = tmp_path / "whole.xyz", tmp_path / "parts.xyz"
    for steps, output, more in (
        (8, whole, ("--field", GIVEN)),
        (4, parts, ("--field", GIVEN)),
        (6, parts, ("--resume",)),
        (8, parts, ("--resume", "--field", GIVEN)),
    ):
        printed = leyden(*command, "--output", output, "--steps", steps, *more)
        assert printed.code == 0, printed.err
    assert whole.read_bytes() == parts.read_bytes()
    frames = read(parts, ":")
    assert len(frames) == 5
    for atoms in frames:
        np.testing.assert_array_equal(atoms.info["external_field"], FIELD)
    leyden(*command, "--output", tmp_path / "without.xyz", "--steps", 8)
    without = read(tmp_path / "without.xyz", 0)
    moment = without.get_dipole_moment()
    assert abs(moment @ FIELD) > 1e-4
    # this model's charges feel no field: the energy of the first structure is lower by mu.F
    assert frames[0].get_potential_energy() - without.get_potential_energy() == pytest.approx(-moment @ FIELD, abs=1e-6)


def test_it_replaces_that_of_the_structure(leyden: Callable, folder: Path, tmp_path: Path) -> None:
    atoms = WATER.copy()
    atoms.info["external_field"] = [1.0, 0.0, 0.0]
    output = tmp_path / "a.xyz"
    printed = leyden(
        "md", folder / "run" / "best", start(tmp_path, atoms), "--steps", 2, "--output", output, "--field", "0,0.5,0"
    )
    assert printed.code == 0, printed.err
    np.testing.assert_array_equal(read(output, -1).info["external_field"], [0.0, 0.5, 0.0])


@pytest.mark.parametrize("other", ["0,0,0", "0,0,0.2", "0,0,0.1000001"])
def test_another_field_at_resume(leyden: Callable, folder: Path, tmp_path: Path, other: str) -> None:
    output = tmp_path / "a.xyz"
    command = ("md", folder / "run" / "best", start(tmp_path), "--every", 2, "--output", output)
    assert leyden(*command, "--steps", 2, "--field", "0,0,0.1").code == 0
    before = output.read_bytes()
    printed = leyden(*command, "--steps", 4, "--resume", "--field", other)
    assert printed.code == 2 and printed.err.count("\n") == 1
    assert "error: external_field: expected the field of the run to resume, [0.0, 0.0, 0.1] V/Å, got" in printed.err
    assert output.read_bytes() == before


@pytest.mark.parametrize("given", ["0,0", "0,0,x", "0,0,nan", "0,0,0,1", ""])
def test_what_is_no_field(leyden: Callable, folder: Path, tmp_path: Path, given: str) -> None:
    output = tmp_path / "a.xyz"
    printed = leyden("md", folder / "run" / "best", start(tmp_path), "--output", output, "--field", given)
    assert printed.code == 2 and printed.err.count("\n") == 1 and not output.exists()
    assert f"error: --field: expected three numbers Ex,Ey,Ez in V/Å, such as 0,0,0.01, got {given!r}." in printed.err


def test_along_periodic_axes(leyden: Callable, folder: Path, tmp_path: Path) -> None:
    """A slab may feel one across it, and only across."""
    slab = WATER.copy()
    slab.set_cell([4.0, 4.0, 4.0])
    slab.set_pbc([True, True, False])
    command = ("md", folder / "run" / "best", start(tmp_path, slab), "--steps", 2, "--output")
    assert leyden(*command, tmp_path / "a.xyz", "--field", "0,0,0.1").code == 0
    printed = leyden(*command, tmp_path / "b.xyz", "--field", "0.1,0,0")
    assert printed.code == 2 and printed.err.count("\n") == 1 and not (tmp_path / "b.xyz").exists()
    assert "external_field: expected no component along periodic axes" in printed.err


@pytest.fixture
def crystal(tmp_path: Path) -> tuple[Path, Path]:
    """A model whose charge moves along bonds, and a crystal."""
    potential = assembled(lambda c, e: SplitChargeEquilibration(c, e, GaussianBasis(0.6), None, hidden=4))
    save(potential, tmp_path / "model")
    atoms = SALT.copy()
    atoms.info["total_charge"] = 0
    return tmp_path / "model", start(tmp_path, atoms)


def test_displacement(leyden: Callable, crystal: tuple[Path, Path], tmp_path: Path) -> None:
    """It is held along the axes that are named, and kept on resuming."""
    whole, parts = tmp_path / "whole.xyz", tmp_path / "parts.xyz"
    for steps, output, more in (
        (4, whole, ("--displacement", "0.2,-,-0.1")),
        (2, parts, ("--displacement", "0.2,-,-0.1")),
        (4, parts, ("--resume",)),
    ):
        printed = leyden("md", *crystal, "--every", 2, "--output", output, "--steps", steps, *more)
        assert printed.code == 0, printed.err
    assert whole.read_bytes() == parts.read_bytes()
    for atoms in read(parts, ":"):
        np.testing.assert_array_equal(atoms.info["displacement_field"], [0.2, np.nan, -0.1])
    assert leyden("md", *crystal, "--steps", 2, "--every", 2, "--output", tmp_path / "free.xyz").code == 0
    free, held = read(tmp_path / "free.xyz", 0), read(whole, 0)
    assert np.abs(free.get_forces() - held.get_forces()).max() > 1e-3
    printed = leyden("md", *crystal, "--steps", 6, "--output", parts, "--resume", "--displacement", "0.2,0,-0.1")
    assert printed.code == 2 and "expected the displacement of the run to resume, [0.2, None, -0.1] V/Å" in printed.err


@pytest.mark.parametrize("given", ["0,0", "-,-,-", "0,nan,0"])
def test_what_is_no_displacement(leyden: Callable, crystal: tuple[Path, Path], tmp_path: Path, given: str) -> None:
    printed = leyden("md", *crystal, "--output", tmp_path / "a.xyz", "--displacement", given)
    assert printed.code == 2 and printed.err.count("\n") == 1 and not (tmp_path / "a.xyz").exists()
    assert "error: --displacement: expected three numbers Dx,Dy,Dz in V/Å" in printed.err


def test_a_model_that_cannot_hold_it(leyden: Callable, folder: Path, tmp_path: Path) -> None:
    box = WATER.copy()
    box.set_cell([4.0, 4.0, 4.0])
    box.pbc = True
    command = ("md", folder / "run" / "best", start(tmp_path, box), "--output", tmp_path / "a.xyz")
    printed = leyden(*command, "--displacement", "0,0,0.1")
    assert printed.code == 2 and printed.err.count("\n") == 1
    assert "take a model whose charge moves along bonds, preset 'split' or 'sqe'" in printed.err
