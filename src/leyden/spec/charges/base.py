"""What the sections of charge models share: the contract, and options that several of them have."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, ValidationInfo

from leyden.charges import ChargeModel
from leyden.features import Channels
from leyden.spec.section import Element, Section, Width

DEFAULT_RECEIVERS = (0.7, 1.5)


def _beside_dipoles(quadrupoles: bool, others: ValidationInfo) -> bool:
    """There are no quadrupoles without dipoles."""
    if quadrupoles and not others.data.get("dipoles", True):
        raise ValueError("expected dipoles beside quadrupoles; set dipoles to true")
    return quadrupoles


Widths = Annotated[Width | dict[Element, Width], Field(description="Å, standard deviation of the density")]
Shells = Annotated[
    Width | tuple[Width, ...] | dict[Element, Width | tuple[Width, ...]],
    Field(description="Å, standard deviation of the density; several for shells of a charge and multipoles each"),
]
Quadrupoles = Annotated[
    bool, AfterValidator(_beside_dipoles), Field(description="beside dipoles; of backbones with features of rank 2")
]
Formal = Annotated[dict[Element, float] | None, Field(description="e, charge of an element before transfers; else 0")]
Receivers = Annotated[tuple[Width, ...], Field(description="Å, of Gaussians that feel the potential")]
Scale = Annotated[float, Field(gt=0.0, description="charge = scale * latent charge; sqrt(eps_inf) in a bulk")]
Hidden = Annotated[int, Field(ge=1, description="hidden units of the readouts")]


class ChargeSpec(Section, ABC):
    """A charge model; its field `kind` names it in a config."""

    model: ClassVar[type[ChargeModel]]

    @abstractmethod
    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        """The model with fresh weights, on the features of a backbone."""

    @classmethod
    @abstractmethod
    def of(cls, model: Any) -> Self:
        """The spec from which `make` builds a model of the same form."""
