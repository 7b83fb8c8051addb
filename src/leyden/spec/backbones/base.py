"""What the sections of backbones share: the contract."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

from leyden.backbones import Backbone
from leyden.spec.section import Section


class BackboneSpec(Section, ABC):
    """A backbone; its field `kind` names it in a config."""

    backbone: ClassVar[type[Backbone]]
    packages: ClassVar[tuple[str, ...]] = ()
    """What it needs beside Leyden; their versions are kept with a model."""

    @abstractmethod
    def reach(self) -> float:
        """The cutoff of the backbone that `make` gives, Å. Raises InputError for a file that cannot be read."""

    @abstractmethod
    def make(self, elements: tuple[int, ...], average_neighbors: float) -> Any:
        """The backbone, with fresh weights or those of a file that the section names.

        elements and the mean number of neighbors within `reach` are those of the training data. Raises InputError for a
        file that cannot be read or does not know one of the elements.
        """

    @classmethod
    @abstractmethod
    def of(cls, backbone: Any) -> Self:
        """The section from which `make` builds a backbone of the same form, and needs no file for it."""
