"""Hardness: by finite differences of the chemical potential and of the energy, and of a lone ion by hand."""

import math
from dataclasses import replace

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import (
    Equilibration,
    Local,
    Response,
    SpinEquilibration,
    SplitChargeEquilibration,
    SymmetricResponse,
    Variational,
)
from leyden.charges.model import ChargeModel
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties import hardness
from leyden.system import System
from leyden.testing.assembly import assembled, batch
from leyden.testing.numeric import central, close
from leyden.units import COULOMB

MODELS = [
    Local, Equilibration, SpinEquilibration, SplitChargeEquilibration, Variational, SymmetricResponse, Response,
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_finite_difference(model: type[ChargeModel]) -> None:
    """Away from Q = 0, where the features' own dependence on Q has a kink in its second derivative."""
    potential = assembled(lambda c, e: model(c, e, GaussianBasis(0.6), hidden=4))  # type: ignore[call-arg]
    system = replace(batch(), charge=torch.tensor([0.4, 1.0, -1.2, 0.3], dtype=torch.float64))

    def level(h: float) -> Tensor:
        moved = replace(system, charge=system.charge + h)
        return forces(potential, moved, stress=False, chemical_potential=True).chemical_potential

    found = hardness(potential, system)
    close(found, central(level, 1e-3), 1e-6)
    assert found.abs().min() > 1e-3 and not found.requires_grad


def test_lone_ion() -> None:
    """chi Q + 1/2 (eta + k_e / (sqrt(pi) sigma)) Q^2, with eta as the model states it."""
    potential = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    with torch.no_grad():
        potential.backbone.embedding.conditioning.state.zero_()
    system = System.from_ase(Atoms("O", [[0.3, 0.0, 0.0]]), charge=-1)
    eta = potential(system).solution.hardness
    close(hardness(potential, system), eta + COULOMB / (math.sqrt(math.pi) * 0.6), 1e-9)


def test_energies_that_do_not_know_the_charge(short_range: Potential) -> None:
    with torch.no_grad():
        short_range.backbone.embedding.conditioning.state.zero_()
    assert torch.equal(hardness(short_range, batch()), torch.zeros(4, dtype=torch.float64))
