"""Polarizable dipoles (PHYSICS T11, T12): isolated atom, pair, cubic lattice, and no catastrophe."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import Equilibration, Problem
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.features import Channels, Features
from leyden.neighbors import Graph, neighbor_list
from leyden.system import System
from leyden.units import COULOMB

SIGMA = 0.5
SELF = COULOMB / (6 * math.sqrt(math.pi) * SIGMA**3)
"""Curvature of V in a dipole, eV/(e Å)^2."""
FIELD = 0.1


class Dipoles(Equilibration):
    """One stiffness (eV/(e Å)^2) of all dipoles, and charges so stiff that they stay zero."""

    def __init__(self, stiffness: float) -> None:
        super().__init__(Channels(1, 1, 0), (2,), GaussianBasis(SIGMA, 1), 1)
        self.given = stiffness

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor]:
        none = torch.zeros_like(problem.external)
        blocks = torch.diag_embed(none + torch.tensor([1e9, *[self.given] * 3]).double())
        return none, blocks


def polarizability(atoms: Atoms, stiffness: float) -> Tensor:
    """Response of all dipoles to a field that acts on them, along each axis: (3, 3) e Å / (V/Å)."""
    system, model = System.from_ase(atoms), Dipoles(stiffness)
    none = torch.zeros(len(atoms), 0, dtype=torch.float64)
    features = Features(none.sum(1), none, none[:, None], none[:, None, None])
    graph = Graph.of(system, neighbor_list(system, 1.0))
    bound = Coulomb(1e-8).bind(system, model.basis)
    problem = Problem(system, features, graph, bound, torch.zeros(len(atoms), 4, dtype=torch.float64))
    rows = []
    for axis in range(3):
        external = torch.zeros_like(problem.external)
        external[:, 1 + axis] = -FIELD
        rows.append(model.solve(replace(problem, external=external)).density[:, 1:].sum(0) / FIELD)
    return torch.stack(rows)


def alone(stiffness: float) -> float:
    return 1.0 / (stiffness + SELF)


def test_isolated_atom() -> None:
    """alpha = 1 / (kappa + k_e / (6 sqrt(pi) sigma^3)): not zero."""
    found = polarizability(Atoms("He", [[0.1, 0.2, 0.3]]), 7.0)
    torch.testing.assert_close(found, alone(7.0) * torch.eye(3, dtype=torch.float64), rtol=1e-9, atol=1e-10)


def test_pair() -> None:
    """alpha_parallel = 2 a / (1 - 2 a k_e / r^3), alpha_perpendicular = 2 a / (1 + a k_e / r^3), a of one atom."""
    a, r = alone(7.0), 5.0
    found = polarizability(Atoms("He2", [[0, 0, 0], [0, 0, r]]), 7.0)
    coupling = a * COULOMB / r**3
    across, along = 2 * a / (1 + coupling), 2 * a / (1 - 2 * coupling)
    expected = torch.diag(torch.tensor([across, across, along], dtype=torch.float64))
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)
    assert along / (2 * a) > 1.01


@pytest.mark.parametrize("spacing", [4.5, 5.5])
def test_clausius_mossotti(spacing: float) -> None:
    """(eps - 1) / (eps + 2) = 4 pi alpha / 3 v for a cubic lattice of Gaussians that do not overlap."""
    crystal = Atoms("He", cell=[spacing] * 3, pbc=True).repeat(2)
    a, volume = COULOMB * alone(3.0), spacing**3
    response = COULOMB * polarizability(crystal, 3.0) / 8
    eps = 1 + 4 * math.pi * response[0, 0].item() / volume
    assert (eps - 1) / (eps + 2) == pytest.approx(4 * math.pi * a / (3 * volume), rel=1e-6)
    assert eps > 1.05 and torch.allclose(response, response[0, 0] * torch.eye(3).double(), atol=1e-6)


def test_no_catastrophe() -> None:
    """Where point dipoles diverge, alpha / v = 3 / 4 pi, and beyond, Gaussians of this self-energy answer finitely."""
    stiffness = 0.0
    a = COULOMB * alone(stiffness)
    critical = (4 * math.pi * a / 3) ** (1 / 3)
    for spacing in np.array([0.6, 0.9, 1.0, 1.1]) * critical:
        crystal = Atoms("He", cell=[spacing] * 3, pbc=True).repeat(2)
        response = COULOMB * polarizability(crystal, stiffness + 0.05)[0, 0].item() / 8
        assert 0 < response < 1e3
    point = a / (1 - 4 * math.pi * a / (3 * (0.9 * critical) ** 3))
    assert point < 0
