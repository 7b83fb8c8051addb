"""Crystals of points and of narrow Gaussians against the Madelung and Wigner constants of point charges."""

import json
import math
from pathlib import Path

import pytest
import torch
from ase import Atoms
from ase.build import bulk

from leyden import Coulomb, GaussianBasis, System
from leyden.coulomb.pair import self_interaction
from leyden.testing.numeric import close, random
from leyden.testing.operator.case import CHARGES, FRAMES
from leyden.units import COULOMB

REFERENCE = json.loads((Path(__file__).parents[1] / "references" / "lattice_constants.json").read_text())
EXACT = Coulomb(1e-13, "reciprocal")
METHODS = pytest.mark.parametrize("coulomb", [EXACT, Coulomb(1e-11, "mesh")], ids=["reciprocal", "mesh"])


def interaction(atoms: Atoms, width: float, coulomb: Coulomb = EXACT) -> float:
    """Energy in eV of charges +1 (sodium) and -1 (all else), self-interaction removed."""
    system, basis = System.from_ase(atoms), GaussianBasis(width)
    density = torch.where(system.numbers == 11, 1.0, -1.0).double()[:, None]
    own = 0.5 * (density**2 * self_interaction(basis.widths(system.numbers, torch.float64).flatten(), 0)).sum()
    return (coulomb.bind(system, basis).energy(density).sum() - own).item()


@METHODS
@pytest.mark.parametrize("narrow", [False, True], ids=["points", "narrow"])
@pytest.mark.parametrize(
    ("crystal", "shortest"), [("NaCl", 1 / 2), ("CsCl", math.sqrt(3) / 2), ("ZnS", math.sqrt(3) / 4)]
)
def test_madelung(crystal: str, shortest: float, narrow: bool, coulomb: Coulomb) -> None:
    """Widths of a twentieth of the shortest distance r do not overlap: erfc(r / 2 sigma) < 1e-12."""
    edge = 5.0
    structure = {"NaCl": "rocksalt", "CsCl": "cesiumchloride", "ZnS": "zincblende"}[crystal]
    atoms = bulk("NaCl", structure, a=edge)
    width = shortest * edge / 10.5 if narrow else 0.0
    assert not narrow or math.erfc(shortest * edge / (2 * width)) < 1e-12
    constant = -interaction(atoms, width, coulomb) * shortest * edge / COULOMB / (len(atoms) / 2)
    assert constant == pytest.approx(REFERENCE["madelung"][crystal], abs=1e-9)


@METHODS
@pytest.mark.parametrize("width", [0.0, 0.3, 0.5], ids=str)
@pytest.mark.parametrize("lattice", ["sc", "bcc", "fcc"])
def test_wigner(lattice: str, width: float, coulomb: Coulomb) -> None:
    """One charge in its background has the energy of a point charge, whatever its width."""
    atoms = bulk("Na", lattice, a=8.0)
    length = atoms.get_volume() ** (1 / 3)
    constant = -2 * interaction(atoms, width, coulomb) * length / COULOMB
    assert constant == pytest.approx(REFERENCE["wigner"][lattice], abs=1e-9)


@pytest.mark.parametrize("edge", [10, 20, 40])
def test_gaussian_ion(edge: int) -> None:
    """The width term of the background is what makes the energy of an ion fall as 1/L."""
    atoms, width = Atoms("Na", cell=[edge] * 3, pbc=True), 1 / math.sqrt(2)
    without, with_width = REFERENCE["gaussian_ion"][str(edge)]
    found = interaction(atoms, width, Coulomb(1e-8, "reciprocal"))
    assert found == pytest.approx(with_width, abs=1e-4)
    assert found + 2 * math.pi * COULOMB * width**2 / edge**3 == pytest.approx(without, abs=1e-4)


@pytest.mark.parametrize("pbc", [[True, True, True], [True, False, True], [False, True, False]], ids=str)
@pytest.mark.parametrize("lmax", [0, 1, 2])
def test_points_are_narrow_gaussians(lmax: int, pbc: list[bool]) -> None:
    """Energies less those of Gaussians with themselves, and what charges, dipoles and quadrupoles of others feel."""
    system = System.from_ase(Atoms(FRAMES[1], pbc=pbc))
    density = torch.cat([torch.tensor(CHARGES[4:]).double()[:, None], 0.3 * random(0, 3, (lmax + 1) ** 2 - 1)], 1)
    points, narrow = (EXACT.bind(system, GaussianBasis(width, lmax)) for width in (0.0, 0.12))
    own = self_interaction(torch.full((3,), 0.12, dtype=torch.float64), lmax)
    close(points.energy(density), narrow.energy(density) - 0.5 * (own * density**2).sum(), 1e-9)
    close(points.apply(density), narrow.apply(density) - own * density, 1e-9)
    close(points.at(density, system.positions, system.index), points.apply(density)[:, 0], 1e-9)


@pytest.mark.parametrize("pbc", [True, False])
@pytest.mark.parametrize("lmax", [0, 2])
def test_point_among_gaussians(lmax: int, pbc: bool) -> None:
    """E = E_point + E_Gaussians + <point|V|Gaussians>, with the last from what the point feels of the others."""
    coulomb, basis = Coulomb(1e-12), GaussianBasis({11: 0.0, 17: 0.6, 8: 0.9}, lmax)
    system = System.from_ase(Atoms(FRAMES[1], pbc=pbc))
    density = torch.cat([torch.tensor(CHARGES[4:]).double()[:, None], 0.3 * random(0, 3, (lmax + 1) ** 2 - 1)], 1)
    (point,), (others,) = (part.split(1) for part in (density[2:], density[:2][None]))
    alone, rest = (System.from_ase(Atoms(FRAMES[1][rows], pbc=pbc)) for rows in ([2], [0, 1]))
    whole = coulomb.bind(system, basis)
    felt = whole.apply(torch.cat([others[0], torch.zeros_like(point)]))[2]
    parts = coulomb.bind(alone, basis).energy(point) + coulomb.bind(rest, basis).energy(others[0])
    close(whole.energy(density), parts + (felt * point[0]).sum(), 1e-9)
    at = coulomb.bind(rest, GaussianBasis({17: 0.6, 8: 0.9}, lmax)).at(
        others[0], system.positions[2:], torch.tensor([0])
    )
    close(felt[:1], at, 1e-9)
