"""Ensemble: groups of atoms, from and to ASE, and one sentence for what does not add up."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms

from leyden.checks import InputError
from leyden.system import System

NAN = math.nan
POSITIONS = [[0.0, 0, 0], [1.0, 0, 0], [4.0, 0, 0], [5.0, 0, 0]]


def atoms(charge: float = 0.0, **arrays: list[float]) -> Atoms:
    out = Atoms("HOHO", POSITIONS, info={"total_charge": charge})
    for key, values in arrays.items():
        out.new_array(key, np.array(values))
    return out


FRAGMENTS = atoms(0.0, fragment=[0, 0, 1, 1], fragment_charge=[1.0, 1.0, -1.0, -1.0])
PARTLY = atoms(2.0, fragment=[0, 0, 3, 3], fragment_charge=[NAN, NAN, 0.5, 0.5])
ELECTRODE = atoms(1.0, electrode_potential=[0.2, NAN, NAN, -0.3])
PLAIN = atoms(-1.0)


def test_groups() -> None:
    """Fragments, the rest of the total charge, electrodes that are not held; structure by structure."""
    system = System.from_ase([FRAGMENTS, PARTLY, ELECTRODE, PLAIN])
    assert system.ensemble is not None
    open_ = torch.zeros(4, dtype=torch.bool)
    group, charge, held = system.ensemble.groups(system.index, system.charge, open_)
    assert charge[group].tolist() == [1, 1, -1, -1, 1.5, 1.5, 0.5, 0.5, -1, 1, 1, -1, -1, -1, -1, -1]
    assert held[group].tolist() == [True] * 8 + [False, True, True, False] + [True] * 4
    assert [len(set(group[system.index == n].tolist())) for n in range(4)] == [2, 2, 2, 1]
    assert len(charge) == 7
    group, charge, held = system.ensemble.groups(system.index, system.charge, ~open_)
    assert held.all() and charge[group[8:12]].tolist() == [-1, 1, 1, -1]
    for single, frame in zip(system.split(), (FRAGMENTS, PARTLY, ELECTRODE, PLAIN), strict=True):
        assert single.ensemble is not None
        assert single.ensemble.fragment.tolist() == frame.arrays.get("fragment", np.zeros(4)).tolist()


def test_there_and_back() -> None:
    """Through ASE, join, split, select and other dtypes."""
    system = System.from_ase([PLAIN, FRAGMENTS, ELECTRODE])
    again = System.from_ase(system.to_ase())
    part = system.select(torch.tensor([1, 2]))[0].to(dtype=torch.float32)
    for other in (again, System.join(system.split())):
        for name in ("fragment", "charge", "potential"):
            torch.testing.assert_close(
                getattr(other.ensemble, name), getattr(system.ensemble, name), equal_nan=True, rtol=0, atol=0
            )
    assert part.ensemble is not None and part.ensemble.charge.dtype == torch.float32
    assert part.ensemble.charge[:4].tolist() == [1, 1, -1, -1]
    assert System.from_ase(PLAIN).ensemble is None and "fragment" not in System.from_ase(PLAIN).to_ase()[0].arrays


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (atoms(0.5, fragment=[0, 0, 1, 1], fragment_charge=[1.0, 1, -1, -1]), "sum to the total charge 0.5 e, got 0 e"),
        (atoms(0.0, fragment=[0, 0, 1, 1], fragment_charge=[1.0, 0, -1, -1]), "one charge on all atoms of fragment 0"),
        (atoms(0.0, electrode_potential=[math.inf, 0, 0, 0]), "expected finite potentials"),
    ],
)
def test_what_does_not_add_up(bad: Atoms, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        System.from_ase(bad)
