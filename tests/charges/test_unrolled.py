"""Unrolled: the contract of a charge model, and its steps one by one."""

from dataclasses import replace

import pytest
import torch
from ase import Atoms

from leyden.charges.model import ChargeModel
from leyden.charges.unrolled import Unrolled
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.potential import Potential
from leyden.solve import Status
from leyden.system import System
from leyden.testing.assembly import assembled, batch
from leyden.testing.charges import ChargeModelContract
from leyden.testing.numeric import close


def unrolled(lmax: int, steps: int) -> Potential:
    return assembled(lambda c, e: Unrolled(c, e, GaussianBasis(0.6, lmax), steps=steps, hidden=4))


class TestDipoles(ChargeModelContract):
    size_consistent = False
    conjugate = False
    """The dipole of the density is not -dE/dfield, since the energy is not stationary."""

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return Unrolled(channels, elements, GaussianBasis(0.6, 1), hidden=4)


def test_steps_and_the_last_change_are_reported() -> None:
    """The residual of K steps is the distance from the density of the first K - 1 of them."""
    whole, part = unrolled(1, 3), unrolled(1, 3)
    part.charges.blocks = part.charges.blocks[:2]
    after, before = whole(batch()), part(batch())
    assert after.solution.iterations.tolist() == [3] * 4
    assert after.solution.status == (Status.DIRECT,) * 4
    change = (after.density - before.density).abs().amax(1)
    expected = torch.stack([change[batch().index == s].max() for s in range(4)])
    close(after.solution.residual, expected, 1e-13)
    assert expected.min() > 1e-2


def test_every_step_has_weights_of_its_own() -> None:
    """The density depends on those of each step, and the second step reads the potential of the first."""
    potential = unrolled(1, 2)
    density = potential(batch()).density
    first, second = ([*block.by_potential.parameters()] for block in potential.charges.blocks)
    for weights in (first, second):
        gradients = torch.autograd.grad(density.square().sum(), weights, retain_graph=True, allow_unused=True)
        assert max(g.abs().max() for g in gradients if g is not None) > 1e-4
    charge = [*potential.charges.blocks[0].charge.parameters()]
    (slope,) = torch.autograd.grad(density[0, 1:].sum(), charge[-1])
    assert slope.abs().max() > 1e-3


def test_a_step_adds_to_the_density() -> None:
    """One whose weights are zero leaves it as it was."""
    two, one = unrolled(1, 2), unrolled(1, 2)
    with torch.no_grad():
        for weight in two.charges.blocks[1].parameters():
            weight.zero_()
        two.charges.blocks[1].alpha.bias.fill_(-100.0)
    one.charges.blocks = one.charges.blocks[:1]
    output = two(batch())
    close(output.density, one(batch()).density, 1e-13)
    assert output.solution.residual.max() < 1e-13


def test_isolated_atom_polarizes() -> None:
    system = replace(System.from_ase(Atoms("O")), field=torch.tensor([[0.0, 0.0, 0.5]], dtype=torch.float64))
    density = unrolled(1, 2)(system).density
    close(density[0, :3], torch.zeros(3, dtype=torch.float64), 1e-12)
    assert density[0, 3] > 1e-3


def test_no_steps_are_said() -> None:
    with pytest.raises(ValueError, match="at least one step, got 0"):
        unrolled(0, 0)
