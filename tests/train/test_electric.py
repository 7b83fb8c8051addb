"""Born charges and polarizabilities in the loss: gradients by weights, and which structures are evaluated."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import Equilibration, Local, Problem, Response
from leyden.charges.model import ChargeModel
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.potential import Potential
from leyden.properties import born_charges, polarizability
from leyden.solve import Solution, Status
from leyden.system import System
from leyden.testing.assembly import HYDROXIDE, SALT, assembled
from leyden.testing.numeric import central, close, random
from leyden.train import electric as evaluated
from leyden.train.batch import Batch, Frame, Labels, collate
from leyden.train.config import LossSection, OptimizerSection, preset
from leyden.train.data import with_pairs
from leyden.train.electric import electric
from leyden.train.loss import loss
from leyden.train.module import TrainingModule

BORN, ALPHA = "born_effective_charges", "polarizability"
WATER = Atoms("OH2", [[0.0, 0.0, 0.1], [0.9, 0.1, 0.0], [-0.3, 0.8, 0.2]])
MONOXIDE = Atoms("CO", [[0.0, 0.1, 0.0], [0.2, 1.1, 0.3]])
OPEN = (WATER, MONOXIDE, HYDROXIDE)

Make = Callable[[Channels, tuple[int, ...]], ChargeModel | None]


def local(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Local(channels, elements, GaussianBasis(0.6, 1), hidden=4)


def equilibration(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Equilibration(channels, elements, GaussianBasis(0.6, 1), hidden=4)


def response(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Response(channels, elements, GaussianBasis(0.6, 1), hidden=4)


def batch(potential: Potential, atoms: tuple[Atoms, ...] = OPEN, dtype: torch.dtype = torch.float64) -> Batch:
    """Random labels: all of the first structure, none of the second, and in the third without one entry of each."""
    frames = []
    for number, single in enumerate(System.from_ase(list(atoms), charge=[0, 0, -1]).split()):
        born, alpha = random(number, len(single.positions), 3, 3), random(9 + number, 1, 3, 3)
        if number == 2:
            born[1], alpha[0, 0, 2] = torch.nan, torch.nan
        frames.append(Frame(single, Labels() if number == 1 else Labels(polarizability=alpha)))
        if number != 1:
            frames[-1] = replace(frames[-1], labels=replace(frames[-1].labels, born_effective_charges=born))
    return collate(with_pairs(frames, potential.backbone.cutoff)).to(dtype=dtype)


def module(potential: Potential, *names: str, direct: int = 0) -> TrainingModule:
    """Trains only these labels, with weight 1."""
    weights: dict[str, Any] = {"energy": 0.0, "forces": 0.0} | dict.fromkeys(names, 1.0)
    config = preset("les", Path("a.xyz")).model_copy(
        update={"loss": LossSection(**weights), "optimizer": OptimizerSection(direct_epochs=direct)}
    )
    return TrainingModule(potential, config, names, 10)


def follows(potential: Potential, one: Batch, name: str) -> None:
    """Assert that the gradient of a training step by weights matches finite differences, and does not vanish."""
    trained = module(potential, name)
    assert potential.charges is not None
    for part in (potential.backbone, potential.charges):
        weights = list(part.parameters())
        steps = [random(20 + n, *weight.shape) for n, weight in enumerate(weights)]
        gradients = torch.autograd.grad(trained.training_step(one, 0), weights, allow_unused=True)
        exact = sum((g * s).sum() for g, s in zip(gradients, steps, strict=True) if g is not None)

        def moved(h: float, weights: list[Any] = weights, steps: list[Tensor] = steps) -> Tensor:
            shift(weights, steps, h)
            found = loss(trained._errors(one, "val"), trained.config.loss).detach()
            shift(weights, steps, -h)
            return found

        measured = central(moved, 1e-4)
        assert measured.abs() > 1e-3
        close(torch.as_tensor(exact), measured, 1e-8)


def shift(weights: list[Any], steps: list[Tensor], h: float) -> None:
    with torch.no_grad():
        for weight, step in zip(weights, steps, strict=True):
            weight += h * step


@pytest.mark.parametrize(
    ("make", "name"),
    [(local, BORN), (equilibration, BORN), (equilibration, ALPHA), (response, BORN), (response, ALPHA)],
)
def test_gradient_of_weights(make: Make, name: str) -> None:
    """Of a batch in which one structure has no label and one lacks some entries."""
    potential = assembled(make)
    follows(potential, batch(potential), name)


def test_gradient_of_weights_in_a_periodic_structure() -> None:
    """Born charges of a crystal beside a molecule."""
    potential = assembled(local)
    follows(potential, batch(potential, (SALT, MONOXIDE, HYDROXIDE)), BORN)


@pytest.mark.parametrize(("make", "atoms"), [(equilibration, OPEN), (local, (SALT, MONOXIDE, HYDROXIDE))])
def test_values_are_those_of_single_structures(make: Make, atoms: tuple[Atoms, ...]) -> None:
    potential = assembled(make)
    one = batch(potential, atoms)
    singles, found = one.system.split(), electric(potential, one)
    born = found[BORN].split(one.system.size.tolist())
    assert born[1].isnan().all()
    for n in (0, 2):
        close(born[n], born_charges(potential, singles[n]), 1e-10)
    if make is equilibration:
        assert found[ALPHA][1].isnan().all()
        for n in (0, 2):
            close(found[ALPHA][n], polarizability(potential, singles[n])[0], 1e-10)
    else:
        assert ALPHA not in found  # charges feel no field


def test_periodic_structures_of_a_model_whose_charges_flow() -> None:
    """Left out: nothing is defined there, and the open structures beside them have what they have alone."""
    potential = assembled(equilibration)
    one = batch(potential, (SALT, MONOXIDE, HYDROXIDE))
    found = electric(potential, one)
    assert found[BORN][:5].isnan().all() and found[ALPHA][:2].isnan().all()
    close(found[BORN][5:], born_charges(potential, one.system.split()[2]), 1e-10)


class Calls:
    """Counts the structures that Born charges are evaluated for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: list[int] = []
        self.pairs: list[object] = []
        monkeypatch.setattr(evaluated, "born_charges", self)

    def __call__(self, potential: Potential, system: System, create_graph: bool, pairs: Any) -> Tensor:
        self.counts.append(system.count)
        self.pairs.append(pairs)
        return born_charges(potential, system, create_graph, pairs)


def test_only_labelled_structures_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three, none of three; of a batch that has them all, the batch as it is; none that has no weight."""
    potential, calls = assembled(local), Calls(monkeypatch)
    one = batch(potential)
    bare = replace(one, labels=one.labels.without(torch.tensor([True, True, True]), one.system))
    full = replace(one, labels=Labels(born_effective_charges=torch.zeros(7, 3, 3, dtype=torch.float64)))
    assert electric(potential, bare) == {} and calls.counts == []
    for given, count in ((one, 2), (full, 3)):
        electric(potential, given)
        assert calls.counts[-1] == count
    assert calls.pairs[-1] is full.pairs
    module(potential, "energy")._errors(full, "val")
    assert len(calls.counts) == 2


class Stubborn(Equilibration):
    """Does not find the density of the first structure."""

    def solve(self, problem: Problem) -> Solution:
        found = super().solve(problem)
        assert problem.solving.report
        return replace(found, status=(Status.LIMIT, *found.status[1:]))


def test_unsolved_structures_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the two with a label is not even evaluated."""
    potential = assembled(lambda c, e: Stubborn(c, e, GaussianBasis(0.6), hidden=4))
    calls, trained, one = Calls(monkeypatch), module(potential, BORN, ALPHA), batch(potential)
    errors = trained._errors(one, "train")
    assert calls.counts == [1] and len(errors[BORN]) == 9 and len(errors[ALPHA]) == 8
    loss(errors, trained.config.loss).backward()
    gradients = [weight.grad for weight in potential.parameters() if weight.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients) and any(g.abs().max() > 1e-6 for g in gradients)


def test_no_density_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch without any: it adds nothing, and training goes on."""
    potential, solve = assembled(equilibration), Equilibration.solve
    one = batch(potential)

    def stubborn(model: Equilibration, problem: Problem) -> Solution:
        return replace(solve(model, problem), status=(Status.LIMIT,) * 3)

    monkeypatch.setattr(Equilibration, "solve", stubborn)
    total = module(potential, BORN).training_step(one, 0)
    total.backward()
    assert total.item() == 0.0 and not any(w.grad is not None and w.grad.any() for w in potential.parameters())


def test_direct_epochs() -> None:
    """Born charges of the density that feels no potential."""
    potential = assembled(equilibration)
    one = batch(potential)
    first, later = (module(potential, BORN, direct=n)._errors(one, "train")[BORN] for n in (1, 0))
    with potential.asked(direct=True):
        expected = born_charges(potential, one.system.split()[0])
    assert one.labels.born_effective_charges is not None
    close(first[:27], (expected - one.labels.born_effective_charges[:3]).square().flatten(), 1e-10)
    assert (first - later).abs().max() > 1e-3


@pytest.mark.parametrize("make", [local, equilibration, response])
def test_single_precision(make: Make) -> None:
    """Gradients are those of double precision."""
    names = (BORN,) if make is local else (BORN, ALPHA)
    found = {}
    for dtype in (torch.float64, torch.float32):
        potential = assembled(make).to(dtype)
        weights = list(potential.parameters())
        total = module(potential, *names).training_step(batch(potential, dtype=dtype), 0)
        gradients = torch.autograd.grad(total, weights, allow_unused=True)
        found[dtype] = torch.cat([g.flatten().double() for g in gradients if g is not None])
    double, single = found[torch.float64], found[torch.float32]
    assert double.norm() > 1e-2 and (single - double).norm() < 1e-3 * double.norm()
