"""Moments of a density against the potential that they stand for."""

from dataclasses import replace

import pytest
import torch
from ase import Atoms

from leyden import Coulomb, GaussianBasis, System
from leyden.density.moments import dipole, quadrupole, total_charge
from leyden.testing.numeric import close, random
from leyden.units import COULOMB

POSITIONS = [[0.0, 0.1, 0.2], [1.0, -0.3, 0.4], [-0.5, 0.8, -0.2], [0.2, 0.4, 1.1], [3.0, 0.0, 1.0]]
SYSTEM = System.from_ase([Atoms("OH2", POSITIONS[:3]), Atoms("NaCl", POSITIONS[3:])])
SHELLS = GaussianBasis([0.6, 1.1], 2)


@pytest.mark.parametrize("lmax", [0, 1, 2])
@pytest.mark.parametrize("width", [0.7, [0.6, 1.1], [0.0, 0.8, 1.3]], ids=str)
def test_far_potential(width: float | list[float], lmax: int) -> None:
    """Far away, k_e (Q / R + mu.n / R^2 + n.Theta.n 3/2 / R^3): what is left falls as R^-4."""
    basis, n = GaussianBasis(width, lmax), torch.tensor([[0.48, 0.6, 0.64]], dtype=torch.float64)
    density = random(0, 5, basis.dim)
    charge, moment, theta = (f(density, SYSTEM, basis) for f in (total_charge, dipole, quadrupole))
    bound = Coulomb(method="direct").bind(SYSTEM, basis)
    for number in range(2):
        left = []
        for distance in (400.0, 800.0):
            felt = bound.at(density, distance * n, torch.tensor([number])).item() / COULOMB
            along = (n[0] @ moment[number]).item(), (n[0] @ theta[number] @ n[0]).item()
            series = charge[number].item() / distance + along[0] / distance**2 + 1.5 * along[1] / distance**3
            left.append(abs(felt - series))
        assert 12.0 < left[0] / left[1] < 20.0
        assert min(abs(charge[number].item()), *(abs(x) for x in along)) > 1e-2


def test_quadrupole_is_traceless_and_symmetric() -> None:
    theta = quadrupole(random(0, 5, 18), SYSTEM, SHELLS)
    close(theta, theta.mT, 1e-14)
    close(theta.diagonal(dim1=1, dim2=2).sum(1), torch.zeros(2).double(), 1e-13)
    assert theta.abs().min() > 1e-3


def test_origin() -> None:
    """Moving a structure by d adds Q d to its dipole, and to its quadrupole the traceless part of d M + M d + Q d d."""
    density, d = random(0, 5, 18), torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
    moved = replace(SYSTEM, positions=SYSTEM.positions + d)
    charge, moment = total_charge(density, SYSTEM, SHELLS), dipole(density, SYSTEM, SHELLS)
    close(dipole(density, moved, SHELLS), moment + charge[:, None] * d, 1e-13)
    mixed = moment[:, :, None] * d
    more = mixed + mixed.mT + charge[:, None, None] * d[:, None] * d
    trace = more.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] / 3 * torch.eye(3, dtype=torch.float64)
    expected = quadrupole(density, SYSTEM, SHELLS) + more - trace
    close(quadrupole(density, moved, SHELLS), expected, 1e-13)
