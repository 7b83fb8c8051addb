"""Models of nequip and nequip-allegro."""

from abc import abstractmethod
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field
from torch import nn

from leyden.backbones import NequIP, Pretrained, nequip_models
from leyden.spec.backbones.pretrained import PretrainedSpec


class NequIPFamilySpec(PretrainedSpec):
    """What NequIP and Allegro share. Without `from`, a fresh one of the given size."""

    backbone = NequIP
    packages = ("nequip", "nequip-allegro", "e3nn")
    cutoff: float = Field(5.0, gt=0.5, description="Å")
    channels: int = Field(32, ge=1)
    lmax: int = Field(1, ge=0, le=4, description="highest rank of the features")
    basis: int = Field(8, ge=1, description="radial functions")

    def reach(self) -> float:
        """The cutoff."""
        if self.source is not None:
            return float(_read(self.source).edge_norm.r_max)  # type: ignore[arg-type, union-attr]
        return self.cutoff if self.form is None else self.form["r_max"]

    def make(self, elements: tuple[int, ...], average_neighbors: float) -> Pretrained:
        """The model."""
        if self.source is not None:
            model = _read(self.source)
        else:
            model = nequip_models.make(self.form or self.fresh(tuple(sorted(elements)), average_neighbors))
        return self.finished(NequIP(model), elements)

    @classmethod
    def of(cls, backbone: NequIP) -> Self:
        """Its section, with its form."""
        return cls(form=nequip_models.describe(backbone.model), freeze=backbone.frozen)

    @abstractmethod
    def fresh(self, elements: tuple[int, ...], average_neighbors: float) -> dict[str, Any]:
        """The form of a model to be trained."""


class NequIPSpec(NequIPFamilySpec):
    """A NequIP model, or any in a file of nequip; see leyden.backbones.NequIP."""

    kind: Literal["nequip"] = "nequip"
    layers: int = Field(3, ge=1)

    def fresh(self, elements: tuple[int, ...], average_neighbors: float) -> dict[str, Any]:
        """That of NequIP."""
        size = (self.cutoff, self.channels, self.lmax, self.layers, self.basis)
        return nequip_models.form(elements, average_neighbors, *size)


class AllegroSpec(NequIPFamilySpec):
    """An Allegro model; see leyden.backbones.NequIP."""

    kind: Literal["allegro"] = "allegro"
    layers: int = Field(2, ge=1)
    scalars: int = Field(64, ge=1, description="of a pair")

    def fresh(self, elements: tuple[int, ...], average_neighbors: float) -> dict[str, Any]:
        """That of Allegro."""
        size = (self.cutoff, self.scalars, self.channels, self.lmax, self.layers, self.basis)
        return nequip_models.allegro_form(elements, average_neighbors, *size)


@cache
def _read(path: Path) -> nn.Module:
    """Once in a process; the backbone copies it."""
    return nequip_models.read(path)
