"""The loss: every term by hand, missing labels, and gradients with respect to weights by finite differences."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from leyden.density import GaussianBasis
from leyden.derivatives import Derivatives, forces
from leyden.neighbors import neighbor_list
from leyden.potential import Output, Potential
from leyden.system import System
from leyden.testing.assembly import batch as mixed
from leyden.testing.numeric import random
from leyden.train.batch import Batch, Labels
from leyden.train.config import LossSection
from leyden.train.electric import ELECTRIC
from leyden.train.loss import instability, loss, squared_errors
from leyden.train.points import at_points

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


BASIS = GaussianBasis(0.6, 1)


def zeros() -> Derivatives:
    energy, force, stress, dipole, density, mu = (
        torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2,), (4, 3), (2, 3, 3), (2, 3), (4, 4), (2,))
    )
    return Derivatives(Output(energy, energy, energy, density, density[:, 0], dipole), force, stress, mu)


LABELS = Labels(
    energy=torch.tensor([0.5, 6.0], dtype=torch.float64),
    forces=torch.full((4, 3), 2.0, dtype=torch.float64),
    stress=torch.full((2, 3, 3), 0.3, dtype=torch.float64),
    dipole=torch.tensor([[1.0, 0, 0], [3.0, 0, 0]], dtype=torch.float64),
    quadrupole=torch.diag(torch.tensor([1.0, -3.0, 2.0], dtype=torch.float64)).repeat(2, 1, 1),
    density_coefficients=torch.tensor([[0.5, 0.0, 0.1, 0.0]], dtype=torch.float64).repeat(4, 1),
    chemical_potential=torch.tensor([-4.0, 3.0], dtype=torch.float64),
    born_effective_charges=torch.tensor([[0.2, 0, 0], [0, 0, 1.0], [0, 0, 0]], dtype=torch.float64).repeat(4, 1, 1),
    polarizability=torch.eye(3, dtype=torch.float64).repeat(2, 1, 1),
    electrostatic_potential=torch.tensor([[1.5, 3.5, NAN], [-2.0, -2.0, 1.0]], dtype=torch.float64),
    potential_points=2.0 * random(5, 2, 3, 3),
    charges=torch.tensor([0.5, 0.0, -0.5, 1.0], dtype=torch.float64),
)
RESPONSE = {
    "born_effective_charges": torch.zeros(4, 3, 3, dtype=torch.float64),
    "polarizability": -torch.eye(3, dtype=torch.float64).repeat(2, 1, 1),
    "electrostatic_potential": torch.tensor([[0.5, 0.5, NAN], [0.0, 0.0, 0.0]], dtype=torch.float64),
}


def section(**weights: float) -> LossSection:
    """No weights but these."""
    return LossSection(**({"energy": 0.0, "forces": 0.0} | weights))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "value"),
    [
        (LossSection(energy=10.0, forces=0.0), 10 * (0.5**2 + (6 / 3) ** 2) / 2),  # eV/atom
        (LossSection(energy=0.0, forces=3.0), 3 * 2.0**2),  # eV/Å, over components
        (  # virial: stress times volume, eV/atom
            LossSection(energy=0.0, forces=0.0, stress=5.0), 5 * ((0.3 * 8) ** 2 + (0.3 * 8 / 3) ** 2) / 2,
        ),
        (LossSection(energy=0.0, forces=0.0, dipole=2.0), 2 * (1.0 + 1.0 / 3) / 6),  # e Å per root of atoms, modulo 2
        (section(quadrupole=2.0), 2 * (14.0 + 14.0 / 3) / 18),  # e Å^2 per root of atoms
        (section(density_coefficients=3.0), 3 * (0.25 + 0.01) / 4),  # e, e Å
        (section(chemical_potential=2.0), 2 * (16.0 + 9.0) / 2),  # eV/e
        (section(born_effective_charges=2.0), 2 * (0.2**2 + 1.0) / 9),  # e, by component
        (section(polarizability=5.0), 5 * (12.0 + 12.0 / 3) / 18),  # Å^3 per root of atoms
        (section(electrostatic_potential=3.0), 3 * (1 + 1 + 1 + 1 + 4) / 5),  # V, less the mean of each structure
        (section(charges=2.0), 2 * (0.25 + 0.25 + 1.0) / 4),  # e, by atom
        (LossSection(energy=1.0, forces=1.0), (0.25 + 4.0) / 2 + 4.0),
    ],
)  # fmt: skip
def test_each_term_by_hand(weights: LossSection, value: float) -> None:
    assert loss(squared_errors(zeros(), LABELS, batch(), BASIS, RESPONSE), weights).item() == pytest.approx(value)


def test_potentials_of_open_structures_have_a_zero() -> None:
    """At infinity, and nothing is taken from them."""
    errors = squared_errors(zeros(), LABELS, batch(periodic=False), BASIS, RESPONSE)["electrostatic_potential"]
    assert errors.tolist() == pytest.approx([1.0, 9.0, 4.0, 4.0, 1.0])


def test_missing_entries_are_left_out() -> None:
    """The mean runs over labels that are there, and the gradient of the others is exactly zero, never NaN."""
    forces_label = torch.full((4, 3), 2.0, dtype=torch.float64)
    forces_label[1:] = NAN
    labels = replace(LABELS, energy=torch.tensor([NAN, 6.0], dtype=torch.float64), forces=forces_label, stress=None)
    guess = zeros()
    total = loss(squared_errors(guess, labels, batch(), BASIS), LossSection(energy=1.0, forces=1.0, stress=1.0))
    assert total.item() == pytest.approx(4.0 + 4.0)
    energy, force = torch.autograd.grad(total, [guess.output.energy, guess.forces])
    assert energy.tolist() == pytest.approx([0.0, -2 * 2 / 3])
    assert force[0].tolist() == pytest.approx([-4 / 3] * 3) and not force[1:].any()


def test_any_label_may_be_missing() -> None:
    """Of the second structure: what is left are the errors of the first, and no gradient that is not finite."""
    first, guess = torch.tensor([0, 1, 1, 1]) == 0, zeros()
    labels = LABELS.without(torch.tensor([False, True]), batch())
    errors = squared_errors(guess, labels, batch(), BASIS, RESPONSE)
    assert {name: len(error) for name, error in errors.items()} == {
        "energy": 1, "forces": 3, "stress": 9, "dipole": 3, "quadrupole": 9, "density_coefficients": 4,
        "chemical_potential": 1, "born_effective_charges": 9, "polarizability": 9, "electrostatic_potential": 2,
        "charges": 1,
    }  # fmt: skip
    assert errors["quadrupole"].sum().item() == pytest.approx(14.0)
    assert errors["chemical_potential"].tolist() == [16.0]
    everything = LossSection(stress=1.0, dipole=1.0, quadrupole=1.0, density_coefficients=1.0, chemical_potential=1.0)
    density, mu = torch.autograd.grad(loss(errors, everything), [guess.output.density, guess.chemical_potential])
    assert density.isfinite().all() and density[first].any() and not density[~first].any()
    assert mu.tolist() == [8.0, 0.0]


def test_stress_of_the_periodic_part_of_a_batch(potential: Potential) -> None:
    """Open structures beside it have none, and leave the gradients of weights finite."""
    system = mixed()
    stress = torch.full((4, 3, 3), NAN, dtype=torch.float64)
    stress[system.pbc.all(1)] = 0.0
    _loss(potential, system, Labels(stress=stress), section(stress=1.0)).backward()
    gradients = [weight.grad for weight in potential.parameters() if weight.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients) and any(g.abs().max() > 1e-6 for g in gradients)


def test_stability_by_hand() -> None:
    """Nothing up to the limit, the square of what is above."""
    radius = torch.tensor([0.2, 0.9, 1.4], dtype=torch.float64, requires_grad=True)
    penalty = instability(radius)
    assert penalty.tolist() == pytest.approx([0.0, 0.0, 0.25])
    assert torch.autograd.grad(penalty.sum(), radius)[0].tolist() == pytest.approx([0.0, 0.0, 1.0])
    assert loss({"stability": penalty}, section(energy=1.0, stability=6.0)).item() == pytest.approx(0.5)


def test_a_batch_without_a_wanted_label_adds_nothing() -> None:
    labels = Labels(energy=torch.full((2,), NAN, dtype=torch.float64))
    total = loss(squared_errors(zeros(), labels, batch(), BASIS), LossSection())
    assert total.item() == 0.0
    total.backward()


def _loss(potential: Potential, system: System, labels: Labels, weights: LossSection) -> Tensor:
    stress, mu = labels.stress is not None, labels.chemical_potential is not None
    found = forces(potential, system, stress=stress, create_graph=True, chemical_potential=mu)
    assert potential.charges is not None
    one = Batch(system, neighbor_list(system, potential.backbone.cutoff), labels)
    others = at_points(potential, one, found.output.density)
    return loss(squared_errors(found, labels, system, potential.charges.basis, others), weights)


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


@pytest.mark.parametrize(
    "label", [name for name in LossSection.model_fields if name not in ("density", "stability", *ELECTRIC)]
)
def test_gradient_of_weights(potential: Potential, label: str) -> None:
    system = batch(periodic=label == "stress")
    system = replace(system, cell=2.5 * system.cell)
    labels = Labels(**{label: LABELS.present()[label]}, potential_points=LABELS.potential_points)
    weights = section(**{label: 1.0})
    assert potential.charges is not None
    parameters = [*potential.charges.parameters(), *potential.backbone.parameters()]
    used = torch.autograd.grad(_loss(potential, system, labels, weights), parameters, allow_unused=True)
    parameter = max(zip(parameters, used, strict=True), key=lambda x: 0.0 if x[1] is None else x[1].abs().max())[0]
    _check_gradient(potential, parameter, lambda: _loss(potential, system, labels, weights))
