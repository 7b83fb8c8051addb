"""Short-range models that give energies and features."""

from leyden.backbones.backbone import Backbone
from leyden.backbones.cartesian import Cartesian

__all__ = ["Backbone", "Cartesian"]
