"""The loss: every term by hand, missing labels, and gradients with respect to weights by finite differences."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from leyden.derivatives import Derivatives, forces
from leyden.potential import Output, Potential
from leyden.system import System
from leyden.train.batch import Labels
from leyden.train.config import LossSection
from leyden.train.loss import loss, squared_errors

NAN = torch.nan
EDGE = 2.0
"""Å, cell of the hand-made batch: volumes of 8 Å^3."""


def batch(periodic: bool = True) -> System:
    """An atom alone, and three in a row."""
    positions = torch.tensor([[0.0, 0, 0], [0, 0, 0], [1.1, 0, 0], [1.5, 0.9, 0.1]], dtype=torch.float64)
    return System(
        positions, torch.tensor([8, 8, 1, 6]), EDGE * torch.eye(3, dtype=torch.float64).repeat(2, 1, 1),
        torch.full((2, 3), periodic), torch.tensor([0, 1, 1, 1]), torch.zeros(2, dtype=torch.float64),
        torch.ones(2, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64),
    )  # fmt: skip


def predicted(energy: Tensor, force: Tensor, stress: Tensor, dipole: Tensor) -> Derivatives:
    return Derivatives(Output(energy, energy, energy, None, dipole), force, stress)


def zeros() -> Derivatives:
    shapes = ((2,), (4, 3), (2, 3, 3), (2, 3))
    return predicted(*(torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in shapes))


LABELS = Labels(
    energy=torch.tensor([0.5, 6.0], dtype=torch.float64),
    forces=torch.full((4, 3), 2.0, dtype=torch.float64),
    stress=torch.full((2, 3, 3), 0.3, dtype=torch.float64),
    dipole=torch.tensor([[1.0, 0, 0], [3.0, 0, 0]], dtype=torch.float64),
)


@pytest.mark.parametrize(
    ("weights", "value"),
    [
        (LossSection(energy=10.0, forces=0.0), 10 * (0.5**2 + (6 / 3) ** 2) / 2),  # eV/atom
        (LossSection(energy=0.0, forces=3.0), 3 * 2.0**2),  # eV/Å, over components
        (  # virial: stress times volume, eV/atom
            LossSection(energy=0.0, forces=0.0, stress=5.0), 5 * ((0.3 * 8) ** 2 + (0.3 * 8 / 3) ** 2) / 2,
        ),
        (LossSection(energy=0.0, forces=0.0, dipole=2.0), 2 * (1.0 + 9.0 / 3) / 6),  # e Å per root of atoms
        (LossSection(energy=1.0, forces=1.0), (0.25 + 4.0) / 2 + 4.0),
    ],
)  # fmt: skip
def test_each_term_by_hand(weights: LossSection, value: float) -> None:
    assert loss(squared_errors(zeros(), LABELS, batch()), weights).item() == pytest.approx(value)


def test_missing_entries_are_left_out() -> None:
    """The mean runs over labels that are there, and the gradient of the others is exactly zero, never NaN."""
    forces_label = torch.full((4, 3), 2.0, dtype=torch.float64)
    forces_label[1:] = NAN
    labels = replace(LABELS, energy=torch.tensor([NAN, 6.0], dtype=torch.float64), forces=forces_label, stress=None)
    guess = zeros()
    total = loss(squared_errors(guess, labels, batch()), LossSection(energy=1.0, forces=1.0, stress=1.0))
    assert total.item() == pytest.approx(4.0 + 4.0)
    energy, force = torch.autograd.grad(total, [guess.output.energy, guess.forces])
    assert energy.tolist() == pytest.approx([0.0, -2 * 2 / 3])
    assert force[0].tolist() == pytest.approx([-4 / 3] * 3) and not force[1:].any()


def test_a_batch_without_a_wanted_label_adds_nothing() -> None:
    labels = Labels(energy=torch.full((2,), NAN, dtype=torch.float64))
    total = loss(squared_errors(zeros(), labels, batch()), LossSection())
    assert total.item() == 0.0
    total.backward()


def _loss(potential: Potential, system: System, labels: Labels, weights: LossSection) -> Tensor:
    found = forces(potential, system, stress=labels.stress is not None, create_graph=True)
    return loss(squared_errors(found, labels, system), weights)


def _check_gradient(potential: Potential, parameter: Tensor, evaluate: Callable[[], Tensor]) -> None:
    """The derivative with respect to the largest component of a weight's gradient against central differences."""
    (gradient,) = torch.autograd.grad(evaluate(), parameter)
    place, step = int(gradient.abs().argmax()), 1e-5
    flat = parameter.detach().view(-1)
    ends = []
    for sign in (1, -1):
        flat[place] += sign * step
        ends.append(evaluate().item())
        flat[place] -= sign * step
    exact = gradient.flatten()[place].item()
    assert abs(exact) > 1e-6
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("label", ["energy", "forces", "stress", "dipole"])
def test_gradient_of_weights(potential: Potential, label: str) -> None:
    system = batch(periodic=label == "stress")
    system = replace(system, cell=2.5 * system.cell)
    labels = Labels(**{label: LABELS.present()[label]})
    off = LossSection(energy=0.0, forces=0.0, dipole=1.0).model_copy(update={"dipole": 0.0})
    weights = off.model_copy(update={label: 1.0})
    assert potential.charges is not None
    parameters = [*potential.charges.parameters(), *potential.backbone.parameters()]
    used = torch.autograd.grad(_loss(potential, system, labels, weights), parameters, allow_unused=True)
    parameter = max(zip(parameters, used, strict=True), key=lambda x: 0.0 if x[1] is None else x[1].abs().max())[0]
    _check_gradient(potential, parameter, lambda: _loss(potential, system, labels, weights))
