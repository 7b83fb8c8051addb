"""Hardness: the second derivative of the energy of an atom by its charge, by automatic differentiation of it."""

from collections.abc import Callable

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import (
    ChargeModel,
    Equilibration,
    Local,
    Problem,
    Response,
    SpinEquilibration,
    Split,
    SplitChargeEquilibration,
    SymmetricResponse,
    Unrolled,
    Variational,
)  # fmt: skip
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.solve import Solution
from leyden.system import System
from leyden.testing.assembly import assembled, batch
from leyden.testing.numeric import close

Make = Callable[[Channels, tuple[int, ...]], ChargeModel]
LONE = System.from_ase([Atoms(symbol) for symbol in "HCO"], charge=[1, 0, -1], spin=[1, 3, 2])


def potential(model: type, lmax: int = 0) -> Potential:
    return assembled(lambda c, e: model(c, e, GaussianBasis(0.6, lmax), hidden=4))


def problem_of(given: Potential, system: System) -> Problem:
    graph = Graph.of(system, neighbor_list(system, given.backbone.cutoff))
    bound = given.coulomb.bind(system, given.charges.basis)
    density = torch.zeros(len(system.positions), given.charges.basis.dim, dtype=torch.float64)
    return Problem(system, given.backbone(graph), graph, bound, density)


def found(given: Potential, system: System) -> tuple[Tensor, Tensor]:
    """What the solution says, and the diagonal of the second derivatives of U by the charges at the same density."""
    problem = problem_of(given, system)
    solution: Solution = given.charges.solve(problem)
    density = solution.density.detach()
    second = torch.autograd.functional.hessian(lambda p: given.charges.energy(p, problem).sum(), density)
    assert solution.hardness is not None and not solution.hardness.requires_grad
    return solution.hardness, second[:, 0, :, 0].diagonal()


@pytest.mark.parametrize("lmax", [0, 1])
@pytest.mark.parametrize("model", [Equilibration, Variational, SymmetricResponse])
def test_second_derivative(model: type, lmax: int) -> None:
    hardness, second = found(potential(model, lmax), batch())
    close(hardness, second, 1e-9)
    assert hardness.min() > 0 and hardness.std() > 1e-3


def test_at_fixed_spins() -> None:
    """Of lone atoms, whose unpaired electrons cannot move."""
    hardness, second = found(potential(SpinEquilibration), LONE)
    close(hardness, second, 1e-9)
    assert hardness.unique().numel() == 3


def test_of_split_charges() -> None:
    """As of charge equilibration with the same weights: the energy of the bonds is no part of it."""
    bonds, anywhere = potential(SplitChargeEquilibration), potential(Equilibration)
    anywhere.charges.hardness.load_state_dict(bonds.charges.quadratic.hardness.state_dict())
    anywhere.backbone.load_state_dict(bonds.backbone.state_dict())
    close(bonds(batch()).solution.hardness, anywhere(batch()).solution.hardness, 1e-12)


@pytest.mark.parametrize("model", [Local, Split, Response, Unrolled])
def test_none(model: type) -> None:
    assert potential(model)(batch()).solution.hardness is None
