"""Charges that a map of their own potential gives back: any map, one that an energy implies, a few steps of it."""

from typing import Literal, Self

from pydantic import Field

from leyden.charges import Response, SymmetricResponse, Unrolled
from leyden.density import DEFAULT_WIDTH, GaussianBasis
from leyden.features import Channels
from leyden.spec.charges.base import DEFAULT_RECEIVERS, ChargeSpec, Hidden, Receivers, Widths
from leyden.spec.charges.solver import SolverSpec


class ResponseSpec(ChargeSpec):
    """A fixed point of a learned map of the potential; see leyden.charges.Response."""

    model = Response
    kind: Literal["response"] = "response"
    dipoles: bool = False
    width: Widths = DEFAULT_WIDTH
    receivers: Receivers = DEFAULT_RECEIVERS
    hidden: Hidden = 32
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> Response:
        """The model."""
        basis, settings = GaussianBasis(self.width, int(self.dipoles)), self.solver.settings()
        return Response(channels, elements, basis, self.receivers, self.hidden, settings)

    @classmethod
    def of(cls, model: Response) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            receivers=model.given,
            hidden=model.hidden,
            solver=SolverSpec.of(model.settings),
        )


class SymmetricResponseSpec(ChargeSpec):
    """A fixed point that an energy implies; see leyden.charges.SymmetricResponse."""

    model = SymmetricResponse
    kind: Literal["symmetric-response"] = "symmetric-response"
    dipoles: bool = False
    width: Widths = DEFAULT_WIDTH
    hidden: Hidden = 32
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
    width: Widths = DEFAULT_WIDTH
    receivers: Receivers = DEFAULT_RECEIVERS
    steps: int = Field(2, ge=1)
    hidden: Hidden = 32

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
