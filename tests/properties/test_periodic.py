"""Born charges along periodic axes: against the sum over all pairs in a large cell, images, supercells, slabs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import segment
from leyden.charges import Equilibration, Local, Split, SplitChargeEquilibration
from leyden.charges.model import ChargeModel
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.system import System
from leyden.testing.assembly import SALT, assembled
from leyden.testing.backbone import SLAB
from leyden.testing.numeric import central, close, random

FORMAL = {1: 1.0, 8: -2.0}


def free(lmax: int = 0) -> Potential:
    return assembled(lambda c, e: Local(c, e, GaussianBasis(0.6, lmax), mode="free", hidden=4))


def shifted(lmax: int = 0) -> Potential:
    return assembled(lambda c, e: Local(c, e, GaussianBasis(0.6, lmax), hidden=4))


def split(lmax: int = 0) -> Potential:
    return assembled(lambda c, e: Split(c, e, GaussianBasis(0.6, lmax), FORMAL, hidden=4))


def bonded(lmax: int = 0) -> Potential:
    return assembled(lambda c, e: SplitChargeEquilibration(c, e, GaussianBasis(0.6, lmax), FORMAL, 4))


def born(potential: Potential, atoms: Atoms) -> Tensor:
    return born_charges(potential, System.from_ase(atoms, charge=0))


def nearest(system: System, atom: int) -> Tensor:
    """r_i - r_atom by the nearest image, (N, 3) Å."""
    s = (system.positions - system.positions[atom]) @ torch.linalg.inv(system.cell[0])
    return (s - s.round()) @ system.cell[0]


@pytest.mark.parametrize("lmax", [0, 1])
def test_against_the_sum_over_pairs(lmax: int) -> None:
    """dP = q_j dr_j + sum_i (r_i - r_j) dq_i + sum_i dmu_i, by finite differences, in a cell wider than what atoms see
    through two layers of 3 Å each."""
    potential, atom = free(lmax), 4
    system = System.from_ase(SALT.repeat((4, 4, 4)), charge=0)
    assert (6.0 * torch.linalg.inv(system.cell[0]).norm(dim=0) < 0.5).all()
    away, step = nearest(system, atom), random(3, 3)

    def moment(h: float) -> Tensor:
        positions = system.positions.clone()
        positions[atom] += h * step
        density = potential(replace(system, positions=positions)).density.detach()
        return (density[:, :1] * away + (density[:, 1:] if lmax else 0.0)).sum(0)

    expected = central(moment) + potential(system).charges[atom].detach() * step
    close(born_charges(potential, system)[atom] @ step, expected, 1e-8)
    assert expected.abs().max() > 0.1


def spread(potential: Potential, system: System, held: Tensor) -> Tensor:
    """x + w L of each atom, (N,), with the multiplier L held."""
    pairs = neighbor_list(system, potential.backbone.cutoff)
    graph = Graph.of(system, pairs)
    problem = potential.problem(system, potential.backbone(graph), graph)
    density, weights = potential.charges.read(problem)
    return (density[:, 0] + weights * held).detach()


def multiplier(potential: Potential, system: System) -> Tensor:
    """L of a structure, from two values of it."""
    nothing, one = (spread(potential, system, torch.tensor(x, dtype=torch.float64)) for x in (0.0, 1.0))
    return (system.charge - nothing.sum()) / (one - nothing).sum()


def test_shifted_charges_against_the_sum_over_pairs() -> None:
    """dP = q_j dr_j + sum_i (r_i - r_j) d(x_i + w_i L), L held, less the share of atom j in what these miss in the sum
    rule, which is minus the derivative of their sum by strain."""
    potential, atom = shifted(), 4
    system = System.from_ase(SALT.repeat((4, 4, 4)), charge=0)
    away, step, held = nearest(system, atom), random(3, 3), multiplier(potential, system)

    def moment(h: float) -> Tensor:
        positions = system.positions.clone()
        positions[atom] += h * step
        return (spread(potential, replace(system, positions=positions), held)[:, None] * away).sum(0)

    def stretched(h: float, a: int) -> Tensor:
        strain = torch.zeros(1, 3, 3, dtype=torch.float64)
        strain[0, :, a] = h * step
        return spread(potential, system.strained(strain), held).sum()

    weights = spread(potential, system, torch.ones(1).double()) - spread(potential, system, torch.zeros(1).double())
    missing = -torch.stack([central(lambda h, a=a: stretched(h, a)) for a in range(3)])
    own = potential(system).charges[atom].detach() * step
    expected = own + central(moment) - weights[atom] / weights.sum() * missing
    close(born_charges(potential, system)[atom] @ step, expected, 1e-7)
    assert (expected - own).abs().max() > 5e-3 and missing.abs().max() > 0.05


def test_a_shift_by_nothing_changes_nothing() -> None:
    """Of charges that are shifted by equal amounts: those of free charges, less an equal share of what is missing."""
    equal = assembled(lambda c, e: Local(c, e, GaussianBasis(0.6), mode="shift", hidden=4))
    system = System.from_ase(SALT, charge=0)
    one, other = born_charges(free(), system), born_charges(equal, system)
    unit = torch.eye(3, dtype=torch.float64)
    flow = one - free()(system).charges.detach()[:, None, None] * unit
    own = equal(system).charges.detach()[:, None, None] * unit
    close(other, own + flow - flow.mean(0), 1e-12)
    assert (other - own).abs().max() > 0.05


@pytest.mark.parametrize("make", [free, shifted, split, bonded])
@pytest.mark.parametrize("lmax", [0, 1])
def test_images_and_supercells(make: Callable[[int], Potential], lmax: int) -> None:
    """An atom may be given by any of its images, and a cell twice; the cell is smaller than the cutoff."""
    potential, here = make(lmax), born(make(lmax), SALT)
    moved = SALT.copy()
    moved.positions += [[1], [-2], [0]] * SALT.cell[1] - [[0], [0], [1]] * SALT.cell[2]
    tolerance = 1e-8 if make is bonded else 1e-12
    close(born(potential, moved), here, tolerance)
    close(born(potential, SALT.repeat((2, 1, 2)))[:3], here, tolerance)
    assert here.abs().max() > 0.1


@pytest.mark.parametrize("make", [shifted, split, bonded])
def test_they_sum_to_the_charge(make: Callable[[], Potential]) -> None:
    """The acoustic sum rule, structure by structure; each as it is alone."""
    system = System.from_ase([SALT, SALT.repeat((2, 1, 1)), SLAB], charge=[1, -2, 0])
    found = born_charges(make(), system)
    total = system.charge[:, None, None] * torch.eye(3, dtype=torch.float64)
    tolerance = 1e-8 if make is bonded else 1e-12
    close(segment.total(found, system.index, 3), total, tolerance)
    close(found, torch.cat([born_charges(make(), one) for one in system.split()]), tolerance)


@pytest.mark.parametrize("make", [shifted, split])
def test_a_slab_is_open_along_its_normal(make: Callable[[], Potential]) -> None:
    """There, the polarization is the dipole of the density; along the slab it is that of a crystal of such slabs."""
    potential, system = make(), System.from_ase(SLAB, charge=0)
    along, step = system.periodic_space[0], random(0, 3, 3)
    normal = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    close(along, torch.diag(1.0 - normal), 1e-14)
    found = born_charges(potential, system)
    moved = central(lambda h: potential(replace(system, positions=system.positions + h * step)).dipole.detach()[0, 2])
    close((found[:, 2] * step).sum(), moved, 1e-8)
    stack = SLAB.copy()
    stack.pbc = True
    close(along @ born(potential, stack), along @ found, 1e-12)


@pytest.mark.parametrize("make", [shifted, split, bonded])
def test_derivatives_by_weights(make: Callable[[int], Potential]) -> None:
    """For training on Born charges of crystals."""
    potential, system = make(1), System.from_ase(SALT, charge=1)
    weights = [w for w in potential.parameters() if w.requires_grad]
    steps = [random(n, *w.shape) for n, w in enumerate(weights)]
    loss = born_charges(potential, system, create_graph=True).square().sum()
    slopes = torch.autograd.grad(loss, weights, materialize_grads=True)

    def moved(h: float) -> Tensor:
        with torch.no_grad():
            for w, step in zip(weights, steps, strict=True):
                w += h * step
            found = born_charges(potential, system).square().sum()
            for w, step in zip(weights, steps, strict=True):
                w -= h * step
        return found

    expected = central(moved)
    close(sum((a * b).sum() for a, b in zip(slopes, steps, strict=True)), expected, 1e-6 * expected.abs().item())
    assert expected.abs() > 0.1


def test_charge_that_flows_is_refused() -> None:
    """A model that equalises potentials is a metal along periodic axes."""

    def make(channels: object, elements: tuple[int, ...]) -> ChargeModel:
        return Equilibration(channels, elements, GaussianBasis(0.6), hidden=4)

    with pytest.raises(InputError, match="got Equilibration, whose charge can flow round the cell; take one with"):
        born(assembled(make), SALT)


def test_single_precision() -> None:
    double = born(shifted(1), SALT)
    single = born_charges(shifted(1).float(), System.from_ase(SALT, charge=0, dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), double.numpy(), atol=1e-4)
