"""Local: the contract of a charge model, for each mode, with and without multipoles and self-interaction."""

from leyden.charges import Local
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.testing.charges import ChargeModelContract


class TestSoftness(ChargeModelContract):
    size_consistent = False
    responds = False
    mode, lmax, self_interaction = "softness", 0, False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Local:
        basis = GaussianBasis({1: 0.5, 6: 0.7, 8: 0.6}, self.lmax)
        return Local(channels, elements, basis, self.mode, self.self_interaction, hidden=4)


class TestSoftnessDipoles(TestSoftness):
    lmax, self_interaction = 1, True


class TestSoftnessQuadrupoles(TestSoftness):
    lmax = 2


class TestShiftShells(TestSoftness):
    """Two of them on every atom."""

    mode, lmax = "shift", 2

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Local:
        return Local(channels, elements, GaussianBasis((0.4, 0.8), self.lmax), self.mode, False, hidden=4)


class TestShift(TestSoftness):
    mode, self_interaction = "shift", True


class TestShiftDipoles(TestSoftness):
    mode, lmax = "shift", 1


class TestFree(TestSoftness):
    mode, conserves, size_consistent = "free", False, True


class TestFreeDipoles(TestFree):
    lmax, self_interaction = 1, True
