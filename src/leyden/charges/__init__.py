"""Charge models: the rule that determines the density."""

from leyden.charges.compliance import SplitChargeEquilibration
from leyden.charges.equilibration import Equilibration
from leyden.charges.local import Local
from leyden.charges.mixture import Mixture
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem, Solving
from leyden.charges.response import Response
from leyden.charges.spin import SpinEquilibration
from leyden.charges.split import Split
from leyden.charges.symmetric_response import SymmetricResponse
from leyden.charges.unrolled import Unrolled
from leyden.charges.variational import Variational

__all__ = [
    "ChargeModel",
    "Equilibration",
    "Local",
    "Mixture",
    "Problem",
    "Response",
    "Solving",
    "SpinEquilibration",
    "Split",
    "SplitChargeEquilibration",
    "SymmetricResponse",
    "Unrolled",
    "Variational",
]
