"""Every charge model that a config can name: a new one is a line in SPECS."""

from typing import TYPE_CHECKING

from leyden.charges import ChargeModel
from leyden.spec.charges.base import ChargeSpec
from leyden.spec.charges.equilibration import EquilibrationSpec, SpinEquilibrationSpec, SplitChargeEquilibrationSpec
from leyden.spec.charges.local import LocalSpec, SplitSpec
from leyden.spec.charges.response import ResponseSpec, SymmetricResponseSpec, UnrolledSpec
from leyden.spec.charges.variational import MixtureSpec, VariationalSpec
from leyden.spec.kinds import by_kind, one_of

SPECS: tuple[type[ChargeSpec], ...] = (
    LocalSpec,
    SplitSpec,
    EquilibrationSpec,
    SpinEquilibrationSpec,
    SplitChargeEquilibrationSpec,
    ResponseSpec,
    SymmetricResponseSpec,
    UnrolledSpec,
    VariationalSpec,
    MixtureSpec,
)
KINDS = by_kind(SPECS)
"""The same by the name in a config."""

if TYPE_CHECKING:
    AnyChargeSpec = ChargeSpec
else:
    AnyChargeSpec = one_of(KINDS, "local")
"""One of SPECS, told apart by `kind`."""


def describe_charges(model: ChargeModel) -> ChargeSpec:
    """The spec of a charge model. Raises TypeError for one that a config cannot name."""
    for spec in SPECS:
        if type(model) is spec.model:
            return spec.of(model)
    raise TypeError(f"describe: expected a charge model that has a spec, got {type(model).__name__}")
