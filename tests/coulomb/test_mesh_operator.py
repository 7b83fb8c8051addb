"""Mesh: the contract of a Coulomb operator; and of both lattice sums, the accuracy that was asked for.

On a mesh, energies and potentials are invariant to the accuracy only; their derivatives are exact nevertheless.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import Coulomb, GaussianBasis, System
from leyden.testing.numeric import random
from leyden.testing.operator import (
    BulkOperatorContract,
    OpenOperatorContract,
    SlabOperatorContract,
    WireOperatorContract,
)

MESH = Coulomb(1e-7, "mesh")
TOLERANCE = 1e-6


class TestBulk(BulkOperatorContract):
    coulomb, tolerance = MESH, TOLERANCE
    lmax, shells = 0, 2


class TestSlab(SlabOperatorContract):
    coulomb, tolerance = MESH, TOLERANCE
    lmax = 2


@pytest.mark.slow
class TestWire(WireOperatorContract):
    coulomb, tolerance = MESH, TOLERANCE
    lmax = 0


@pytest.mark.slow
class TestOpen(OpenOperatorContract):
    coulomb, tolerance = Coulomb(1e-5, "mesh"), 1e-4
    lmax = 1


def scattered(molecule: Atoms, places: np.ndarray, edge: float, pbc: object) -> Atoms:
    """A molecule at each place (n, 3), turned at random."""
    rng, box = np.random.default_rng(1), Atoms(cell=[edge] * 3, pbc=pbc)
    for place in places:
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        box += Atoms(molecule.numbers, molecule.positions @ turn + place + 0.1 * rng.normal(size=3))
    return box


WATER = Atoms("OH2", [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
GRID = np.array(list(np.ndindex(3, 3, 3))) * 3.1


def ionic() -> tuple[Atoms, list[float]]:
    """27 ions and a background."""
    return scattered(Atoms("Na", [[0.4, 0.3, 0.2]]), GRID, 9.3, True), [1.0, -1.0] * 13 + [1.0]


def water() -> tuple[Atoms, list[float]]:
    """27 molecules."""
    return scattered(WATER, GRID, 9.3, True), [-0.8, 0.4, 0.4] * 27


def layer() -> tuple[Atoms, list[float]]:
    """A slab of 9 molecules, charged."""
    return scattered(WATER, GRID[GRID[:, 0] == 0], 9.3, [False, True, True]), [-0.8, 0.4, 0.5] * 9


def cluster() -> tuple[Atoms, list[float]]:
    """4 molecules, charged, open."""
    return scattered(WATER, GRID[[0, 1, 3, 9]], 9.3, False), [-0.8, 0.4, 0.5] * 4


def forces(
    structure: Callable[[], tuple[Atoms, list[float]]],
    lmax: int,
    coulomb: Coulomb,
    dtype: torch.dtype = torch.float64,
    width: float = 0.5**0.5,
) -> Tensor:
    """Of the charges of the structure and random higher multipoles, eV/Å."""
    atoms, charges = structure()
    system, basis = System.from_ase(atoms, dtype=dtype), GaussianBasis(width, lmax)
    density = torch.cat([torch.tensor(charges).double()[:, None], 0.2 * random(1, len(atoms), basis.dim - 1)], 1)
    positions = system.positions.clone().requires_grad_()
    energy = coulomb.bind(replace(system, positions=positions), basis).energy(density.to(dtype))
    return torch.autograd.grad(energy.sum(), positions)[0].double()


@pytest.mark.parametrize("method", ["reciprocal", "mesh"])
@pytest.mark.parametrize("lmax", [0, 1, 2])
@pytest.mark.parametrize("structure", [ionic, water, layer, cluster])
def test_accuracy(structure: Callable[[], tuple[Atoms, list[float]]], lmax: int, method: str) -> None:
    """The relative force error is what was asked for, within a factor of three, in both precisions."""
    exact = forces(structure, lmax, Coulomb(1e-12, "direct" if structure is cluster else "reciprocal"))
    assert exact.abs().max() > 0.1
    digits = (3, 5) if method == "mesh" and structure is cluster else (3, 5, 7, 9)
    single, double = (
        [(10.0**-n, dtype) for n in many] for many, dtype in (((3, 5), torch.float32), (digits, torch.float64))
    )
    for accuracy, dtype in single + double:
        error = (forces(structure, lmax, Coulomb(accuracy, method), dtype) - exact).norm() / exact.norm()
        assert error < 3 * accuracy, f"{error:.1e} of {accuracy:.0e} in {dtype}"


@pytest.mark.parametrize("lmax", [0, 1, 2])
@pytest.mark.parametrize("structure", [ionic, water])
def test_accuracy_of_points(structure: Callable[[], tuple[Atoms, list[float]]], lmax: int) -> None:
    """Point multipoles, whose sum has a part over close pairs: no worse than three times what was asked for."""
    exact = forces(structure, lmax, Coulomb(1e-11), width=0.0)
    for accuracy in (1e-3, 1e-5, 1e-7):
        error = (forces(structure, lmax, Coulomb(accuracy), width=0.0) - exact).norm() / exact.norm()
        assert 0.0 < error < 3 * accuracy, f"{error:.1e} of {accuracy:.0e}"
