"""Moments of a density against the potential and the energy that they stand for."""

from dataclasses import replace

import pytest
import torch
from ase import Atoms

from leyden import Coulomb, GaussianBasis, System
from leyden.density.moments import dipole, field_coupling, quadrupole, total_charge
from leyden.testing.numeric import close, random
from leyden.units import COULOMB

POSITIONS = [[0.0, 0.1, 0.2], [1.0, -0.3, 0.4], [-0.5, 0.8, -0.2], [0.2, 0.4, 1.1], [3.0, 0.0, 1.0]]
SYSTEM = System.from_ase([Atoms("OH2", POSITIONS[:3]), Atoms("NaCl", POSITIONS[3:])])


@pytest.mark.parametrize("dim", [1, 4])
def test_far_potential(dim: int) -> None:
    """Far away, k_e (Q / R + mu.n / R^2 + n.Theta.n 3/2 / R^3): what is left falls as R^-4."""
    density, n = random(0, 5, dim), torch.tensor([[0.48, 0.6, 0.64]], dtype=torch.float64)
    charge, moment, theta = total_charge(density, SYSTEM), dipole(density, SYSTEM), quadrupole(density, SYSTEM)
    bound = Coulomb().bind(SYSTEM, GaussianBasis(lmax=int(dim > 1)))
    for number in range(2):
        left = []
        for distance in (200.0, 400.0):
            felt = bound.at(density, distance * n, torch.tensor([number])).item() / COULOMB
            along = (n[0] @ moment[number]).item(), (n[0] @ theta[number] @ n[0]).item()
            series = charge[number].item() / distance + along[0] / distance**2 + 1.5 * along[1] / distance**3
            left.append(abs(felt - series))
        assert 13.0 < left[0] / left[1] < 19.0
        assert min(abs(charge[number].item()), *(abs(x) for x in along)) > 1e-2


def test_quadrupole_is_traceless_and_symmetric() -> None:
    theta = quadrupole(random(0, 5, 4), SYSTEM)
    close(theta, theta.mT, 1e-14)
    close(theta.diagonal(dim1=1, dim2=2).sum(1), torch.zeros(2).double(), 1e-13)
    assert theta.abs().min() > 1e-3


@pytest.mark.parametrize("dim", [1, 4])
def test_field_coupling(dim: int) -> None:
    """The derivative of -mu.F in the density."""
    system, density = replace(SYSTEM, field=random(1, 2, 3)), random(0, 5, dim).requires_grad_()
    energy = -(dipole(density, system) * system.field).sum()
    (slope,) = torch.autograd.grad(energy, density)
    close(field_coupling(system, dim), slope, 1e-14)
    assert slope.abs().min() > 1e-3


def test_dipole_and_origin() -> None:
    """Moving a structure by d adds Q d."""
    density, shift = random(0, 5, 4), torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
    moved = dipole(density, replace(SYSTEM, positions=SYSTEM.positions + shift))
    close(moved, dipole(density, SYSTEM) + total_charge(density, SYSTEM)[:, None] * shift, 1e-14)
