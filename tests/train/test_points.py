"""Electrostatic potentials at points: from files to errors and gradients by weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write
from torch import Tensor

from leyden.charges import Equilibration, Local, Response, Variational
from leyden.charges.model import ChargeModel
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.features import Channels
from leyden.potential import Potential
from leyden.properties.electrostatic import electrostatic_potential
from leyden.solve import Settings
from leyden.system import System
from leyden.testing.assembly import CHARGES, FRAMES, assembled
from leyden.testing.numeric import central, close, random
from leyden.train import points as evaluated
from leyden.train.batch import Batch, Frame, Labels, collate
from leyden.train.config import LossSection
from leyden.train.data import read_frames, with_pairs
from leyden.train.inspect import inspect
from leyden.train.loss import loss, squared_errors
from leyden.train.points import at_points, relative

Make = Callable[[Channels, tuple[int, ...]], ChargeModel | None]
NUMBERS = {0: 3, 2: 5, 3: 2}
"""Points of each structure of the usual batch; the second has none."""


def local(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Local(channels, elements, GaussianBasis(0.6, 1), hidden=4)


def equilibration(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Equilibration(channels, elements, GaussianBasis(0.6, 1), hidden=4)


def response(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Response(channels, elements, GaussianBasis(0.6, 1), hidden=4)


def variational(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Variational(channels, elements, GaussianBasis(0.6, 1), hidden=4, settings=Settings(tolerance=1e-10))


def batch(potential: Potential) -> Batch:
    """Open and periodic structures with random potentials at some points; energies of all."""
    frames = []
    for n, system in enumerate(System.from_ase(FRAMES, charge=CHARGES).split()):
        labels = Labels(energy=torch.zeros(1, dtype=torch.float64))
        if n in NUMBERS:
            values, points = random(n, 1, NUMBERS[n]), 2.0 * random(10 + n, 1, NUMBERS[n], 3)
            labels = replace(labels, electrostatic_potential=values, potential_points=points)
        frames.append(Frame(system, labels))
    return collate(with_pairs(frames, potential.backbone.cutoff))


def labelled(number: int, **info: object) -> Atoms:
    """A molecule with potentials at some points."""
    points = random(number, number, 3).numpy()
    values = {"REF_electrostatic_potential": np.arange(number) + 0.25, "REF_potential_points": points}
    return Atoms("HO", [[0, 0, 0], [0, 0, 1.0]], info={"REF_energy": -1.0, **values, **info})


def test_files_keep_points_and_values(tmp_path: Path) -> None:
    """Any number of them, also those that fill a vector or a matrix of nine; as rows, or one after the other."""
    atoms = [labelled(number) for number in (1, 3, 9, 12)]
    atoms.append(labelled(4, REF_potential_points=random(4, 4, 3).numpy().ravel()))
    write(tmp_path / "a.xyz", atoms, format="extxyz")
    data = read_frames(tmp_path / "a.xyz", required=("electrostatic_potential",))
    for number, frame in zip((1, 3, 9, 12, 4), data.frames, strict=True):
        value, points = frame.labels.electrostatic_potential, frame.labels.potential_points
        assert value is not None and points is not None and value[0].tolist() == [n + 0.25 for n in range(number)]
        close(points[0], random(number, number, 3), 1e-7)
    report = inspect(tmp_path / "a.xyz")
    assert report.labels == {"energy": 5, "electrostatic_potential": 5} and not report.problems
    assert {"electrostatic_potential", "potential_points"} <= {row.taken_for for row in report.keys}


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (None, "frame 1: electrostatic_potential: expected potential_points, one point for each of 4 values, got none"),
        (
            np.zeros((3, 3)),
            "frame 1: electrostatic_potential: expected .* of 4 values, got 3; add REF_potential_points",
        ),
        (np.zeros((4, 2)), r"frame 1: potential_points \(key `REF_potential_points`\): expected shape \(M, 3\), got"),
    ],
)
def test_points_that_do_not_fit(points: object, message: str, tmp_path: Path) -> None:
    atoms = [labelled(2), labelled(4)]
    del atoms[1].info["REF_potential_points"]
    if points is not None:
        atoms[1].info["REF_potential_points"] = points
    write(tmp_path / "a.xyz", atoms, format="extxyz")
    with pytest.raises(InputError, match=message):
        read_frames(tmp_path / "a.xyz", required=())
    (problem,) = inspect(tmp_path / "a.xyz").problems
    assert "frame 1" in problem and "potential" in problem


def test_points_without_values_are_no_label(tmp_path: Path) -> None:
    """Nor do they widen the batch of a structure that has both."""
    atoms = [labelled(4), labelled(2)]
    del atoms[0].info["REF_electrostatic_potential"]
    write(tmp_path / "a.xyz", atoms, format="extxyz")
    potential = assembled(local)
    read = collate(with_pairs(read_frames(tmp_path / "a.xyz", required=()).frames, 3.0))
    found = at_points(potential, read, potential(read.system).density)["electrostatic_potential"]
    assert found.shape == (2, 2) and found.isnan().tolist() == [[True, True], [False, False]]
    assert inspect(tmp_path / "a.xyz").labels == {"energy": 2, "electrostatic_potential": 1}


def test_batches_are_as_wide_as_their_widest_structure() -> None:
    labels = batch(assembled(local)).labels
    values, points = labels.electrostatic_potential, labels.potential_points
    assert values is not None and points is not None and values.shape == (4, 5) and points.shape == (4, 5, 3)
    assert (~values.isnan()).sum(1).tolist() == [3, 0, 5, 2]
    assert torch.equal(values.isnan(), points.isnan().all(2))
    close(values[3, :2], random(3, 1, 2)[0], 1e-15)


def test_values_are_those_of_single_structures() -> None:
    """Of the labelled ones, in one go, and never of a structure that was not solved."""
    potential = assembled(local)
    one = batch(potential)
    density = potential(one.system).density
    found = at_points(potential, one, density)["electrostatic_potential"]
    points = one.labels.potential_points
    assert points is not None and torch.equal(found.isnan(), points.isnan().all(2))
    for n, single in enumerate(one.system.split()):
        if n in NUMBERS:
            index = torch.zeros(NUMBERS[n], dtype=torch.long)
            close(
                found[n, : len(index)], electrostatic_potential(potential, single, points[n, : len(index)], index), 1e-9
            )
    left = one.labels.without(torch.tensor([True, False, False, True]), one.system)
    found = at_points(potential, replace(one, labels=left), density)["electrostatic_potential"]
    assert (~found.isnan()).sum(1).tolist() == [0, 0, 5, 0]


def test_only_what_is_asked_for_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call for the structures with points; none without labels, weight or charges."""
    potential, sizes = assembled(local), []

    def counted(potential: Potential, system: System, *rest: Tensor) -> Tensor:
        sizes.append(system.size.tolist())
        return electrostatic_potential(potential, system, *rest)

    monkeypatch.setattr(evaluated, "electrostatic_potential", counted)
    one = batch(potential)
    density = potential(one.system).density
    assert at_points(potential, one, density, ("energy", "dipole")) == {}
    assert at_points(potential, one, None) == {}
    assert at_points(potential, replace(one, labels=Labels(one.labels.energy)), density) == {}
    assert sizes == []
    at_points(potential, one, density)
    assert sizes == [[len(FRAMES[n]) for n in NUMBERS]]


def test_a_constant_means_something_in_open_structures_only() -> None:
    system = System.from_ase(FRAMES, charge=CHARGES)
    values = batch(assembled(local)).labels.electrostatic_potential
    assert values is not None
    shifted = relative(values + torch.tensor([[1.0], [2.0], [3.0], [4.0]]), system) - relative(values, system)
    close(shifted[0, :3], torch.ones(3, dtype=torch.float64), 1e-14)
    close(shifted[2], torch.full((5,), 3.0, dtype=torch.float64), 1e-14)
    close(shifted[3, :2], torch.zeros(2, dtype=torch.float64), 1e-14)
    assert relative(values, system)[3, :2].sum().abs() < 1e-14 and shifted[1].isnan().all()


@pytest.mark.parametrize("make", [local, equilibration, response, variational])
def test_gradient_of_weights(make: Make) -> None:
    """With what a density needs for training forces; of the backbone and of the charge model."""
    potential = assembled(make)
    one, weights = batch(potential), LossSection(energy=0.0, forces=0.0, electrostatic_potential=1.0)
    assert potential.charges is not None
    basis = potential.charges.basis

    def evaluate(train: bool) -> Tensor:
        with potential.asked(order=2 if train else 1):
            found = forces(potential, one.system, one.pairs, stress=False, create_graph=train)
            others = at_points(potential, one, found.output.density)
        return loss(squared_errors(found, one.labels, one.system, basis, others), weights)

    for part in (potential.backbone, potential.charges):
        parameters = list(part.parameters())
        steps = [random(20 + n, *weight.shape) for n, weight in enumerate(parameters)]
        gradients = torch.autograd.grad(evaluate(True), parameters, allow_unused=True)
        exact = sum((g * s).sum() for g, s in zip(gradients, steps, strict=True) if g is not None)

        def moved(h: float, parameters: list[torch.nn.Parameter] = parameters, steps: list[Tensor] = steps) -> Tensor:
            _shift(parameters, steps, h)
            found = evaluate(False).detach()
            _shift(parameters, steps, -h)
            return found

        measured = central(moved, 1e-4)
        assert measured.abs() > 1e-2
        close(torch.as_tensor(exact), measured, 1e-7)


def _shift(parameters: list[torch.nn.Parameter], steps: list[Tensor], h: float) -> None:
    with torch.no_grad():
        for weight, step in zip(parameters, steps, strict=True):
            weight += h * step
