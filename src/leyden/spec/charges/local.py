"""Charges that are functions of the features: latent charges, and those of local transfers."""

from typing import Literal, Self

from leyden.charges import Local, Split
from leyden.density import DEFAULT_WIDTH, GaussianBasis
from leyden.features import Channels
from leyden.spec.charges.base import ChargeSpec, Formal, Hidden, Quadrupoles, Scale, Shells, Widths


class LocalSpec(ChargeSpec):
    """Latent charges; see leyden.charges.Local."""

    model = Local
    kind: Literal["local"] = "local"
    mode: Literal["free", "shift", "softness"] = "softness"
    dipoles: bool = False
    quadrupoles: Quadrupoles = False
    width: Shells = DEFAULT_WIDTH
    self_interaction: bool = True
    scale: Scale = 1.0
    hidden: Hidden = 32

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Local:
        """The model."""
        basis = GaussianBasis(self.width, self.dipoles + self.quadrupoles)
        return Local(channels, elements, basis, self.mode, self.self_interaction, self.scale, self.hidden)

    @classmethod
    def of(cls, model: Local) -> Self:
        """Its spec."""
        return cls(
            mode=model.mode,
            dipoles=model.basis.lmax > 0,
            quadrupoles=model.basis.lmax > 1,
            width=model.basis.width,
            self_interaction=model.self_interaction,
            scale=model.scale,
            hidden=model.hidden,
        )


class SplitSpec(ChargeSpec):
    """Charges by local transfer; see leyden.charges.Split."""

    model = Split
    kind: Literal["split"] = "split"
    dipoles: bool = False
    quadrupoles: Quadrupoles = False
    width: Widths = DEFAULT_WIDTH
    formal: Formal = None
    self_interaction: bool = True
    scale: Scale = 1.0
    hidden: Hidden = 32

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Split:
        """The model."""
        basis = GaussianBasis(self.width, self.dipoles + self.quadrupoles)
        return Split(channels, elements, basis, self.formal, self.self_interaction, self.scale, self.hidden)

    @classmethod
    def of(cls, model: Split) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            quadrupoles=model.basis.lmax > 1,
            width=model.basis.width,
            formal=model.formal,
            self_interaction=model.self_interaction,
            scale=model.scale,
            hidden=model.hidden,
        )
