"""The Coulomb energy of an error of the density: by hand, of labelled structures only, and as a term of the loss."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from leyden.charges import Local
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.neighbors import neighbor_list
from leyden.testing.assembly import assembled, batch
from leyden.testing.numeric import close, random
from leyden.train.batch import Batch, Labels
from leyden.train.config import LossSection, preset
from leyden.train.density import coulomb_distance
from leyden.train.module import TrainingModule
from leyden.units import COULOMB

SIGMA = 0.6
BASIS = GaussianBasis(SIGMA, 2)


def distance(density: Tensor, label: Tensor, basis: GaussianBasis = BASIS) -> Tensor:
    return coulomb_distance(Coulomb(), basis, batch(), density, label)


def test_charges_by_hand() -> None:
    """+d and -d on the two atoms of the third structure: d^2 (1 / (sqrt(pi) sigma) - erf(r / 2 sigma) / r) an atom."""
    system, basis = batch(), GaussianBasis(SIGMA)
    label = random(0, len(system.numbers), 1)
    moved = label.clone()
    pair = (system.index == 2).nonzero().squeeze(1)
    moved[pair, 0] += torch.tensor([0.1, -0.1], dtype=torch.float64)
    r = float((system.positions[pair[1]] - system.positions[pair[0]]).norm())
    expected = 0.1**2 * COULOMB * (1 / (math.sqrt(math.pi) * SIGMA) - math.erf(r / (2 * SIGMA)) / r)
    found = distance(moved, label, basis)
    assert found[2].item() == pytest.approx(expected, rel=1e-10) and expected > 0.01
    assert found[[0, 1, 3]].abs().max() < 1e-12


def test_it_is_positive_and_quadratic() -> None:
    n = len(batch().numbers)
    label, step = random(0, n, 9), 0.1 * random(1, n, 9)
    one, two = distance(label + step, label), distance(label - 2 * step, label)
    close(two, 4 * one, 1e-12)
    assert one.min() > 1e-3


def test_structures_without_labels_are_left_out() -> None:
    """Also those that lack the label of one atom; of none, nothing, which has a gradient."""
    system = batch()
    density = random(0, len(system.numbers), 9).requires_grad_()
    label = torch.zeros_like(density)
    label[system.index == 0] = torch.nan
    label[-1, 3] = torch.nan
    close(distance(density, label), distance(density, 0 * label.nan_to_num())[1:3], 1e-12)
    nothing = distance(density, torch.full_like(label, torch.nan))
    assert nothing.shape == (0,) and nothing.requires_grad


def test_it_is_a_term_of_the_loss() -> None:
    potential = assembled(lambda c, e: Local(c, e, BASIS, "free", hidden=4))
    settings = preset("les", Path("a.xyz")).model_copy(
        update={"loss": LossSection(energy=0.0, forces=0.0, density_coefficients=2.0, density=3.0)}
    )
    assert settings.loss.wanted() == ["density_coefficients"]
    module, system = TrainingModule(potential, settings, ("density_coefficients",), 10), batch()
    density = potential(system).density
    assert density is not None
    label = density.detach() + 0.1 * random(0, *density.shape)
    one = Batch(system, neighbor_list(system, potential.backbone.cutoff), Labels(density_coefficients=label))
    expected = coulomb_distance(potential.coulomb, BASIS, system, density, label)
    coefficients = (density - label).square().mean()
    total = module.training_step(one, 0)
    assert total.item() == pytest.approx(3 * expected.mean().item() + 2 * coefficients.item(), rel=1e-10)
    total.backward()
    module.validation_step(one, 0)
    summary = module.epoch_summary("val")
    assert summary["val_density_norm"] == pytest.approx(1000 * math.sqrt(expected.mean().item()), rel=1e-5)
    quiet = settings.model_copy(update={"loss": LossSection(density_coefficients=1.0)})
    without = TrainingModule(potential, quiet, ("density_coefficients",), 10)
    assert "density" not in without._errors(one, "train")
