"""Charges that minimise a learned energy: a convex one, and a mixture of charge states."""

from typing import Literal, Self

from pydantic import Field

from leyden.charges import Mixture, Variational
from leyden.density import DEFAULT_WIDTH, GaussianBasis
from leyden.features import Channels
from leyden.spec.charges.base import ChargeSpec, Hidden, Widths
from leyden.spec.charges.solver import SolverSpec


class VariationalSpec(ChargeSpec):
    """Charges, and dipoles, that minimise a learned convex energy; see leyden.charges.Variational."""

    model = Variational
    kind: Literal["variational"] = "variational"
    dipoles: bool = False
    width: Widths = DEFAULT_WIDTH
    terms: int = Field(4, ge=1, description="bends of the energy of an atom")
    hidden: Hidden = 32
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
    width: Widths = DEFAULT_WIDTH
    hidden: Hidden = 32
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
