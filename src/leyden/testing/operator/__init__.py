"""Contract of a Coulomb operator as a test suite.

V is symmetric and positive semidefinite, V p = dE/dp, E = 1/2 p.V.p. Energy, potential, forces and stress are
derivatives of one function, to any order; E does not depend on the origin, the orientation, the order of atoms, the
choice of cell or the company in a batch; and it has neither jumps nor kinks as the cell changes.
"""

from leyden.testing.operator.boundaries import (
    BulkOperatorContract,
    OpenOperatorContract,
    SlabOperatorContract,
    WireOperatorContract,
)

__all__ = ["BulkOperatorContract", "OpenOperatorContract", "SlabOperatorContract", "WireOperatorContract"]
