"""A charge added to an insulating crystal with a defect (PHYSICS T16): which models keep it there, and how much of it.

The crystal is rock salt of N ions, a cation of which is another element. What it has more of than a crystal whose total
charge is smaller by one, dq with sum dq = 1, follows from the rule of each model:

    shifts and equilibration of equal hardness    dq_i = 1 / N: V is the same for every atom, and chi plays no role,
    transfers from formal charges                 dq = 0 beyond the cutoff from the defect,
    the same with bonds that answer               1 / eps about the defect, and (1 - 1 / eps) / N on every atom,
    states of whole charge                        1 on the defect, but for terms of the order 1 / hardness.

A bond of compliance c carries c a E in a field E, so that a lattice of them with the period a has the permittivity
eps = 1 + 4 pi k_e c / a (Nistor & Müser, Phys. Rev. B 79, 104303). That charge spreads over a metal, whatever its size,
is the delocalisation error of equilibration; whole charges as in Baldwin et al., arXiv 2603.14700.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import Equilibration, Local, Problem
from leyden.charges.bonded import STIFFNESS
from leyden.charges.compliance import SplitChargeEquilibration
from leyden.charges.mixture import Mixture
from leyden.charges.model import ChargeModel
from leyden.charges.readout import inverse_softplus
from leyden.charges.response import Response
from leyden.charges.spin import SpinEquilibration
from leyden.charges.split import Split
from leyden.charges.symmetric_response import SymmetricResponse
from leyden.charges.transfer import REACH
from leyden.charges.unrolled import Unrolled
from leyden.coulomb import Coulomb, field
from leyden.coulomb.macroscopic import Macroscopic
from leyden.density import GaussianBasis
from leyden.features import Channels, Features
from leyden.neighbors import Graph, neighbor_list
from leyden.system import System
from leyden.units import COULOMB

SPACING, CUTOFF = 2.5, 3.4
"""Å: of nearest neighbors, which alone are within the cutoff."""
CATION, ANION, DEFECT = ELEMENTS = (3, 9, 12)
FORMAL = {CATION: 1.0, ANION: -1.0, DEFECT: 2.0}
BASIS = GaussianBasis(0.7)
CHANNELS = Channels(1, 0, 0)


def crystal(edge: int, defect: bool = True) -> Atoms:
    """edge^3 ions; the defect is the first of them."""
    place = np.array(list(np.ndindex(edge, edge, edge)))
    numbers = np.where(place.sum(1) % 2 == 0, CATION, ANION)
    numbers[0] = DEFECT if defect else CATION
    return Atoms(numbers, SPACING * place, cell=[edge * SPACING] * 3, pbc=True)


def distance(edge: int) -> Tensor:
    """Of each ion of `crystal` from the defect, Å."""
    atoms = crystal(edge)
    return torch.as_tensor(atoms.get_distances(0, range(len(atoms)), mic=True))


def problem(atoms: Atoms, charge: float) -> Problem:
    """Features that are the same wherever an atom is: weights are those of the elements."""
    system = System.from_ase(atoms, charge=charge)
    one = torch.ones_like(system.positions[:, :1])
    features = Features(0 * one[:, 0], one, one.new_zeros(len(one), 3, 0), one.new_zeros(len(one), 3, 3, 0))
    graph = Graph.of(system, neighbor_list(system, CUTOFF))
    bound = Coulomb(1e-9).bind(system, BASIS)
    return Problem(system, features, graph, bound, field.uniform(system, BASIS))


def plain(model: ChargeModel) -> ChargeModel:
    """The model with biases only, those of its elements where training starts."""
    model = model.double()
    for name, weight in model.named_parameters():
        if name.endswith(("layers.2.weight", "last.weight")):
            torch.nn.init.zeros_(weight)
    return model


def charges(model: ChargeModel, edge: int, charge: float, defect: bool = True) -> Tensor:
    return model.solve(problem(crystal(edge, defect), charge)).density[:, 0].detach()


EVERYWHERE = [
    Local, Split, Equilibration, SpinEquilibration, SplitChargeEquilibration, Response, SymmetricResponse, Unrolled,
]  # fmt: skip


@pytest.mark.parametrize("edge", [2, 4, 6])
@pytest.mark.parametrize("kind", EVERYWHERE)
def test_spread_over_the_whole_crystal(kind: type[ChargeModel], edge: int) -> None:
    """1 / N on every ion, the defect included, which has a charge that is not that of the others."""
    model = plain(kind(CHANNELS, ELEMENTS, BASIS, hidden=2))
    neutral = charges(model, edge, 0)
    added = charges(model, edge, 1) - neutral
    torch.testing.assert_close(added, torch.full_like(added, edge**-3), rtol=1e-9, atol=0.0)
    assert (neutral[0] - neutral[1:]).abs().min() > 1e-3


def test_soft_defect_of_a_metal_keeps_a_part_that_vanishes() -> None:
    """What equilibration leaves on a defect that takes charge more easily is in proportion to 1 / N too."""
    model = plain(Equilibration(CHANNELS, ELEMENTS, BASIS, hidden=2))
    with torch.no_grad():
        model.hardness.bias[2] = -20.0
    share = [edge**3 * (charges(model, edge, 1) - charges(model, edge, 0))[0].item() for edge in (2, 4, 6)]
    assert share[1] > 2.0
    assert share[0] == pytest.approx(share[1], rel=0.05) and share[1] == pytest.approx(share[2], rel=1e-4)


@pytest.mark.parametrize("edge", [2, 4, 6])
def test_formal_charges_stay_within_the_cutoff(edge: int) -> None:
    """All of it, and in crystals of any size the same; without the charge that the formal ones ask for, -1 / N more."""
    torch.manual_seed(0)
    model, near = Split(CHANNELS, ELEMENTS, BASIS, FORMAL, hidden=4).double(), distance(edge) < CUTOFF
    charged = charges(model, edge, 1)
    added = charged - charges(model, edge, 0, defect=False)
    assert added[near].sum().item() == pytest.approx(1.0, abs=1e-12)
    assert added[~near].abs().max() < 1e-14
    small = charges(model, 4, 1)[0].item()
    assert charged[0].item() == pytest.approx(small, abs=1e-12) and small > 1.5
    missing = charges(plain(model), edge, 0) - charges(model, edge, 1)
    torch.testing.assert_close(missing, torch.full_like(missing, -(edge**-3)), rtol=1e-9, atol=0.0)


def bonded(permittivity: float) -> SplitChargeEquilibration:
    """Formal charges, and bonds between nearest neighbors whose compliance makes up the permittivity."""
    compliance = (permittivity - 1) * SPACING / (4 * math.pi * COULOMB)
    envelope = math.exp(-0.5 * (SPACING / REACH) ** 2) * (1 - (SPACING / CUTOFF) ** 2) ** 3
    root = torch.tensor(math.sqrt(compliance * STIFFNESS) / envelope, dtype=torch.float64)
    model = SplitChargeEquilibration(CHANNELS, ELEMENTS, BASIS, FORMAL, hidden=2)
    plain(model)
    with torch.no_grad():
        model.root.bias.fill_(inverse_softplus(root).item())
    return model


@pytest.mark.parametrize("permittivity", [2.0, 4.0])
def test_bonds_screen_a_formal_charge(permittivity: float) -> None:
    """1 / eps stays about the defect, in shells that do not depend on N; the rest is far away, which is everywhere."""
    model, within = bonded(permittivity), []
    for edge in (4, 6):
        far = (1 - 1 / permittivity) / edge**3
        added = charges(model, edge, 1) - charges(model, edge, 0, defect=False) - far
        shells = [added[distance(edge) < radius].sum().item() for radius in (1.0, 3.0, 5.1)]
        within.append(shells)
    assert within[1][2] == pytest.approx(1 / permittivity, rel=0.04)
    np.testing.assert_allclose(within[0], within[1], rtol=0.02)


@pytest.mark.parametrize("permittivity", [2.0, 4.0])
def test_bonds_have_the_permittivity_that_screens(permittivity: float) -> None:
    """eps = 1 + 4 pi k_e dP/dF / V, from the dipole in a field along periodic axes."""
    seen = problem(crystal(2, defect=False), 0)
    strength = torch.tensor([[0.01, 0.0, 0.02]], dtype=torch.float64)
    inside = replace(seen, macroscopic=Macroscopic.of(replace(seen.system, field=strength)))
    model = bonded(permittivity)
    moment = model.moment(model.solve(inside).density, inside) - model.moment(model.solve(seen).density, seen)
    expected = (permittivity - 1) * seen.system.volume / (4 * math.pi * COULOMB) * strength
    torch.testing.assert_close(moment.detach(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("edge", [4, 6])
def test_screening_wave_by_wave(edge: int) -> None:
    """dq_k = (1 - c L_k dchi) / (1 + c L_k (eta + V_k)), L_k = sum over axes of 2 - 2 cos ka, from V as a matrix."""
    model = bonded(2.0)
    seen = problem(crystal(edge), 1)
    bound = model.bind(seen)
    chi, hardness = bound.chi, bound.hardness[:, :, 0]
    wave = 2 * math.pi * torch.arange(edge, dtype=torch.float64) / edge
    bend = 2 - 2 * torch.cos(wave)
    bonds = SPACING / (4 * math.pi * COULOMB) * (bend[:, None, None] + bend[:, None] + bend)
    kernel = torch.fft.fftn(seen.coulomb.dense()[0].view(edge, edge, edge)).real
    host = torch.as_tensor(crystal(edge).numbers == CATION).nonzero()[0]
    push = chi[0, 0] - chi[host, 0]
    expected = torch.fft.ifftn((1 - bonds * push) / (1 + bonds * (hardness[0] + kernel))).real.flatten()
    added = charges(model, edge, 1) - charges(model, edge, 0, defect=False)
    torch.testing.assert_close(added, expected.detach(), rtol=0.0, atol=1e-8)
    assert push.abs() > 1.0


def whole(hardness: float) -> Mixture:
    """Charges 0 and 1 of every ion, the latter 3 eV higher but on the defect."""
    model = Mixture(CHANNELS, ELEMENTS, BASIS, (0.0, 1.0), temperature=0.1, hidden=2).double()
    with torch.no_grad():
        model.parabolas.layers[2].weight.zero_()
        model.parabolas.bias.zero_()
        model.parabolas.bias[:, 1] = torch.tensor([3.0, 3.0, 0.0])
        model.parabolas.bias[:, 2:4] = hardness
    return model


@pytest.mark.parametrize("edge", [2, 4])
def test_states_keep_a_whole_charge_on_the_defect(edge: int) -> None:
    """One, in crystals of any size; what differs from it goes as 1 / hardness, and so do the charges of the others."""
    soft, hard = (charges(whole(hardness), edge, 1) for hardness in (100.0, 200.0))
    away, less = soft.clone(), hard.clone()
    away[0], less[0] = away[0] - 1, less[0] - 1
    assert 0.02 < away.abs().max() < 0.1
    assert (away.norm() / less.norm()).item() == pytest.approx(2.0, rel=0.1)
