"""Densities of atoms that feel no potential: what they are, their derivatives, and which models have none."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from leyden.charges import Equilibration, Local, Mixture, Response, SymmetricResponse, Unrolled, Variational
from leyden.charges.model import ChargeModel, Solved
from leyden.charges.problem import Problem
from leyden.checks import InputError
from leyden.coulomb import BoundCoulomb, field
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.solve import Status
from leyden.system import System
from leyden.testing.assembly import assembled, batch, molecules
from leyden.testing.charges.derivatives import shifted
from leyden.testing.numeric import central, close, random

MODELS = [Equilibration, Variational, SymmetricResponse, Response]


class Nothing(BoundCoulomb):
    """V = 0."""

    def apply(self, density: Tensor) -> Tensor:
        return torch.zeros_like(density)

    def project(self, receivers: GaussianBasis, density: Tensor) -> Tensor:
        return density.new_zeros(len(density), receivers.dim)

    def approximate(self, accuracy: float) -> Tensor:
        return torch.zeros_like(super().approximate(accuracy))


def assembled_with(model: type[ChargeModel], lmax: int = 1) -> Potential:
    return assembled(lambda c, e: model(c, e, GaussianBasis(0.6, lmax), hidden=4))  # type: ignore[call-arg]


def problem_of(potential: Potential, system: System) -> Problem:
    graph = Graph.of(system, neighbor_list(system, potential.backbone.cutoff))
    basis = potential.charges.basis
    bound = potential.coulomb.bind(system, basis)
    return Problem(system, potential.backbone(graph), graph, bound, field.uniform(system, basis))


def straightened(model: ChargeModel) -> ChargeModel:
    """Without bends, so that all of U is quadratic."""
    if isinstance(model, Variational):
        with torch.no_grad():
            for part in (model.local.bends, model.local.polar):
                part.layers[-1].weight.zero_()
                part.bias.fill_(-100.0)
    return model


@pytest.mark.parametrize("lmax", [0, 1])
@pytest.mark.parametrize("model", MODELS)
def test_it_is_the_solution_without_potential(model: type[ChargeModel], lmax: int) -> None:
    """Solved with V = 0 and no field; with V, the solution is another one."""
    potential = assembled_with(model, lmax)
    problem = problem_of(potential, batch())
    charges = straightened(potential.charges) if lmax else potential.charges
    if model is Variational and not lmax:
        return
    assert isinstance(charges, Solved)
    found = charges.direct(problem)
    lonely = object.__new__(Nothing)
    lonely.__dict__.update(vars(problem.coulomb))
    close(found.density, charges.solve(replace(problem, coulomb=lonely)).density, 1e-8)
    assert (found.density - charges.solve(problem).density).abs().max() > 1e-2
    assert found.status == (Status.DIRECT,) * 4
    close(problem.plane.charge(found.density), problem.system.charge, 1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_derivatives(model: type[ChargeModel]) -> None:
    """Forces, and a loss of them by the weights of the charge model, against finite differences."""
    potential, system = assembled_with(model), batch()
    step = random(2, *system.positions.shape)
    weights = list(potential.charges.parameters())
    steps = [random(9 + n, *weight.shape) for n, weight in enumerate(weights)]

    def loss(create_graph: bool = False) -> Tensor:
        return forces(potential, system, create_graph=create_graph).forces.square().sum()

    def moved(h: float) -> Tensor:
        with shifted(potential.charges, steps, h):
            return loss()

    with potential.asked(direct=True, stability=False):
        found = forces(potential, system, stress=False)
        assert found.output.solution.status == (Status.DIRECT,) * 4
        measured = central(lambda h: potential(replace(system, positions=system.positions + h * step)).energy.sum())
        close(-(found.forces * step).sum(), measured, 1e-7)
        slopes = torch.autograd.grad(loss(create_graph=True), weights, allow_unused=True)
        along = sum((g * s).sum() for g, s in zip(slopes, steps, strict=True) if g is not None)
        close(along, central(moved, 1e-4), 1e-6)
        assert along.abs() > 1e-3
    after = forces(potential, system, stress=False)
    assert after.output.solution.status == (Status.CONVERGED,) * 4
    assert (after.forces - found.forces).abs().max() > 1e-2


def test_a_field_moves_nothing() -> None:
    potential, system = assembled_with(Equilibration), molecules()
    inside = replace(system, field=0.3 * random(7, 2, 3))
    with potential.asked(direct=True, stability=False):
        assert torch.equal(potential(inside).density, potential(system).density)
    assert (potential(inside).density - potential(system).density).abs().max() > 1e-2


@pytest.mark.parametrize("model", [Local, Mixture, Unrolled])
def test_models_without_one(model: type[ChargeModel]) -> None:
    potential = assembled_with(model, 0)
    expected = f"optimizer.direct_epochs: expected a charge model that solves .*, got {model.__name__}; set it to 0"
    with potential.asked(direct=True, stability=False), pytest.raises(InputError, match=expected):
        potential(molecules())
