"""leyden eval of a model that solves for charges: what it says about the solver, hardness and molecules."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.io import write

from leyden.spec import CartesianSpec, EquilibrationSpec, PotentialSpec, build
from leyden.storage import save


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    backbone = CartesianSpec(channels=4, layers=1, cutoff=3.0)
    energies = {1: -13.6, 8: -2040.0}
    spec = PotentialSpec(
        backbone=backbone, charges=EquilibrationSpec(), elements=(1, 8), average_neighbors=3.0, baseline=energies
    )
    return save(build(spec).double(), tmp_path / "model")


def labelled(atoms: Atoms, charge: float) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, info={"REF_energy": 0.0, "total_charge": charge})


def test_solver_hardness_and_molecules(leyden: Callable, model: Path, tmp_path: Path) -> None:
    far = molecule("H2O") + molecule("OH")
    far.positions[3:] += [0.0, 0.0, 30.0]
    write(tmp_path / "a.xyz", [labelled(molecule("H2O"), 0), labelled(far, -1), labelled(far, 0)], format="extxyz")
    printed = leyden("eval", model, tmp_path / "a.xyz")
    assert printed.code == 0 and printed.err == ""
    rows = [line.split() for line in printed.out.splitlines()]
    assert ["charge", "structures", "iterations", "most", "residual", "curvature", "radius", "left", "out"] in rows
    states = {row[0]: row for row in rows if row[0] in ("-1", "0") and len(row) == 8}
    assert [states[q][1] for q in ("-1", "0")] == ["1", "2"] and states["0"][-2:] == ["–", "0"]
    hardness = {row[2]: (float(row[3]), float(row[5])) for row in rows if row[:2] == ["hardness", "of"]}
    assert set(hardness) == {"H:", "O:"} and all(0.5 < low <= high for low, high in hardness.values())
    (moved,) = (row for row in rows if row[:4] == ["charge", "moved", "between", "molecules:"])
    assert 0 < float(moved[4]) <= float(moved[8]) <= 0.5
    assert "most in structures" in printed.out and "1 (" in printed.out.split("most in structures")[1]
    assert max(len(line) for line in printed.out.splitlines() if not line.startswith("note")) <= 80


def test_one_molecule_and_nothing_solved(leyden: Callable, folder: Path) -> None:
    printed = leyden("eval", folder / "run" / "best", folder / "test.xyz")
    for absent in ("hardness", "between molecules", "spectral", "iterations"):
        assert absent not in printed.out
