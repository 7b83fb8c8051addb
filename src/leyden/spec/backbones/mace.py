"""Models of mace-torch."""

from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field
from torch import nn

from leyden.backbones import MACE, Pretrained, mace_models
from leyden.checks import require
from leyden.spec.backbones.pretrained import PretrainedSpec


class MACESpec(PretrainedSpec):
    """A MACE model; see leyden.backbones.MACE. Without `from`, a fresh one of the given size."""

    backbone = MACE
    packages = ("mace-torch", "e3nn")
    kind: Literal["mace"] = "mace"
    head: str | None = Field(None, description="of a model with several, the one whose energies are wanted")
    cutoff: float = Field(5.0, gt=0.5, description="Å")
    channels: int = Field(64, ge=1)
    lmax: int = Field(1, ge=0, le=3, description="highest rank of the features")
    layers: int = Field(2, ge=1)
    correlation: int = Field(3, ge=1, description="body order of a layer, less one")
    harmonics: int = Field(3, ge=1, description="highest rank of the spherical harmonics")
    basis: int = Field(8, ge=1, description="radial functions")

    def reach(self) -> float:
        """The cutoff."""
        if self.source is not None:
            return float(_read(self.source).r_max)  # type: ignore[arg-type]
        return self.cutoff if self.form is None else self.form["r_max"]

    def make(self, elements: tuple[int, ...], average_neighbors: float) -> Pretrained:
        """The model."""
        model = self._model(elements, average_neighbors)
        return self.finished(MACE(model, self.head), elements)

    @classmethod
    def of(cls, backbone: MACE) -> Self:
        """Its section, with its form."""
        require(
            not backbone.compiled,
            "MACE: expected a model to save before it was compiled, got one after; save it first.",
        )
        return cls(form=backbone.form, head=backbone.head, freeze=backbone.frozen)

    def _model(self, elements: tuple[int, ...], average_neighbors: float) -> nn.Module:
        if self.source is not None:
            return _read(self.source)
        if self.form is not None:
            return mace_models.make(self.form)
        size = (self.cutoff, self.channels, self.lmax, self.layers, self.correlation, self.harmonics, self.basis)
        return mace_models.make(mace_models.form(tuple(sorted(elements)), average_neighbors, *size))


@cache
def _read(path: Path) -> nn.Module:
    """Once in a process; the backbone copies it."""
    return mace_models.read(path)
