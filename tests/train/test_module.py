"""What lightning trains: schedule, weight decay, and the errors of an epoch."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from leyden.charges import Equilibration, Problem, Response
from leyden.density import GaussianBasis
from leyden.density.moments import quadrupole
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties import born_charges, electrostatic_potential, polarizability
from leyden.solve import Solution, Status
from leyden.system import System
from leyden.testing.assembly import assembled
from leyden.train.batch import Batch, Frame, Labels, collate
from leyden.train.config import Config, LossSection, OptimizerSection, preset
from leyden.train.data import with_pairs
from leyden.train.module import TrainingModule


def config(**optimizer: float) -> Config:
    changes = {"optimizer": OptimizerSection(**optimizer)}  # type: ignore[arg-type]
    return preset("les", Path("a.xyz")).model_copy(update=changes)


def module(potential: Potential, settings: Config, steps: int = 10) -> TrainingModule:
    return TrainingModule(potential, settings, tuple(settings.loss.wanted()), steps)


def batch(potential: Potential, energy: float = 0.0, size: int = 2) -> Batch:
    positions = torch.tensor([[0.0, 0, 0], [1.0, 0.1, 0]], dtype=torch.float64)
    system = System.join([_molecule((1 + 0.2 * n) * positions) for n in range(size)])
    frames = [
        Frame(single, Labels(energy=torch.full((1,), energy, dtype=torch.float64), forces=torch.zeros_like(positions)))
        for single in system.split()
    ]
    return collate(with_pairs(frames, potential.backbone.cutoff))


def _molecule(positions: torch.Tensor) -> System:
    one = torch.ones(1, dtype=torch.float64)
    return System(
        positions, torch.tensor([8, 1]), torch.zeros(1, 3, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.bool),
        torch.zeros(2, dtype=torch.long), 0 * one, one, torch.zeros(1, 3, dtype=torch.float64),
    )  # fmt: skip


def test_learning_rate(potential: Potential) -> None:
    """Linear warm-up over 4 of 20 steps, then half a cosine down to a tenth; after that it stays there."""
    settings = config(epochs=2, warmup_steps=4, learning_rate=1.0, final_fraction=0.1)
    found = module(potential, settings).configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(25):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert rates[12] == pytest.approx(0.55)  # halfway
    assert rates[8] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert rates[20:] == pytest.approx([0.1] * 5)


def test_without_warm_up(potential: Potential) -> None:
    found = module(potential, config(epochs=1, warmup_steps=0, learning_rate=0.5)).configure_optimizers()
    assert found["optimizer"].param_groups[0]["lr"] == 0.5


def test_matrices_decay_and_vectors_do_not(potential: Potential) -> None:
    optimizer = module(potential, config(weight_decay=0.3)).configure_optimizers()["optimizer"]
    matrices, vectors = optimizer.param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.3, 0.0)
    assert all(p.dim() > 1 for p in matrices["params"]) and all(p.dim() <= 1 for p in vectors["params"])
    assert sum(map(len, (matrices["params"], vectors["params"]))) == len(list(potential.parameters()))


def test_errors_of_an_epoch(potential: Potential) -> None:
    """Means over all batches in meV/atom and meV/Å, the loss with its weights; forgotten after reset."""
    settings = config().model_copy(update={"loss": LossSection(energy=3.0, forces=2.0)})
    trained = module(potential, settings)
    batches = [batch(potential), batch(potential, 5.0, size=3)]  # every frame counts, not every batch
    for one in batches:
        trained.validation_step(one, 0)
    summary = trained.epoch_summary("val")
    errors = [trained._errors(one, "val") for one in batches]
    energy = torch.cat([e["energy"] for e in errors]).mean().item()
    force = torch.cat([e["forces"] for e in errors]).mean().item()
    assert summary["val_energy_rmse"] == pytest.approx(1000 * math.sqrt(energy), rel=1e-5)
    assert summary["val_force_rmse"] == pytest.approx(1000 * math.sqrt(force), rel=1e-5)
    assert summary["val_loss"] == pytest.approx(3 * energy + 2 * force, rel=1e-5)
    trained.reset("val")
    trained.validation_step(batches[0], 0)
    assert trained.epoch_summary("val")["val_loss"] < summary["val_loss"]


def test_nan_is_not_left_out(potential: Potential) -> None:
    trained = module(potential, config())
    one = batch(potential)
    trained.validation_step(one, 0)
    with torch.no_grad():
        next(potential.parameters()).fill_(torch.nan)
    trained.validation_step(one, 0)
    assert math.isnan(trained.epoch_summary("val")["val_loss"])


def test_training_step_has_gradients(potential: Potential) -> None:
    trained = module(potential, config())
    trained.training_step(batch(potential), 0).backward()
    assert any(p.grad is not None and p.grad.any() for p in potential.parameters())


class Stubborn(Equilibration):
    """Does not find the density of the second structure."""

    def solve(self, problem: Problem) -> Solution:
        found = super().solve(problem)
        assert problem.solving.report
        return replace(found, status=(found.status[0], Status.LIMIT, *found.status[2:]))


def test_unsolved_structures_are_left_out_and_counted() -> None:
    """Errors are those of the others; the number is part of the summary of the epoch."""
    potential = assembled(lambda c, e: Stubborn(c, e, GaussianBasis(0.6), hidden=4))
    trained, one = module(potential, config()), batch(potential, size=3)
    errors = trained._errors(one, "train")
    assert len(errors["energy"]) == 2 and len(errors["forces"]) == 2 * 6
    trained.training_step(one, 0).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in potential.parameters())
    assert trained.epoch_summary("train")["train_unsolved"] == 2
    trained.reset("train")
    trained.training_step(one, 0)
    assert trained.epoch_summary("train")["train_unsolved"] == 1


class Counting(Equilibration):
    """Counts what it solves."""

    solves = 0

    def solve(self, problem: Problem) -> Solution:
        self.solves += 1
        return super().solve(problem)


def test_direct_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of the epoch decides, in training only: validation sees the model as it will be used."""
    potential = assembled(lambda c, e: Counting(c, e, GaussianBasis(0.6), hidden=4))
    assert isinstance(potential.charges, Counting)
    trained, one = module(potential, config(direct_epochs=2)), batch(potential)
    losses = []
    for epoch, solves in ((0, 0), (1, 0), (2, 1), (1, 1)):
        monkeypatch.setattr(TrainingModule, "current_epoch", epoch)
        losses.append(trained.training_step(one, 0).item())
        assert potential.charges.solves == solves and not potential.solving.direct
    assert losses[0] == losses[1] == losses[3] != losses[2]
    trained.validation_step(one, 0)
    assert potential.charges.solves == 2


def test_stability_is_a_term_of_the_loss() -> None:
    """Of all structures, in training and validation; without a weight it is not measured."""
    settings = config().model_copy(update={"loss": LossSection(energy=1.0, forces=0.0, stability=3.0)})
    potential = assembled(lambda c, e: Response(c, e, GaussianBasis(0.6), hidden=4))
    assert isinstance(potential.charges, Response)
    with torch.no_grad():
        potential.charges.block.by_potential[0].bias.sub_(60.0)
    trained, one = module(potential, settings), batch(potential)
    errors = trained._errors(one, "train")
    assert len(errors["stability"]) == 2 and errors["stability"].min() > 0.01
    total = trained.training_step(one, 0)
    assert total.item() == pytest.approx(errors["energy"].mean().item() + 3 * errors["stability"].mean().item())
    total.backward()
    gradient = potential.charges.block.by_potential[0].bias.grad
    assert gradient is not None and gradient.any()
    trained.validation_step(one, 0)
    summary = trained.epoch_summary("val")
    assert summary["val_instability"] == pytest.approx(1000 * math.sqrt(errors["stability"].mean().item()), rel=1e-5)
    assert summary["val_loss"] == pytest.approx(total.item(), rel=1e-5)
    assert "stability" not in module(potential, config())._errors(one, "train")


def test_electrical_response_is_logged() -> None:
    """In thousandths of e, and of Å^3 over the root of the number of atoms."""
    weights = LossSection(energy=0.0, forces=0.0, born_effective_charges=3.0, polarizability=2.0)
    potential = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    trained = module(potential, config().model_copy(update={"loss": weights}))
    one = batch(potential)
    born, alpha = born_charges(potential, one.system), polarizability(potential, one.system)
    labels = Labels(born_effective_charges=born + 0.25, polarizability=alpha + 0.5 * math.sqrt(2))
    trained.validation_step(replace(one, labels=labels), 0)
    summary = trained.epoch_summary("val")
    assert summary["val_born_rmse"] == pytest.approx(250.0, rel=1e-5)
    assert summary["val_polarizability_rmse"] == pytest.approx(500.0, rel=1e-5)
    assert summary["val_loss"] == pytest.approx(3 * 0.25**2 + 2 * 0.5**2, rel=1e-5)


BASIS = GaussianBasis(0.6, 1)


def test_moments_and_chemical_potential_are_logged(potential: Potential) -> None:
    """In thousandths of their units, over the labels that are there."""
    weights = LossSection(energy=0.0, forces=0.0, quadrupole=1.0, density_coefficients=1.0, chemical_potential=2.0)
    trained = module(potential, config().model_copy(update={"loss": weights}))
    one = batch(potential)
    mu = forces(potential, one.system, chemical_potential=True).chemical_potential
    output = potential(one.system)
    assert mu is not None and output.density is not None
    labels = Labels(
        quadrupole=quadrupole(output.density, one.system, BASIS).detach() + 0.1 * math.sqrt(2),
        density_coefficients=output.density.detach() + 0.25,
        chemical_potential=torch.stack([mu[0] + 0.5, torch.tensor(torch.nan)]),
    )
    trained.validation_step(replace(one, labels=labels), 0)
    summary = trained.epoch_summary("val")
    assert summary["val_density_rmse"] == pytest.approx(250.0, rel=1e-5)
    assert summary["val_chemical_potential_rmse"] == pytest.approx(500.0, rel=1e-5)
    assert summary["val_quadrupole_rmse"] == pytest.approx(100.0, rel=1e-5)
    assert summary["val_loss"] == pytest.approx(0.1**2 + 0.25**2 + 2 * 0.5**2, rel=1e-5)


def test_potentials_at_points_and_charges_are_logged(potential: Potential) -> None:
    """In mV and me; the structures with points are one of the two."""
    weights = LossSection(energy=0.0, forces=0.0, electrostatic_potential=3.0, charges=2.0)
    trained = module(potential, config().model_copy(update={"loss": weights}))
    one, points = batch(potential), torch.full((2, 3, 3), torch.nan, dtype=torch.float64)
    points[1] = torch.tensor([[0.0, 0, 2], [0, 3, 0], [1, 1, -2]])
    values = electrostatic_potential(potential, one.system, points[1], torch.ones(3, dtype=torch.long)).detach()
    labels = Labels(
        electrostatic_potential=torch.stack([torch.full_like(values, torch.nan), values + 0.25]),
        potential_points=points,
        charges=potential(one.system).charges.detach() - 0.5,
    )
    assert not bool(one.system.pbc.any())
    trained.validation_step(replace(one, labels=labels), 0)
    summary = trained.epoch_summary("val")
    assert summary["val_potential_rmse"] == pytest.approx(250.0, rel=1e-5)
    assert summary["val_charge_rmse"] == pytest.approx(500.0, rel=1e-5)
    assert summary["val_loss"] == pytest.approx(3 * 0.25**2 + 2 * 0.5**2, rel=1e-5)
