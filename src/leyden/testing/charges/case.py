"""What is under test, and what the tests of a charge model ask of it.

The model stands in a whole potential with a small backbone.
"""

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from leyden.charges.model import ChargeModel
from leyden.density import GaussianBasis, total_charge
from leyden.features import Channels
from leyden.potential import Output, Potential
from leyden.system import System
from leyden.testing.assembly import assembled


class ChargeModelCase(ABC):
    """Supply make and size_consistent, and where it matters the rest."""

    size_consistent: bool
    """Whether different neutral molecules far apart have the energy that they have alone."""
    conserves = True
    """Whether the charges of a structure sum to its total charge."""
    conjugate = True
    """Whether the dipole of the density is -dE/dfield: the energy is stationary in it, or it does not see the field."""

    responds = True
    """Whether the density answers to a field."""

    silent = True
    """Whether it can start without charges in neutral structures, as it does not with formal ones."""

    @abstractmethod
    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        """A small untrained charge model; the suite seeds torch and adds noise to the weights."""

    def potential(self, dtype: torch.dtype = torch.float64) -> Potential:
        """The model under test with its backbone, the same weights for every test and dtype."""
        return assembled(self.make).to(dtype)

    def evaluate(self, system: System) -> tuple[Output, Tensor]:
        """Output of the model under test, and its density (N, dim)."""
        output = self.potential()(system)
        assert output.density is not None
        return output, output.density

    def moment(self, potential: Potential, system: System) -> Tensor:
        """-dE/dfield, (S, 3)."""
        field = system.field.clone().requires_grad_()
        return -torch.autograd.grad(potential(replace(system, field=field)).energy.sum(), field)[0]

    def charge(self, density: Tensor, system: System) -> Tensor:
        """Of each structure, (S,) e."""
        return total_charge(density, system, self.basis())

    def basis(self) -> GaussianBasis:
        """Of the model under test."""
        charges = self.potential().charges
        assert charges is not None
        return charges.basis
