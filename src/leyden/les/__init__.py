"""For users of Les(...): the same call, and a comparison of its numbers with those of leyden.Coulomb."""

from leyden.les.comparison import Comparison, compare
from leyden.les.shim import Les

__all__ = ["Comparison", "Les", "compare"]
