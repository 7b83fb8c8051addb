"""The suite as a whole."""

from leyden.testing.charges.derivatives import Derivatives
from leyden.testing.charges.invariance import Invariance
from leyden.testing.charges.size import Size
from leyden.testing.charges.start import Start


class ChargeModelContract(Size, Invariance, Derivatives, Start):
    """Inherit, name the class Test..., declare size_consistent and implement make."""
