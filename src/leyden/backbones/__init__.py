"""Short-range models that give energies and features."""

from leyden.backbones.backbone import Backbone
from leyden.backbones.cartesian import Cartesian
from leyden.backbones.mace import MACE
from leyden.backbones.nequip import NequIP
from leyden.backbones.pretrained import Pretrained

__all__ = ["MACE", "Backbone", "Cartesian", "NequIP", "Pretrained"]
