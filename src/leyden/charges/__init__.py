"""Charge models: the rule that determines the density."""

from leyden.charges.local import Local
from leyden.charges.model import ChargeModel

__all__ = ["ChargeModel", "Local"]
