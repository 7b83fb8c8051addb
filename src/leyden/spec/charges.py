"""Charge models as plain data: one section each, told apart by `kind`, which makes its model and describes it."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag

from leyden.charges import (
    ChargeModel,
    Equilibration,
    Local,
    Mixture,
    Response,
    SpinEquilibration,
    Split,
    SplitChargeEquilibration,
    SymmetricResponse,
    Unrolled,
    Variational,
)
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

    tolerance: float | None = Field(
        None, gt=0.0, description="eV/e of a minimum, e of a fixed point; null: near roundoff"
    )
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


class SplitSpec(ChargeSpec):
    """Charges by local transfer; see leyden.charges.Split."""

    model = Split
    kind: Literal["split"] = "split"
    dipoles: bool = False
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    formal: dict[Element, float] | None = Field(None, description="e, charge of an element before transfers; else 0")
    self_interaction: bool = True
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Split:
        """The model."""
        basis = GaussianBasis(self.width, int(self.dipoles))
        return Split(channels, elements, basis, self.formal, self.self_interaction, self.hidden)

    @classmethod
    def of(cls, model: Split) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            formal=model.formal,
            self_interaction=model.self_interaction,
            hidden=model.hidden,
        )


class SpinEquilibrationSpec(ChargeSpec):
    """Charges and unpaired electrons of least energy; see leyden.charges.SpinEquilibration."""

    model = SpinEquilibration
    kind: Literal["spin"] = "spin"
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> SpinEquilibration:
        """The model."""
        return SpinEquilibration(channels, elements, GaussianBasis(self.width), self.hidden, self.solver.settings())

    @classmethod
    def of(cls, model: SpinEquilibration) -> Self:
        """Its spec."""
        return cls(width=model.basis.width, hidden=model.hidden, solver=SolverSpec.of(model.settings))


class SplitChargeEquilibrationSpec(ChargeSpec):
    """Charges of least energy that move along bonds; see leyden.charges.SplitChargeEquilibration."""

    model = SplitChargeEquilibration
    kind: Literal["sqe"] = "sqe"
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    formal: dict[Element, float] | None = Field(None, description="e, charge of an element before transfers; else 0")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> SplitChargeEquilibration:
        """The model."""
        basis, settings = GaussianBasis(self.width), self.solver.settings()
        return SplitChargeEquilibration(channels, elements, basis, self.formal, self.hidden, settings)

    @classmethod
    def of(cls, model: SplitChargeEquilibration) -> Self:
        """Its spec."""
        return cls(
            width=model.basis.width, formal=model.formal, hidden=model.hidden, solver=SolverSpec.of(model.settings)
        )


class ResponseSpec(ChargeSpec):
    """A fixed point of a learned map of the potential; see leyden.charges.Response."""

    model = Response
    kind: Literal["response"] = "response"
    dipoles: bool = False
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    receivers: tuple[Width, ...] = Field((0.7, 1.5), description="Å, of Gaussians that feel the potential")
    order: int = Field(3, ge=1, description="derivatives of the density: 1 forces, 2 their training, 3 Born charges'")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Response:
        """The model."""
        basis, settings = GaussianBasis(self.width, int(self.dipoles)), self.solver.settings()
        return Response(channels, elements, basis, self.receivers, self.hidden, settings, self.order)

    @classmethod
    def of(cls, model: Response) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            receivers=model.given,
            order=model.order,
            hidden=model.hidden,
            solver=SolverSpec.of(model.settings),
        )


class SymmetricResponseSpec(ChargeSpec):
    """A fixed point that an energy implies; see leyden.charges.SymmetricResponse."""

    model = SymmetricResponse
    kind: Literal["symmetric-response"] = "symmetric-response"
    dipoles: bool = False
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> SymmetricResponse:
        """The model."""
        basis = GaussianBasis(self.width, int(self.dipoles))
        return SymmetricResponse(channels, elements, basis, self.hidden, self.solver.settings())

    @classmethod
    def of(cls, model: SymmetricResponse) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            hidden=model.hidden,
            solver=SolverSpec.of(model.settings),
        )


class UnrolledSpec(ChargeSpec):
    """A few steps of a response, each with weights of its own; see leyden.charges.Unrolled."""

    model = Unrolled
    kind: Literal["unrolled"] = "unrolled"
    dipoles: bool = False
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    receivers: tuple[Width, ...] = Field((0.7, 1.5), description="Å, of Gaussians that feel the potential")
    steps: int = Field(2, ge=1)
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Unrolled:
        """The model."""
        basis = GaussianBasis(self.width, int(self.dipoles))
        return Unrolled(channels, elements, basis, self.receivers, self.steps, self.hidden)

    @classmethod
    def of(cls, model: Unrolled) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            receivers=model.given,
            steps=model.steps,
            hidden=model.hidden,
        )


class VariationalSpec(ChargeSpec):
    """Charges, and dipoles, that minimise a learned convex energy; see leyden.charges.Variational."""

    model = Variational
    kind: Literal["variational"] = "variational"
    dipoles: bool = False
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    terms: int = Field(4, ge=1, description="bends of the energy of an atom")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Variational:
        """The model."""
        basis = GaussianBasis(self.width, int(self.dipoles))
        return Variational(channels, elements, basis, self.hidden, self.terms, self.solver.settings())

    @classmethod
    def of(cls, model: Variational) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            terms=model.terms,
            hidden=model.hidden,
            solver=SolverSpec.of(model.settings),
        )


class MixtureSpec(ChargeSpec):
    """Charges that settle in one of several states; see leyden.charges.Mixture."""

    model = Mixture
    kind: Literal["mixture"] = "mixture"
    states: tuple[float, ...] = Field((-1.0, 0.0, 1.0), min_length=1, description="e, charges of the states of an atom")
    temperature: float = Field(0.1, gt=0.0, description="eV, over which states mix")
    width: Width | dict[Element, Width] = Field(DEFAULT_WIDTH, description="Å, standard deviation of the density")
    hidden: int = Field(32, ge=1, description="hidden units of the readouts")
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Mixture:
        """The model."""
        basis, settings = GaussianBasis(self.width), self.solver.settings()
        return Mixture(channels, elements, basis, self.states, self.temperature, self.hidden, settings)

    @classmethod
    def of(cls, model: Mixture) -> Self:
        """Its spec."""
        return cls(
            states=model.states,
            temperature=model.temperature,
            width=model.basis.width,
            hidden=model.hidden,
            solver=SolverSpec.of(model.settings),
        )


KINDS: dict[str, type[ChargeSpec]] = {
    "local": LocalSpec,
    "split": SplitSpec,
    "equilibration": EquilibrationSpec,
    "spin": SpinEquilibrationSpec,
    "sqe": SplitChargeEquilibrationSpec,
    "response": ResponseSpec,
    "symmetric-response": SymmetricResponseSpec,
    "unrolled": UnrolledSpec,
    "variational": VariationalSpec,
    "mixture": MixtureSpec,
}
"""All charge models that a config can name."""


def _kind(given: Any) -> str:
    """Of plain data or a spec; latent charges where nothing is said."""
    return given.get("kind", "local") if isinstance(given, dict) else given.kind


AnyChargeSpec = Annotated[
    Annotated[LocalSpec, Tag("local")]
    | Annotated[SplitSpec, Tag("split")]
    | Annotated[EquilibrationSpec, Tag("equilibration")]
    | Annotated[SpinEquilibrationSpec, Tag("spin")]
    | Annotated[SplitChargeEquilibrationSpec, Tag("sqe")]
    | Annotated[ResponseSpec, Tag("response")]
    | Annotated[SymmetricResponseSpec, Tag("symmetric-response")]
    | Annotated[UnrolledSpec, Tag("unrolled")]
    | Annotated[VariationalSpec, Tag("variational")]
    | Annotated[MixtureSpec, Tag("mixture")],
    Discriminator(_kind),
]


def describe_charges(model: ChargeModel) -> ChargeSpec:
    """The spec of a charge model. Raises TypeError for one that a config cannot name."""
    for spec in KINDS.values():
        if type(model) is spec.model:
            return spec.of(model)
    raise TypeError(f"describe: expected a charge model that has a spec, got {type(model).__name__}")
