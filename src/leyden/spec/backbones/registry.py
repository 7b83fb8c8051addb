"""Every backbone that a config can name: a new one is a line in SPECS."""

from typing import TYPE_CHECKING

from leyden.backbones import Backbone
from leyden.spec.backbones.base import BackboneSpec
from leyden.spec.backbones.cartesian import CartesianSpec
from leyden.spec.backbones.mace import MACESpec
from leyden.spec.backbones.nequip import AllegroSpec, NequIPSpec
from leyden.spec.kinds import by_kind, one_of

SPECS: tuple[type[BackboneSpec], ...] = (CartesianSpec, MACESpec, NequIPSpec, AllegroSpec)
KINDS = by_kind(SPECS)
"""The same by the name in a config."""

if TYPE_CHECKING:
    AnyBackboneSpec = BackboneSpec
else:
    AnyBackboneSpec = one_of(KINDS, "cartesian")
"""One of SPECS, told apart by `kind`."""


def describe_backbone(backbone: Backbone) -> BackboneSpec:
    """The section of a backbone. Raises TypeError for one that a config cannot name."""
    for spec in SPECS:
        if type(backbone) is spec.backbone:
            return spec.of(backbone)
    raise TypeError(f"describe: expected a backbone that has a section, got {type(backbone).__name__}")
