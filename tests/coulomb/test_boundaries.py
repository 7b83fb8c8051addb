"""One molecule, two boundary conditions: in a growing box the reciprocal sum tends to the direct sum as theory says.

E_open = E_box + alpha k_e Q^2 / (2 L) + (2 pi k_e / 3 V) (|M|^2 - Q Tr2) + O(L^-5), Tr2 = sum_i q_i r_i^2 + 2 mu_i.r_i
(Makov & Payne, Phys. Rev. B 51, 4014 (1995)). The box holds the width term of its background already.
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
from leyden.testing.numeric import random
from leyden.testing.operator.case import FRAMES, WIDTHS
from leyden.units import COULOMB

REFERENCE = json.loads((Path(__file__).parents[1] / "references" / "lattice_constants.json").read_text())
BOXES = [14.0, 16.0, 18.0, 20.0]


def molecule(charge: float, lmax: int) -> tuple[Atoms, Tensor]:
    """Four atoms with a total charge, and dipoles for lmax = 1."""
    atoms = Atoms(FRAMES[0].numbers, FRAMES[0].positions)
    charges = torch.tensor([0.9, -0.7, -0.6, 0.4], dtype=torch.float64) + charge / 4
    return atoms, torch.cat([charges[:, None], 0.3 * random(0, 4, 3 * lmax)], 1)


def in_box(atoms: Atoms, density: Tensor, edge: float, accuracy: float = 1e-9) -> float:
    """Energy in a cubic box, eV."""
    box = System.from_ase(Atoms(atoms, cell=[edge] * 3, pbc=True))
    return Coulomb(accuracy).bind(box, GaussianBasis(WIDTHS, int(density.shape[1] > 1))).energy(density).item()


def leading(atoms: Atoms, density: Tensor, edge: float) -> float:
    """Correction to the energy in a box up to order L^-3, eV."""
    q, r = density[:, 0].numpy(), atoms.positions
    mu = density[:, 1:].numpy() if density.shape[1] > 1 else np.zeros((len(atoms), 3))
    total, moment = q.sum(), (q[:, None] * r + mu).sum(0)
    trace = (q * (r * r).sum(1) + 2 * (mu * r).sum(1)).sum()
    wigner = REFERENCE["wigner"]["sc"] * total**2 / (2 * edge)
    return COULOMB * (wigner + 2 * math.pi / (3 * edge**3) * (moment @ moment - total * trace))


@pytest.mark.parametrize("lmax", [0, 1])
@pytest.mark.parametrize("charge", [0.0, 1.0, -1.0])
def test_growing_boxes(charge: float, lmax: int) -> None:
    """What is left falls as L^-5 and, extrapolated, is below 1e-7 eV."""
    atoms, density = molecule(charge, lmax)
    exact = Coulomb().bind(System.from_ase(atoms), GaussianBasis(WIDTHS, lmax)).energy(density).item()
    left = np.array([in_box(atoms, density, edge) + leading(atoms, density, edge) - exact for edge in BOXES])
    powers = np.array(BOXES)[:, None] ** np.array([0.0, -5.0, -7.0, -9.0])
    assert abs(left).max() < 5e-3
    assert 4.5 < left[0] / left[-1] < 8.0
    assert abs(np.linalg.solve(powers, left)[0]) < 1e-7
    assert abs(leading(atoms, density, BOXES[-1])) > 1e-3


@pytest.mark.parametrize("charge", [0.0, 1.0])
def test_potential_in_a_large_box(charge: float) -> None:
    """The potential at points too: its leading difference is the Wigner potential of the charge."""
    atoms, density = molecule(charge, 0)
    points, index = (
        torch.tensor([[1.0, 1.2, 0.7], [0.3, 2.0, 2.9]], dtype=torch.float64),
        torch.zeros(2, dtype=torch.long),
    )
    basis, edge = GaussianBasis(WIDTHS), 40.0
    open_ = Coulomb().bind(System.from_ase(atoms), basis).at(density, points, index)
    box = System.from_ase(Atoms(atoms, cell=[edge] * 3, pbc=True))
    shifted = (
        Coulomb(1e-5).bind(box, basis).at(density, points, index) + REFERENCE["wigner"]["sc"] * charge * COULOMB / edge
    )
    assert (open_ - shifted).abs().max() < 1e-2
    assert open_.abs().min() > 0.3
