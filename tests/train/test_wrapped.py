"""Slabs that wrapping cut in two are told from whole ones."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.io import write

from leyden.train.inspect import inspect
from leyden.train.wrapped import halves


def slab(pbc: tuple[bool, bool, bool] = (True, True, False)) -> Atoms:
    """Four layers in the middle of a cell with 20 Å above them in all."""
    atoms = fcc111("Al", (2, 2, 4), vacuum=10.0)
    atoms.pbc = pbc
    return atoms


def cut(atoms: Atoms, axis: int = 2) -> Atoms:
    """The same, moved over the end of its cell and wrapped."""
    atoms.positions[:, axis] += 14.0
    periodic, atoms.pbc = atoms.pbc.copy(), True
    atoms.wrap()
    atoms.pbc = periodic
    return atoms


def test_a_whole_slab_is_none() -> None:
    assert halves(slab()) == []


def test_a_cut_slab_is_one_and_the_gap_is_the_vacuum() -> None:
    [(axis, gap)] = halves(cut(slab()))
    assert axis == "c" and gap == pytest.approx(20.0, abs=1e-6)


@pytest.mark.parametrize("places", [[5, 25], [0.5, 4.5, 9, 13.5, 18, 22.5, 27, 29.5]], ids=["apart", "filled"])
def test_two_pieces_away_from_the_ends_are_none_and_one_that_fills_the_cell(places: list[float]) -> None:
    assert halves(Atoms(f"H{len(places)}", [[5, 5, z] for z in places], cell=[10, 10, 30])) == []


def test_a_periodic_axis_may_cut() -> None:
    assert halves(cut(slab((True, True, True)))) == []


@pytest.mark.parametrize("cell", [None, [[4, 0, 0], [8, 0, 0], [0, 0, 31]], [[np.nan] * 3] * 3])
def test_without_a_good_cell_there_is_nothing_to_cut(cell: list[list[float]] | None) -> None:
    assert halves(Atoms("H2", [[0, 0, 0], [0, 0, 30]], cell=cell)) == []


def test_an_inclined_cell_is_measured_across_its_planes() -> None:
    atoms = slab()
    atoms.cell[2, 0] = 3.0
    [(axis, gap)] = halves(cut(atoms))
    assert axis == "c" and gap == pytest.approx(20.0, abs=1e-6)


def test_check_data_warns_and_counts(tmp_path: Path) -> None:
    frames = [slab(), cut(slab()), cut(slab())]
    for atoms in frames:
        atoms.info = {"REF_energy": 0.0}
    write(tmp_path / "slabs.xyz", frames)
    report = inspect(tmp_path / "slabs.xyz")
    [said] = [line for line in report.warnings if "stand at both ends" in line]
    assert "frame 1: open along c" in said and "20.0 Å" in said and "2 such frames" in said
    assert report.problems == ()
