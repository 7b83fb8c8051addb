"""Every backbone that a config can name: a new one is a line in SPECS."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag

from leyden.backbones import Backbone
from leyden.spec.backbones.base import BackboneSpec
from leyden.spec.backbones.cartesian import CartesianSpec
from leyden.spec.backbones.mace import MACESpec
from leyden.spec.backbones.nequip import AllegroSpec, NequIPSpec

SPECS: tuple[type[BackboneSpec], ...] = (CartesianSpec, MACESpec, NequIPSpec, AllegroSpec)
KINDS: dict[str, type[BackboneSpec]] = {spec.model_fields["kind"].default: spec for spec in SPECS}
"""The same by the name in a config."""


def _kind(given: Any) -> str:
    """Of plain data or a section; the built-in one where nothing is said."""
    return given.get("kind", "cartesian") if isinstance(given, dict) else given.kind


if TYPE_CHECKING:
    AnyBackboneSpec = BackboneSpec
else:
    AnyBackboneSpec = Annotated[
        reduce(or_, [Annotated[spec, Tag(kind)] for kind, spec in KINDS.items()]), Discriminator(_kind)
    ]
"""One of SPECS, told apart by `kind`."""


def describe_backbone(backbone: Backbone) -> BackboneSpec:
    """The section of a backbone. Raises TypeError for one that a config cannot name."""
    for spec in SPECS:
        if type(backbone) is spec.backbone:
            return spec.of(backbone)
    raise TypeError(f"describe: expected a backbone that has a section, got {type(backbone).__name__}")
