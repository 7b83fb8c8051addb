"""System: conversions keep everything, and every structure that no model can evaluate is refused with a remedy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from leyden import System
from leyden.checks import InputError
from leyden.system import TENSORS
from leyden.testing.numeric import random

FRAMES = [
    Atoms(
        "OH2",
        [[0.0, 0, 0], [0.9, 0.3, 0.1], [-0.3, 0.9, 0.2]],
        info={"total_charge": 0.0, "total_spin": 1, "external_field": [0, 0.1, 0]},
    ),
    Atoms(
        "NaCl",
        [[0.0, 0, 0], [0, 0, 2.5]],
        cell=[4.0, 4.1, 4.2, 80, 85, 95],
        pbc=True,
        info={"total_charge": 1.0, "total_spin": 2},
    ),
    Atoms(
        "C",
        [[0.5, 0.5, 0.5]],
        cell=[[2.5, 0, 0], [1.2, 2.1, 0], [0, 0, 0]],
        pbc=[1, 1, 0],
        info={"total_charge": -0.5, "total_spin": 3},
    ),
]


def equal(a: System, b: System) -> bool:
    """All tensors equal, dtypes included."""
    pairs = [(getattr(a, name), getattr(b, name)) for name in TENSORS]
    return all(x.dtype == y.dtype and torch.equal(x, y) for x, y in pairs)


def test_round_trip() -> None:
    """Atoms -> System -> Atoms -> System."""
    system = System.from_ase(FRAMES)
    assert equal(System.from_ase(system.to_ase()), system)
    for before, after in zip(FRAMES, system.to_ase(), strict=True):
        assert before.get_chemical_symbols() == after.get_chemical_symbols()
        np.testing.assert_array_equal(before.positions, after.positions)
        np.testing.assert_array_equal(before.cell.array, after.cell.array)
        np.testing.assert_array_equal(before.pbc, after.pbc)
        assert after.info["total_charge"] == before.info["total_charge"]
        assert ("external_field" in after.info) == ("external_field" in before.info)


def test_contents() -> None:
    """What the tensors hold."""
    system = System.from_ase(FRAMES)
    assert system.count == 3 and system.size.tolist() == [3, 2, 1] and system.index.tolist() == [0, 0, 0, 1, 1, 2]
    assert system.charge.tolist() == [0.0, 1.0, -0.5] and system.spin.tolist() == [1.0, 2.0, 3.0]
    assert system.pbc.tolist() == [[False] * 3, [True] * 3, [True, True, False]]
    assert system.field.tolist() == [[0, 0.1, 0], [0, 0, 0], [0, 0, 0]]
    assert system.volume[1].item() == pytest.approx(FRAMES[1].get_volume())
    assert system.positions.dtype == torch.float64
    assert replace(system, cell=-system.cell).volume[1] == system.volume[1]


def test_dtype() -> None:
    single = System.from_ase(FRAMES, dtype=torch.float32)
    assert equal(single, System.from_ase(FRAMES).to(dtype=torch.float32))
    assert single.positions.dtype == single.charge.dtype == torch.float32 and single.numbers.dtype == torch.long


def test_join_and_split() -> None:
    """Inverses of each other, batches of batches included."""
    system = System.from_ase(FRAMES)
    parts = system.split()
    assert [p.count for p in parts] == [1, 1, 1]
    assert equal(System.join(parts), system)
    twice = System.join([system, system])
    assert twice.index.tolist() == [0, 0, 0, 1, 1, 2, 3, 3, 3, 4, 4, 5]
    assert equal(twice.split()[4], parts[1])


def test_select() -> None:
    system = System.from_ase(FRAMES)
    part, atoms = system.select(torch.tensor([0, 2]))
    assert atoms.tolist() == [0, 1, 2, 5]
    assert equal(part, System.join([system.split()[0], system.split()[2]]))


def test_strained() -> None:
    """x -> x (1 + strain) for positions and cell vectors, each structure with its own strain."""
    system, strain = System.from_ase(FRAMES), 0.1 * random(0, 3, 3, 3)
    strained = system.strained(strain)
    for before, after, e in zip(system.split(), strained.split(), strain, strict=True):
        deformation = torch.eye(3, dtype=torch.float64) + e
        torch.testing.assert_close(after.positions, before.positions @ deformation)
        torch.testing.assert_close(after.cell[0], before.cell[0] @ deformation)
    assert equal(system.strained(torch.zeros_like(strain)), system)
    fractions = [s.positions @ torch.linalg.inv(s.cell[0]) for s in (system.split()[1], strained.split()[1])]
    torch.testing.assert_close(*fractions)


@pytest.mark.parametrize(
    "given", [2, 2.0, np.int64(2), np.float32(2), torch.tensor(2.0)], ids=lambda g: type(g).__name__
)
def test_one_charge_for_all(given: float) -> None:
    """Given numbers come before atoms.info; any kind of number will do."""
    assert System.from_ase(FRAMES, charge=given).charge.tolist() == [2.0, 2.0, 2.0]
    assert System.from_ase(FRAMES, spin=given).spin.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("given", [[1, 0, -1], (1, 0, -1), np.array([1, 0, -1]), torch.tensor([1, 0, -1])], ids=str)
def test_a_charge_for_each(given: list[int]) -> None:
    assert System.from_ase(FRAMES, charge=given).charge.tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize("key", ["total_charge", "charge"])
def test_charge_keys(key: str) -> None:
    assert System.from_ase(Atoms("Na", info={key: 1})).charge.tolist() == [1.0]


def test_nobody_names_a_charge() -> None:
    system = System.from_ase([Atoms("O"), Atoms("H")])
    assert system.charge.tolist() == [0.0, 0.0] and system.spin.tolist() == [1.0, 1.0]


def test_charge_for_some_frames_only() -> None:
    frames = [Atoms("Na", info={"total_charge": 1}), Atoms("O"), Atoms("H")]
    with pytest.raises(
        InputError, match=r"total_charge: 2 of 3 structures lack it \(the first is structure 1\).*add total_charge"
    ):
        System.from_ase(frames)
    assert System.from_ase(frames, charge=0).charge.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("given", [[1, 0], [[1], [0], [1]]], ids=str)
def test_wrong_number_of_charges(given: list[int]) -> None:
    with pytest.raises(InputError, match=r"total_charge: expected one number or 3, one a structure, got"):
        System.from_ase(FRAMES, charge=given)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite(bad: float) -> None:
    broken = Atoms("OH", [[0, 0, 0], [0, bad, 0]])
    with pytest.raises(InputError, match=rf"positions: expected finite numbers, got {bad} at index \(1, 1\)"):
        System.from_ase([Atoms("O"), broken])
    with pytest.raises(InputError, match=r"^charge: expected finite numbers"):
        System.from_ase(Atoms("O"), charge=bad)


def test_nothing() -> None:
    with pytest.raises(InputError, match="expected at least one atom, got an empty structure"):
        System.from_ase(Atoms(cell=[3, 3, 3], pbc=True))
    with pytest.raises(InputError, match="expected at least one structure, got none"):
        System.from_ase([])


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        ([0, 0, 0], [1, 1, 1]),
        ([3, 3, 0], [1, 1, 1]),
        ([[3, 0, 0], [6, 0, 0], [0, 0, 3]], [1, 1, 0]),
        ([[3, 0, 0], [0, 3, 0], [3, 3, 0]], [1, 1, 1]),
    ],
)
def test_singular_cell(cell: list[float], pbc: list[int]) -> None:
    atoms = Atoms("O", cell=cell, pbc=pbc)
    with pytest.raises(InputError, match=rf"cell: expected {sum(pbc)} independent vectors along the periodic axes"):
        System.from_ase(atoms)
    atoms.pbc = False
    assert System.from_ase(atoms).count == 1


def test_left_handed_and_partial_cells_are_legal() -> None:
    assert System.from_ase(Atoms("O", cell=[[0, 3, 0], [3, 0, 0], [0, 0, 3]], pbc=True)).volume.item() == pytest.approx(
        27.0
    )
    assert System.from_ase(Atoms("O", cell=[[3, 0, 0], [0, 3, 0], [0, 0, 0]], pbc=[1, 1, 0])).count == 1


def test_shape_of_field() -> None:
    with pytest.raises(InputError, match=r"external_field: expected shape \(3\), got \(2,?\)"):
        System.from_ase(Atoms("O", info={"external_field": [0.0, 1.0]}))
