"""What the sections of backbones from other packages share: a file, and what to do with what is in it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from leyden.backbones.pretrained import Freeze, Pretrained
from leyden.checks import require
from leyden.spec.backbones.base import BackboneSpec

ORIGIN = frozenset({"freeze", "reference", "start"})
"""Keys that make sense beside a file only."""
SHARED = ORIGIN | {"kind", "source", "head"}
"""Keys that may stand beside a file; it determines the others."""


class PretrainedSpec(BackboneSpec):
    """A model of another package: one in a file, one that is to be trained, or one that Leyden trained and saved."""

    source: Path | None = Field(
        None, alias="from", description="file of a trained model; reading such files executes them: trust their origin"
    )
    freeze: Freeze = Field("nothing", description="weights of the file that training leaves as they are")
    reference: Literal["model", "data"] = Field(
        "model", description="energies of isolated atoms: those of the file, or fitted to what it leaves of the data"
    )
    start: Literal["quiet", "usual"] = Field(
        "quiet",
        description="charges with which training starts: next to none, so that the file stays right, or the usual",
    )
    form: dict[str, Any] | None = Field(None, description="written by Leyden into model folders")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Keys that would be ignored are errors, unless they say what holds anyway."""
        chosen = {name for name, field in type(self).model_fields.items() if getattr(self, name) != field.get_default()}
        beside, missing = chosen - SHARED, chosen & ORIGIN
        if self.source is not None and beside:
            raise ValueError(f"expected no {', '.join(sorted(beside))} beside 'from', as the file says what it is")
        if self.source is None and self.form is None and missing:
            raise ValueError(f"expected no {', '.join(sorted(missing))} without 'from', as nothing is trained yet")
        return self

    @model_serializer(mode="wrap")
    def _plain(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What holds, without keys that a file, or having none, makes void."""
        content = dump(self)
        sizes = content.keys() - ORIGIN - {"kind", "from", "head", "form"}
        if self.source is not None:
            void = sizes | {"form"}
        elif self.form is not None:
            void = sizes | {"from", "reference", "start"}
        else:
            void = ORIGIN | {"from", "form", "head"}
        return {"kind": content["kind"]} | {name: value for name, value in content.items() if name not in void}

    def finished(self, backbone: Pretrained, elements: Iterable[int]) -> Pretrained:
        """The backbone, frozen as wanted. Raises InputError unless it knows the elements."""
        unknown = sorted(set(elements) - set(backbone.elements))
        require(
            not unknown,
            f"{self.source}: expected a model with all elements of the data, got none of atomic number"
            f" {', '.join(str(z) for z in unknown)}; take another model, or leave out these structures.",
        )
        backbone.freeze(self.freeze)
        return backbone
