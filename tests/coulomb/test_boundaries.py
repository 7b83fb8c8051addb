"""One structure, several boundary conditions and ways to sum: they agree, or differ by what theory says.

In a cubic box, E_open = E_box + alpha k_e Q^2 / (2 L) + (2 pi k_e / 3 V) (|M|^2 - Q Tr2) + O(L^-5), with
Tr2 = sum_i q_i r_i^2 + 2 mu_i.r_i (Makov & Payne, Phys. Rev. B 51, 4014 (1995)); the box holds the width term of its
background already. In a vacuum a bulk sample has + 2 pi k_e |M|^2 / 3 V.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import Coulomb, GaussianBasis, System
from leyden.density import dipole
from leyden.testing.numeric import close, random
from leyden.testing.operator.case import FRAMES, WIDTHS
from leyden.units import COULOMB

REFERENCE = json.loads((Path(__file__).parents[1] / "references" / "lattice_constants.json").read_text())
BOXES = [14.0, 16.0, 18.0, 20.0]
HEIGHTS = [24.0, 40.0, 80.0, 160.0]
MOLECULE = Atoms(FRAMES[0].numbers, FRAMES[0].positions)


def multipoles(charge: float, lmax: int) -> Tensor:
    """Charges of four atoms with a total charge, and random higher multipoles."""
    charges = torch.tensor([0.9, -0.7, -0.6, 0.4], dtype=torch.float64) + charge / 4
    return torch.cat([charges[:, None], 0.3 * random(0, 4, (lmax + 1) ** 2 - 1)], 1)


def energy(atoms: Atoms, density: Tensor, coulomb: Coulomb) -> float:
    """eV."""
    basis = GaussianBasis(WIDTHS, math.isqrt(density.shape[1]) - 1)
    return coulomb.bind(System.from_ase(atoms), basis).energy(density).item()


def leading(density: Tensor, edge: float) -> float:
    """What a molecule in a periodic box lacks up to order L^-3, eV."""
    q, r = density[:, 0].numpy(), MOLECULE.positions
    mu = density[:, 1:4].numpy() if density.shape[1] > 1 else np.zeros((4, 3))
    total, moment = q.sum(), (q[:, None] * r + mu).sum(0)
    trace = (q * (r * r).sum(1) + 2 * (mu * r).sum(1)).sum()
    wigner = REFERENCE["wigner"]["sc"] * total**2 / (2 * edge)
    return COULOMB * (wigner + 2 * math.pi / (3 * edge**3) * (moment @ moment - total * trace))


@pytest.mark.parametrize("lmax", [0, 1, 2])
@pytest.mark.parametrize("charge", [0.0, 1.0, -1.0])
def test_molecule(charge: float, lmax: int) -> None:
    """Pairs, truncated lattice sums and the corrected sum in growing boxes, whose rest falls as L^-5, agree."""
    density = multipoles(charge, lmax)
    exact = energy(MOLECULE, density, Coulomb(method="direct"))
    assert energy(MOLECULE, density, Coulomb(1e-8, "reciprocal")) == pytest.approx(exact, abs=1e-6)
    assert energy(MOLECULE, density, Coulomb(1e-5, "mesh")) == pytest.approx(exact, abs=1e-3)
    left = []
    for edge in BOXES:
        boxes = (Atoms(MOLECULE, cell=[edge] * 3, pbc=pbc) for pbc in (True, False))
        periodic = energy(next(boxes), density, Coulomb(1e-9, "reciprocal"))
        corrected = energy(next(boxes), density, Coulomb(1e-9, "reciprocal", images="corrected"))
        assert corrected == pytest.approx(periodic + leading(density, edge), abs=1e-9)
        assert abs(corrected - periodic) > 1e-3
        left.append(corrected - exact)
    assert np.abs(left).max() < 2e-2
    assert 4.5 < left[0] / left[-1] < 8.0
    powers = np.array(BOXES)[:, None] ** np.array([0.0, -5.0, -7.0, -9.0])
    assert abs(np.linalg.solve(powers, left)[0]) < 1e-6


@pytest.mark.parametrize("lmax", [0, 1, 2])
@pytest.mark.parametrize("charge", [0.0, 1.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slab_heights(axis: int, charge: float, lmax: int) -> None:
    """Triclinic slabs of any normal: truncated and corrected sums agree, whatever the height and tilt of the cell."""
    density, turn = multipoles(charge, lmax), torch.linalg.qr(random(6, 3, 3)).Q.numpy()
    for tilt, height in enumerate(HEIGHTS):
        rows = [[5.1, 0.3, 0.0], [-1.2, 4.6, 0.0], [0.7 * tilt, -0.4 * tilt, height]]
        cell = np.roll(np.array(rows), axis + 1, axis=0) @ turn
        slab = Atoms(MOLECULE, cell=cell, pbc=[n != axis for n in range(3)])
        exact = energy(slab, density, Coulomb(1e-9, "reciprocal"))
        if tilt == 0:
            first = exact
            periodic = energy(Atoms(slab, pbc=True), density, Coulomb(1e-9, "reciprocal"))
            assert abs(periodic - exact) > 1e-2
        assert exact == pytest.approx(first, abs=1e-12)
        corrected = energy(slab, density, Coulomb(1e-9, "reciprocal", images="corrected"))
        assert corrected == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("images", ["truncated", "corrected"])
def test_parallel_plates(images: str) -> None:
    """Two plates of opposite charge sigma at a distance d: the potential drops by 4 pi k_e sigma d."""
    grid, edge, distance = [(x, y) for x in range(3) for y in range(3)], 6.0, 12.0
    positions = [(2 * x, 2 * y, z) for z in (0.0, distance) for x, y in grid]
    plates = System.from_ase(Atoms("Na9Cl9", positions, cell=[edge, edge, 60.0], pbc=[True, True, False]))
    density = torch.tensor([0.1] * 9 + [-0.1] * 9, dtype=torch.float64)[:, None]
    points = torch.tensor([[0.3, 0.1, 4.0], [1.7, 0.4, 8.0], [0.0, 1.0, -16.0], [2.0, 0.3, 28.0]], dtype=torch.float64)
    bound = Coulomb(1e-9, images=images).bind(plates, GaussianBasis(1.0))
    potential = bound.at(density, points, torch.zeros(4, dtype=torch.long))
    field = 4 * math.pi * COULOMB * 0.9 / edge**2
    assert (potential[0] - potential[1]).item() == pytest.approx(4.0 * field, rel=1e-4)
    assert (potential[2] - potential[3]).item() == pytest.approx(distance * field, rel=1e-4)
    felt, smeared = bound.apply(density)[:, 0], 2 * 1.0 / math.sqrt(math.pi)
    assert (felt[0] - felt[9]).item() == pytest.approx(field * (distance - smeared), rel=1e-2)


@pytest.mark.parametrize("method", ["reciprocal", "mesh"])
def test_points_outside(method: str) -> None:
    """Lattice sums of a charged molecule give the potential far outside of it as well."""
    density, index, basis = multipoles(1.0, 1), torch.zeros(3, dtype=torch.long), GaussianBasis(0.8, 1)
    points = torch.tensor([[1.0, 1.0, 5.0], [8.0, -3.0, 1.0], [-4.0, 6.0, 7.0]], dtype=torch.float64)
    exact, found = (
        Coulomb(1e-4, m).bind(System.from_ase(MOLECULE), basis).at(density, points, index) for m in ("direct", method)
    )
    assert (found - exact).abs().max() < 1e-3
    assert exact.abs().min() > 0.3


@pytest.mark.parametrize("lmax", [0, 1, 2])
def test_surroundings(lmax: int) -> None:
    """In vacuum a sample has 2 pi k_e M^2 / 3 V more energy than in a conductor; in between, 2 eps + 1 for 3."""
    crystal, density = Atoms(FRAMES[0], pbc=True), multipoles(0.0, lmax)
    system, basis = System.from_ase(crystal), GaussianBasis(WIDTHS, lmax)
    moment = dipole(density, system, basis)
    for permittivity in (1.0, 4.0):
        more = energy(crystal, density, Coulomb(surroundings=permittivity)) - energy(crystal, density, Coulomb())
        expected = 2 * math.pi * COULOMB / system.volume * (moment**2).sum() / (2 * permittivity + 1)
        close(torch.tensor([more], dtype=torch.float64), expected, 1e-10)
        assert more > 1e-2


@pytest.mark.parametrize("charge", [0.0, 1.0])
def test_potential_in_a_large_box(charge: float) -> None:
    """The potential at points too: its leading difference is the Wigner potential of the charge."""
    points = torch.tensor([[1.0, 1.2, 0.7], [0.3, 2.0, 2.9]], dtype=torch.float64)
    index, basis, edge, density = torch.zeros(2, dtype=torch.long), GaussianBasis(WIDTHS), 40.0, multipoles(charge, 0)
    open_ = Coulomb(method="direct").bind(System.from_ase(MOLECULE), basis).at(density, points, index)
    box = System.from_ase(Atoms(MOLECULE, cell=[edge] * 3, pbc=True))
    in_box = Coulomb(1e-5, "reciprocal").bind(box, basis).at(density, points, index)
    assert (open_ - in_box - REFERENCE["wigner"]["sc"] * charge * COULOMB / edge).abs().max() < 1e-2
    assert open_.abs().min() > 0.3
