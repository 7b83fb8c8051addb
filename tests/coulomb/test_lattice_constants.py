"""Crystals of narrow Gaussians against the Madelung and Wigner constants of point charges."""

import json
import math
from pathlib import Path

import pytest
import torch
from ase import Atoms
from ase.build import bulk

from leyden import Coulomb, GaussianBasis, System
from leyden.coulomb.pair import self_interaction
from leyden.coulomb.reciprocal import Reciprocal
from leyden.units import COULOMB

REFERENCE = json.loads((Path(__file__).parents[1] / "references" / "lattice_constants.json").read_text())


def interaction(atoms: Atoms, width: float, accuracy: float = 1e-14) -> float:
    """Energy in eV of charges +1 (sodium) and -1 (all else), self-interaction removed."""
    system, basis = System.from_ase(atoms), GaussianBasis(width)
    density = torch.where(system.numbers == 11, 1.0, -1.0).double()[:, None]
    own = 0.5 * (density**2 * self_interaction(basis.widths(system.numbers, torch.float64), 1)).sum()
    return (Coulomb(accuracy).bind(system, basis).energy(density).sum() - own).item()


@pytest.mark.parametrize(
    ("crystal", "shortest"), [("NaCl", 1 / 2), ("CsCl", math.sqrt(3) / 2), ("ZnS", math.sqrt(3) / 4)]
)
@pytest.mark.parametrize("cubic", [False, True], ids=["primitive", "cubic"])
def test_madelung(crystal: str, shortest: float, cubic: bool) -> None:
    """Widths of a twentieth of the shortest distance r do not overlap: erfc(r / 2 sigma) < 1e-12."""
    edge = 5.0
    structure = {"NaCl": "rocksalt", "CsCl": "cesiumchloride", "ZnS": "zincblende"}[crystal]
    atoms = bulk("NaCl", structure, a=edge, cubic=cubic and structure != "cesiumchloride")
    if cubic and structure == "cesiumchloride":
        atoms = atoms * (1, 2, 1)
    width = shortest * edge / 10.5
    assert math.erfc(shortest * edge / (2 * width)) < 1e-12
    constant = -interaction(atoms, width) * shortest * edge / COULOMB / (len(atoms) / 2)
    assert constant == pytest.approx(REFERENCE["madelung"][crystal], abs=1e-9)


@pytest.mark.parametrize("width", [0.3, 0.4], ids=str)
@pytest.mark.parametrize("lattice", ["sc", "bcc", "fcc"])
def test_wigner(lattice: str, width: float) -> None:
    """One charge in its background has the energy of a point charge, whatever its width."""
    atoms = bulk("Na", lattice, a=6.0)
    length = atoms.get_volume() ** (1 / 3)
    constant = -2 * interaction(atoms, width) * length / COULOMB
    assert constant == pytest.approx(REFERENCE["wigner"][lattice], abs=1e-9)


@pytest.mark.parametrize("edge", [10, 20, 40])
def test_gaussian_ion(edge: int) -> None:
    """The width term of the background is what makes the energy of an ion fall as 1/L."""
    atoms, width = Atoms("Na", cell=[edge] * 3, pbc=True), 1 / math.sqrt(2)
    without, with_width = REFERENCE["gaussian_ion"][str(edge)]
    assert interaction(atoms, width, 1e-8) == pytest.approx(with_width, abs=1e-4)
    system, basis = System.from_ase(atoms), GaussianBasis(width)
    bare = Reciprocal(system, basis, 1e-8).energy(torch.ones(1, 1, dtype=torch.float64))
    own = 0.5 * self_interaction(basis.widths(system.numbers, torch.float64), 1)
    assert (bare - own).item() == pytest.approx(without, abs=1e-4)
