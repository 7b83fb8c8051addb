"""Charges that minimise a quadratic energy: everywhere, with spins, and along bonds."""

from typing import Literal, Self

from leyden.charges import Equilibration, SpinEquilibration, SplitChargeEquilibration
from leyden.density import DEFAULT_WIDTH, GaussianBasis
from leyden.features import Channels
from leyden.spec.charges.base import ChargeSpec, Formal, Hidden, Widths
from leyden.spec.charges.solver import SolverSpec


class EquilibrationSpec(ChargeSpec):
    """Charges, and dipoles, of least energy; see leyden.charges.Equilibration."""

    model = Equilibration
    kind: Literal["equilibration"] = "equilibration"
    dipoles: bool = False
    width: Widths = DEFAULT_WIDTH
    hidden: Hidden = 32
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


class SpinEquilibrationSpec(ChargeSpec):
    """Charges and unpaired electrons of least energy; see leyden.charges.SpinEquilibration."""

    model = SpinEquilibration
    kind: Literal["spin"] = "spin"
    width: Widths = DEFAULT_WIDTH
    hidden: Hidden = 32
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
    dipoles: bool = False
    width: Widths = DEFAULT_WIDTH
    formal: Formal = None
    hidden: Hidden = 32
    solver: SolverSpec = SolverSpec()

    def make(self, channels: Channels, elements: tuple[int, ...]) -> SplitChargeEquilibration:
        """The model."""
        basis, settings = GaussianBasis(self.width, int(self.dipoles)), self.solver.settings()
        return SplitChargeEquilibration(channels, elements, basis, self.formal, self.hidden, settings)

    @classmethod
    def of(cls, model: SplitChargeEquilibration) -> Self:
        """Its spec."""
        return cls(
            dipoles=model.basis.lmax > 0,
            width=model.basis.width,
            formal=model.formal,
            hidden=model.hidden,
            solver=SolverSpec.of(model.settings),
        )
