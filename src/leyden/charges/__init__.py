"""Charge models: the rule that determines the density."""

from leyden.charges.equilibration import Equilibration
from leyden.charges.local import Local
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem

__all__ = ["ChargeModel", "Equilibration", "Local", "Problem"]
