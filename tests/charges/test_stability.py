"""The spectral radius of the cycle of Response: against a dense matrix, by the weights, trained, and where there is
none."""

import pytest
import torch
from torch import Tensor

from leyden.charges import Equilibration, Local, Response
from leyden.charges.answer import felt
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem, Solving
from leyden.checks import InputError
from leyden.coulomb import field
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.testing.assembly import assembled, batch, molecules
from leyden.testing.charges.derivatives import shifted
from leyden.testing.numeric import central, close, random
from leyden.train.loss import STABLE, instability


def assembled_with(model: type[ChargeModel]) -> Potential:
    return assembled(lambda c, e: model(c, e, GaussianBasis(0.6, 1), hidden=4))  # type: ignore[call-arg]


def radius(potential: Potential) -> Tensor:
    with potential.asked(direct=False, stability=True):
        return potential(batch()).solution.radius


def dense(potential: Potential) -> Tensor:
    """From columns g(p + 1) - g(p), exact for an affine map."""
    system, charges = batch(), potential.charges
    graph = Graph.of(system, neighbor_list(system, potential.backbone.cutoff))
    bound = potential.coulomb.bind(system, charges.basis)
    problem = Problem(system, potential.backbone(graph), graph, bound, field.uniform(system, charges.basis))
    answer, start = charges.block(problem), torch.zeros_like(problem.external)

    def image(p: Tensor) -> Tensor:
        return problem.plane.onto(answer(felt(p, problem, charges.receivers)), answer.weights)

    units = torch.eye(start.numel()).double()
    matrix = torch.stack([(image(unit.view_as(start)) - image(start)).flatten() for unit in units], 1).detach()
    owner = system.index.repeat_interleave(start.shape[1])
    return torch.stack([torch.linalg.eigvals(matrix[owner == s][:, owner == s]).abs().max() for s in range(4)])


def test_against_a_dense_matrix() -> None:
    potential = assembled_with(Response)
    found = radius(potential).detach()
    close(found, dense(potential), 1e-5)
    assert found.min() > 0.05


def test_derivative_by_the_weights() -> None:
    """Of backbone and charge model; none is asked for in the forces of a simulation."""
    potential = assembled_with(Response)
    for part in (potential.backbone, potential.charges):
        weights = list(part.parameters())
        steps = [random(9 + n, *weight.shape) for n, weight in enumerate(weights)]
        slopes = torch.autograd.grad(radius(potential).sum(), weights, allow_unused=True)
        along = sum((g * step).sum() for g, step in zip(slopes, steps, strict=True) if g is not None)

        def moved(h: float, part: torch.nn.Module = part, steps: list[Tensor] = steps) -> Tensor:
            with shifted(part, steps, h):
                return radius(potential).detach().sum()

        measured = central(moved, 1e-4)
        assert measured.abs() > 1e-2
        close(along, measured, 1e-4)
    with potential.asked(direct=False, stability=True):
        assert not forces(potential, batch()).output.solution.radius.requires_grad


def test_the_loss_makes_an_unstable_cycle_stable() -> None:
    """From a radius above one; with the loss below the limit it stops."""
    potential = assembled_with(Response)
    with torch.no_grad():
        potential.charges.block.by_potential[0].bias.sub_(4.0)
    potential.solving = Solving(report=True)
    before = radius(potential).detach()
    optimizer = torch.optim.Adam(potential.charges.parameters(), 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        penalty = instability(radius(potential)).sum()
        if penalty == 0:
            break
        penalty.backward()
        optimizer.step()
    after = radius(potential).detach()
    assert before.max() > 1.2 and after.max() <= STABLE and after.max() > 0.3


@pytest.mark.parametrize("model", [Local, Equilibration])
def test_models_without_a_cycle(model: type[ChargeModel]) -> None:
    potential = assembled_with(model)
    with (
        potential.asked(direct=False, stability=True),
        pytest.raises(InputError, match=rf"loss.stability: .* such as Response, got {model.__name__}, which has none"),
    ):
        potential(molecules())
