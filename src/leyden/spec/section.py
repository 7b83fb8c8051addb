"""What all parts of a config share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Element = Annotated[int, Field(ge=1, le=118)]
"""Atomic number."""
Width = Annotated[float, Field(gt=0.0)]
"""Å, standard deviation of a density Gaussian."""


class Section(BaseModel):
    """A part of a config: unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True, validate_by_alias=True
    )
