"""Equilibration: the contract of a charge model."""

from leyden.charges import Equilibration
from leyden.charges.model import ChargeModel
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.testing.charges import ChargeModelContract


class TestCharges(ChargeModelContract):
    size_consistent = False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return Equilibration(channels, elements, GaussianBasis(0.6), hidden=4)


class TestDipoles(ChargeModelContract):
    size_consistent = False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return Equilibration(channels, elements, GaussianBasis(0.6, 1), hidden=4)
