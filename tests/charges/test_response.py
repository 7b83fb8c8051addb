"""Response and SymmetricResponse: the contract of a charge model, and the equalities with charge equilibration."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import segment
from leyden.charges import Equilibration
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem
from leyden.charges.response import Response
from leyden.charges.symmetric_response import SymmetricResponse
from leyden.coulomb import Coulomb, field
from leyden.density import GaussianBasis
from leyden.derivatives import forces, hessian_vector
from leyden.features import Channels
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.solve import Settings, Solution, Status, Unconverged
from leyden.system import System
from leyden.testing.assembly import assembled, batch, molecules
from leyden.testing.charges import ChargeModelContract
from leyden.testing.numeric import central, close, random


class TestCharges(ChargeModelContract):
    size_consistent = False
    lmax = 0
    conjugate = False
    """The dipole of the density is not -dE/dfield, since the energy is not stationary."""

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return Response(channels, elements, GaussianBasis({1: 0.5, 6: 0.7, 8: 0.6}, self.lmax), hidden=4)


class TestDipoles(TestCharges):
    lmax = 1


class TestSymmetric(ChargeModelContract):
    size_consistent = False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return SymmetricResponse(channels, elements, GaussianBasis(0.6, 1), hidden=4)


MODELS: list[type[Response] | type[SymmetricResponse]] = [Response, SymmetricResponse]


def response(model: type[Response] | type[SymmetricResponse], lmax: int = 1) -> Potential:
    return assembled(lambda c, e: model(c, e, GaussianBasis(0.6, lmax), hidden=4))


def problem_of(potential: Potential, system: System) -> Problem:
    graph = Graph.of(system, neighbor_list(system, potential.backbone.cutoff))
    basis = potential.charges.basis
    bound = potential.coulomb.bind(system, basis)
    return Problem(system, potential.backbone(graph), graph, bound, field.uniform(system, basis))


class Twin(Equilibration):
    """J = alpha^-1, chi = -J p0, of a symmetric response, and 1/2 p0.J p0 beside the energy."""

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor]:
        rest, alpha = self.response.parameters_of(problem)
        return -torch.linalg.solve(alpha, rest), torch.linalg.inv(alpha)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        rest, alpha = self.response.parameters_of(problem)
        own = 0.5 * problem.rows.dot(rest, torch.linalg.solve(alpha, rest))
        return super().energy(density, problem) + own


@pytest.mark.parametrize("lmax", [0, 1])
def test_symmetric_response_is_equilibration(lmax: int) -> None:
    """GMRES on the cycle, conjugate gradients on the energy: one density, energy and force."""
    one = response(SymmetricResponse, lmax)
    two = deepcopy(one)
    two.charges = Twin(one.backbone.channels, (1, 6, 8), one.charges.basis, hidden=4).double()
    two.charges.response = one.charges
    found, expected = forces(one, batch()), forces(two, batch())
    close(found.output.density, expected.output.density, 1e-9)
    close(found.output.energy_long, expected.output.energy_long, 1e-9)
    close(found.forces, expected.forces, 1e-9)
    close(found.stress[[1, 3]], expected.stress[[1, 3]], 1e-9)
    assert found.output.solution.radius.max() > 1 and found.output.solution.status == (Status.CONVERGED,) * 4
    assert found.output.density.abs().max() > 0.1 and found.output.energy_long.abs().min() > 0.01


def test_response_with_the_weights_of_equilibration_is_equilibration() -> None:
    """a = -1/J on the width of the density, Fukui weights 1/J, p_loc = -chi/J: the same charges."""
    one, two = response(Response, 0), response(Response, 0)
    two.charges = Equilibration(one.backbone.channels, (1, 6, 8), one.charges.basis, hidden=4).double()
    block = one.charges.block
    with torch.no_grad():
        for part in (block, two.charges):
            for name, weight in part.named_parameters():
                if "bias" not in name or "layers" in name:
                    weight.zero_()
        hardness = torch.nn.functional.softplus(two.charges.hardness.bias) + 0.5
        block.charge.bias.copy_(-two.charges.chi.bias / hardness)
        block.softness.bias.copy_(torch.log(torch.expm1(1 / hardness - 1e-3)))
        for n, layer in enumerate(block.by_potential):
            layer.bias.copy_(-100.0 / hardness if n == 0 else torch.zeros(3))
    system = batch()
    charges = one(system).charges
    close(charges, two(system).charges, 1e-9)
    assert charges[system.index == 0].std() > 0.1


@pytest.mark.parametrize("model", MODELS)
def test_only_differences_of_potential_count(model: type[Response]) -> None:
    """A constant in each structure changes neither the density nor U; a field does."""
    potential = response(model)
    problem = problem_of(potential, replace(molecules(), field=0.3 * random(7, 2, 3)))
    constant = torch.zeros_like(problem.external)
    constant[:, 0] = torch.tensor([5.0, -3.0], dtype=torch.float64)[problem.system.index]
    raised = replace(problem, external=problem.external + constant)
    free = replace(problem, external=0.0 * problem.external)
    density, same, other = (potential.charges.solve(p).density for p in (problem, raised, free))
    close(same, density, 1e-10)
    close(potential.charges.energy(density, raised), potential.charges.energy(density, problem), 1e-11)
    assert (other - density)[:, 0].abs().max() > 1e-3


def test_potentials_are_relative_to_where_charge_can_go() -> None:
    """Their mean, weighted by the softness of each atom, is zero in each structure."""
    problem = problem_of(response(Response), batch())
    answer, count = response(Response).charges.block(problem), len(problem.external)
    relative = answer.relative(random(12, count, 3, 4))
    mean = segment.total(answer.weights * relative, problem.system.index, problem.system.count)
    close(mean, torch.zeros(4, 3, dtype=torch.float64), 1e-12)
    assert answer.weights.std() > 0.01 and relative.std() > 0.1


@pytest.mark.parametrize("model", MODELS)
def test_start_of_a_simulation_step(model: type[Response]) -> None:
    """Any start leads to one density; from the density itself nothing is left to do."""
    potential, system = response(model), batch()
    output = potential(system)
    far = potential(system, start=random(11, *output.density.shape))
    close(far.density, output.density, 1e-9)
    near = potential(system, start=output.density.detach())
    close(near.density, output.density, 1e-12)
    assert near.solution.iterations.tolist() == [0] * 4 and output.solution.iterations.min() > 0


@pytest.mark.parametrize("model", MODELS)
def test_isolated_atom_polarizes(model: type[Response]) -> None:
    """Along the field, alike in all directions, without a charge; and so does the energy."""
    system = System.from_ase([Atoms("O")] * 2)
    along = torch.tensor([[0.0, 0.0, 0.5], [0.3, -0.4, 0.0]], dtype=torch.float64, requires_grad=True)
    output = response(model)(replace(system, field=along))
    ratio = output.density[:, 1:] / along
    polarizability = ratio[0, 2]
    assert 0.005 < polarizability < 1.0
    close(output.density[:, 1:], polarizability * along, 1e-10)
    close(output.charges, torch.zeros(2, dtype=torch.float64), 1e-14)
    (slope,) = torch.autograd.grad(output.energy.sum(), along)
    assert (slope * along).sum(1).abs().min() > 1e-4


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["direct", "reciprocal", "mesh"])
def test_forces_are_those_of_the_sum_that_is_used(model: type[Response], method: str) -> None:
    """However coarse it is: a matrix of V serves the derivatives only where it is the same V."""
    potential, system = response(model), molecules()
    potential.coulomb = Coulomb(1e-2, method)
    step = random(2, *system.positions.shape)
    found = forces(potential, system, stress=False).forces
    measured = central(lambda h: potential(replace(system, positions=system.positions + h * step)).energy)
    close(segment.total((-found * step).sum(1), system.index, 2), measured, 1e-7)


def test_derivatives_that_are_asked_for() -> None:
    """One is enough for forces, two for the Hessian and for training forces; fewer are not."""
    potential, system, step = response(Response), batch(), random(4, *batch().positions.shape)
    close(forces(potential, system).forces, forces(potential, system, create_graph=True).forces, 1e-10)
    weights = list(potential.charges.block.charge.parameters())

    def second(order: int) -> list[Tensor]:
        positions = system.positions.clone().requires_grad_()
        with potential.asked(order=order):
            energy = potential(replace(system, positions=positions)).energy.sum()
        (slope,) = torch.autograd.grad(energy, positions, create_graph=True)
        return list(torch.autograd.grad((slope * step).sum(), [positions, *weights]))

    one, two, three = (second(order) for order in (1, 2, 3))
    for few, enough, more in zip(one, two, three, strict=True):
        close(enough, more, 1e-9)
        assert (few - more).abs().max() > 1e-4
    close(two[0], hessian_vector(potential, system, step), 1e-9)


def test_training_starts_with_a_cycle_that_contracts() -> None:
    torch.manual_seed(0)
    potential = response(Response)
    potential.charges = Response(potential.backbone.channels, (1, 6, 8), GaussianBasis(0.6, 1)).double()
    radius = potential(batch()).solution.radius
    assert radius.min() > 0.05 and radius.max() < 0.9


@pytest.mark.parametrize("model", MODELS)
def test_an_unconverged_density_is_an_error_or_reported(model: type[Response]) -> None:
    potential = response(model)
    potential.charges.settings = Settings(iterations=1)
    with pytest.raises(Unconverged, match="expected a converged, stable density"):
        potential(batch())
    potential.charges.settings = Settings(iterations=1, unconverged="report")
    solution: Solution = potential(batch()).solution
    assert solution.failed.any() and solution.residual.max() > 1e-6


@pytest.mark.parametrize("model", MODELS)
def test_what_cannot_be_built_is_said(model: type[Response]) -> None:
    channels = response(model).backbone.channels
    with pytest.raises(ValueError, match="expected one shell"):
        model(channels, (1,), GaussianBasis(0.6, 2))
    with pytest.raises(ValueError, match="vector features"):
        model(Channels(4, 0, 0), (1,), GaussianBasis(0.6, 1))
    with pytest.raises(ValueError, match="receivers of positive widths"):
        Response(channels, (1,), GaussianBasis(0.6), receivers=(0.7, 0.0))
