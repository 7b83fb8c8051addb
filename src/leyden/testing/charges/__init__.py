"""Contract of a charge model as a test suite: inherit ChargeModelContract in tests/charges/, supply make, and declare
size_consistent, and nothing else.

Size, symmetries and derivatives of the density and the energy of a whole potential with a small backbone around it.
"""

from leyden.testing.charges.contract import ChargeModelContract
from leyden.testing.charges.derivatives import shifted

__all__ = ["ChargeModelContract", "shifted"]
