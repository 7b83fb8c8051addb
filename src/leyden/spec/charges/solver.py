"""The section `solver` of every charge model whose density is solved for."""

from typing import Literal, Self

from pydantic import Field

from leyden.solve import Settings
from leyden.spec.section import Section


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
