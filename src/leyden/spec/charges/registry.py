"""Every charge model that a config can name: a new one is a line in SPECS."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag

from leyden.charges import ChargeModel
from leyden.spec.charges.base import ChargeSpec
from leyden.spec.charges.equilibration import EquilibrationSpec, SpinEquilibrationSpec, SplitChargeEquilibrationSpec
from leyden.spec.charges.local import LocalSpec, SplitSpec
from leyden.spec.charges.response import ResponseSpec, SymmetricResponseSpec, UnrolledSpec
from leyden.spec.charges.variational import MixtureSpec, VariationalSpec

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
KINDS: dict[str, type[ChargeSpec]] = {spec.model_fields["kind"].default: spec for spec in SPECS}
"""The same by the name in a config."""


def _kind(given: Any) -> str:
    """Of plain data or a spec; latent charges where nothing is said."""
    return given.get("kind", "local") if isinstance(given, dict) else given.kind


if TYPE_CHECKING:
    AnyChargeSpec = ChargeSpec
else:
    AnyChargeSpec = Annotated[
        reduce(or_, [Annotated[spec, Tag(kind)] for kind, spec in KINDS.items()]), Discriminator(_kind)
    ]
"""One of SPECS, told apart by `kind`."""


def describe_charges(model: ChargeModel) -> ChargeSpec:
    """The spec of a charge model. Raises TypeError for one that a config cannot name."""
    for spec in SPECS:
        if type(model) is spec.model:
            return spec.of(model)
    raise TypeError(f"describe: expected a charge model that has a spec, got {type(model).__name__}")
