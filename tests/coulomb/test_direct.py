"""Direct: the contract of a Coulomb operator in open boundaries."""

from leyden import Coulomb
from leyden.testing.operator import OpenOperatorContract


class TestDirectCharges(OpenOperatorContract):
    coulomb = Coulomb(method="direct")
    lmax = 0


class TestDirectDipoles(TestDirectCharges):
    lmax, shells = 1, 2


class TestDirectQuadrupoles(TestDirectCharges):
    lmax = 2


class TestDirectTwoShellsOfQuadrupoles(TestDirectCharges):
    lmax, shells = 2, 2
