"""Backbones as plain data: one section each, told apart by `kind`, which makes its backbone and describes it."""

from leyden.spec.backbones.base import BackboneSpec
from leyden.spec.backbones.cartesian import CartesianSpec
from leyden.spec.backbones.mace import MACESpec
from leyden.spec.backbones.nequip import AllegroSpec, NequIPSpec
from leyden.spec.backbones.pretrained import PretrainedSpec
from leyden.spec.backbones.registry import KINDS, AnyBackboneSpec, describe_backbone

__all__ = [
    "KINDS",
    "AllegroSpec",
    "AnyBackboneSpec",
    "BackboneSpec",
    "CartesianSpec",
    "MACESpec",
    "NequIPSpec",
    "PretrainedSpec",
    "describe_backbone",
]
