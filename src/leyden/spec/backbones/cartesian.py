"""The built-in backbone."""

from typing import Literal, Self

from pydantic import Field

from leyden.backbones import Cartesian
from leyden.spec.backbones.base import BackboneSpec


class CartesianSpec(BackboneSpec):
    """The built-in equivariant network; see leyden.backbones.Cartesian."""

    backbone = Cartesian
    kind: Literal["cartesian"] = "cartesian"
    cutoff: float = Field(4.5, gt=0.5, description="Å")
    channels: int = Field(32, ge=1)
    layers: int = Field(2, ge=1)
    basis: int = Field(8, ge=1, description="radial functions")

    def reach(self) -> float:
        """The cutoff."""
        return self.cutoff

    def make(self, elements: tuple[int, ...], average_neighbors: float) -> Cartesian:
        """The network."""
        return Cartesian(elements, self.cutoff, self.channels, self.layers, average_neighbors, self.basis)

    @classmethod
    def of(cls, backbone: Cartesian) -> Self:
        """Its section."""
        return cls(cutoff=backbone.cutoff, channels=backbone.width, layers=backbone.depth, basis=backbone.basis)
