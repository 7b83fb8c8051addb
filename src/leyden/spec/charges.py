"""Charge models as plain data: one section each, told apart by `kind`, which makes its model and describes it."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag

from leyden.charges import ChargeModel, Equilibration, Local
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Settings
from leyden.spec.section import Element, Section, Width

DEFAULT_WIDTH = 0.5**0.5


class ChargeSpec(Section, ABC):
    """A charge model."""

    model: ClassVar[type[ChargeModel]]

    @abstractmethod
    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        """The model with fresh weights, on the features of a backbone."""

    @classmethod
    @abstractmethod
    def of(cls, model: Any) -> Self:
        """The spec from which `make` builds a model of the same form."""


class SolverSpec(Section):
    """How the density is solved for; see leyden.solve.Settings."""

    tolerance: float | None = Field(None, gt=0.0, description="eV/e; null: 1e-9, in float32 1e-4")
    iterations: int = Field(500, ge=1)
    unconverged: Literal["raise", "report"] = "raise"

    def settings(self) -> Settings:
        """For a solver."""
        return Settings(**self.model_dump())

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Back from those of a solver."""
        return cls(**vars(settings))


class LocalSpec(ChargeSpec):
    """Latent charges; see leyden.charges.Local."""

    model = Local
    kind: Literal["local"] = "local"
    mode: Literal["free", "shift", "softness"] = "softness"
    dipoles: bool = False
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    self_interaction: bool = True
    scale: float = Field(1.0, gt=0.0, description="physical charge = scale * latent charge; sqrt(eps_inf) in a bulk")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Local:
        """The model."""
        basis = GaussianBasis(self.width, int(self.dipoles))
        return Local(channels, elements, basis, self.mode, self.self_interaction, self.scale, self.hidden)

    @classmethod
    def of(cls, model: Local) -> Self:
        """Its spec."""
        return cls(
            mode=model.mode,
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            self_interaction=model.self_interaction,
            scale=model.scale,
            hidden=model.hidden,
        )


class EquilibrationSpec(ChargeSpec):
    """Charges, and dipoles, of least energy; see leyden.charges.Equilibration."""

    model = Equilibration
    kind: Literal["equilibration"] = "equilibration"
    dipoles: bool = False
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Equilibration:
        """The model."""
        basis = GaussianBasis(self.width, int(self.dipoles))
        return Equilibration(channels, elements, basis, self.hidden, self.solver.settings())

    @classmethod
    def of(cls, model: Equilibration) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            hidden=model.hidden,
            solver=SolverSpec.of(model.settings),
        )


KINDS: dict[str, type[ChargeSpec]] = {"local": LocalSpec, "equilibration": EquilibrationSpec}
"""All charge models that a config can name."""


def _kind(given: Any) -> str:
    """Of plain data or a spec; latent charges where nothing is said."""
    return given.get("kind", "local") if isinstance(given, dict) else given.kind


AnyChargeSpec = Annotated[
    Annotated[LocalSpec, Tag("local")] | Annotated[EquilibrationSpec, Tag("equilibration")], Discriminator(_kind)
]


def describe_charges(model: ChargeModel) -> ChargeSpec:
    """The spec of a charge model. Raises TypeError for one that a config cannot name."""
    for spec in KINDS.values():
        if type(model) is spec.model:
            return spec.of(model)
    raise TypeError(f"describe: expected a charge model that has a spec, got {type(model).__name__}")
