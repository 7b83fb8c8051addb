"""Sections that a config tells apart by their field `kind`."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any, TypeVar

from pydantic import Discriminator, Tag

from leyden.spec.section import Section

S = TypeVar("S", bound=Section)


def by_kind(specs: Sequence[type[S]]) -> dict[str, type[S]]:
    """The sections by the name in a config."""
    return {spec.model_fields["kind"].default: spec for spec in specs}


def one_of(kinds: dict[str, type[S]], otherwise: str) -> Any:
    """The type of a field that is one of them; plain data without `kind` are of the kind `otherwise`."""

    def kind(given: Any) -> str:
        return given.get("kind", otherwise) if isinstance(given, dict) else given.kind

    return Annotated[reduce(or_, [Annotated[spec, Tag(name)] for name, spec in kinds.items()]), Discriminator(kind)]
