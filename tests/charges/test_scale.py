"""The scale of latent charges: sqrt(eps_inf) times what is read, and V over eps_inf."""

from collections.abc import Callable

import pytest
import torch

from leyden.charges import Local, Split
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.system import System
from leyden.testing.assembly import HYDROXIDE, MOLECULE, SALT, assembled
from leyden.testing.charges import ChargeModelContract
from leyden.testing.numeric import close
from leyden.units import COULOMB

SCALE = 1.33
BASIS = GaussianBasis(0.6, 1)


def local(scale: float = SCALE, keep: bool = True) -> Potential:
    return assembled(lambda c, e: Local(c, e, BASIS, self_interaction=keep, scale=scale, hidden=4))


def split(scale: float = SCALE, keep: bool = True) -> Potential:
    return assembled(lambda c, e: Split(c, e, BASIS, None, keep, scale, hidden=4))


MAKERS = pytest.mark.parametrize("make", [local, split])


class TestLocal(ChargeModelContract):
    size_consistent = False
    responds = False

    def make(self, channels, elements):
        return Local(channels, elements, BASIS, scale=SCALE, hidden=4)


class TestSplit(ChargeModelContract):
    size_consistent = True
    responds = False

    def make(self, channels, elements):
        return Split(channels, elements, BASIS, None, True, SCALE, hidden=4)


@MAKERS
@pytest.mark.parametrize("keep", [True, False])
def test_neutral_structures_keep_their_energy(make: Callable[..., Potential], keep: bool) -> None:
    """And forces; charges, dipoles and Born charges are multiplied."""
    system = System.from_ase([MOLECULE, SALT], charge=0)
    one, other = (make(scale, keep) for scale in (1.0, SCALE))
    a, b = forces(one, system), forces(other, system)
    close(b.output.energy, a.output.energy, 1e-12)
    close(b.forces, a.forces, 1e-12)
    close(b.output.density, SCALE * a.output.density, 1e-12)
    close(born_charges(other, system), SCALE * born_charges(one, system), 1e-11)
    assert a.output.energy_long.abs().min() > 1e-2


@MAKERS
def test_charged_structures_keep_their_charge(make: Callable[..., Potential]) -> None:
    """As do the sums of Born charges."""
    system = System.from_ase(HYDROXIDE, charge=-1)
    potential = make()
    output = potential(system)
    assert output.charges.sum().item() == pytest.approx(-1.0, abs=1e-12)
    close(born_charges(potential, system).sum(0), -torch.eye(3, dtype=torch.float64), 1e-10)


def test_far_charges_are_screened() -> None:
    """Two ions at 100 Å attract each other by k_e q q / (eps_inf r^2)."""
    far = HYDROXIDE.copy()
    far.positions[1] = [0.0, 0.0, 100.0]
    system, potential = System.from_ase(far, charge=0), local()
    q, r = potential(system).charges.detach(), system.positions.diff(dim=0).norm()
    pull = forces(potential, system).forces[1, 2].item()
    assert pull == pytest.approx((COULOMB * q[0] * q[1] / (SCALE * r) ** 2).item(), rel=1e-2)
    assert q.abs().min() > 0.1
