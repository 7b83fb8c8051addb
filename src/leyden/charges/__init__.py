"""Charge models: the rule that determines the density."""

from leyden.charges.compliance import SplitChargeEquilibration
from leyden.charges.equilibration import Equilibration
from leyden.charges.local import Local
from leyden.charges.mixture import Mixture
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem
from leyden.charges.split import Split
from leyden.charges.variational import Variational

__all__ = [
    "ChargeModel",
    "Equilibration",
    "Local",
    "Mixture",
    "Problem",
    "Split",
    "SplitChargeEquilibration",
    "Variational",
]
