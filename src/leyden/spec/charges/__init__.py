"""Charge models as plain data: one section each, told apart by `kind`, which makes its model and describes it."""

from leyden.spec.charges.base import ChargeSpec
from leyden.spec.charges.equilibration import EquilibrationSpec, SpinEquilibrationSpec, SplitChargeEquilibrationSpec
from leyden.spec.charges.local import LocalSpec, SplitSpec
from leyden.spec.charges.registry import KINDS, AnyChargeSpec, describe_charges
from leyden.spec.charges.response import ResponseSpec, SymmetricResponseSpec, UnrolledSpec
from leyden.spec.charges.solver import SolverSpec
from leyden.spec.charges.variational import MixtureSpec, VariationalSpec

__all__ = [
    "KINDS",
    "AnyChargeSpec",
    "ChargeSpec",
    "EquilibrationSpec",
    "LocalSpec",
    "MixtureSpec",
    "ResponseSpec",
    "SolverSpec",
    "SpinEquilibrationSpec",
    "SplitChargeEquilibrationSpec",
    "SplitSpec",
    "SymmetricResponseSpec",
    "UnrolledSpec",
    "VariationalSpec",
    "describe_charges",
]
