"""Reciprocal: the contract of a Coulomb operator in three periodic directions."""

from leyden import Coulomb
from leyden.testing.operator import PeriodicOperatorContract


class TestReciprocalCharges(PeriodicOperatorContract):
    coulomb = Coulomb(method="reciprocal")
    lmax = 0


class TestReciprocalDipoles(TestReciprocalCharges):
    lmax = 1
