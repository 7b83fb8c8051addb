"""How training starts beside a backbone that was trained alone."""

import pytest
import torch

from leyden.charges.model import Quiet
from leyden.charges.quiet import quieten
from leyden.checks import InputError
from leyden.testing.assembly import assembled, batch
from leyden.testing.charges.case import ChargeModelCase

NEUTRAL = [0, 3]
"""Structures of the batch, one open and one periodic."""


class Start(ChargeModelCase):
    """Made quiet, a fresh model leaves energies of neutral structures alone, and can still learn."""

    def test_quiet_start(self) -> None:
        """Next to no charges and energies, of which the weights still have derivatives."""
        potential = assembled(self.make, noise=0.0)
        model, system = potential.charges, batch().select(torch.tensor(NEUTRAL))[0]
        assert model is not None
        if not isinstance(model, Quiet):
            with pytest.raises(InputError, match="start without charges"):
                quieten(model)
            return
        before = potential(system)
        quieten(model)
        if not self.silent:
            return
        after = potential(system)
        assert before.charges is not None and after.charges is not None
        assert before.charges.abs().max() > 1e-2 and before.energy_long.abs().min() > 1e-3
        assert after.charges.abs().max() < 1e-3 and after.energy_long.abs().max() < 1e-6 * len(system.numbers)
        slopes = torch.autograd.grad(after.energy_long.sum(), list(model.sources()), allow_unused=True)
        assert any(slope is not None and bool(slope.abs().max() > 1e-8) for slope in slopes)
