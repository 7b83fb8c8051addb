"""Backbones that were trained before: their reference energies, and which of their weights stay as they are."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Literal, get_args

from torch import nn

from leyden.backbones.backbone import Backbone
from leyden.checks import require

Freeze = Literal["nothing", "features", "backbone"]
"""What training leaves as it is: the weights that make features, or all that were trained before."""


class Pretrained(Backbone):
    """A backbone with weights of its own origin, and charge and spin added to it without touching them.

    reference: energies (eV) of isolated atoms by atomic number, which the backbone leaves to the baseline.
    """

    reference: dict[int, float]
    frozen: Freeze = "nothing"

    @abstractmethod
    def pretrained(self) -> Iterable[nn.Parameter]:
        """Weights of the model itself: all but those of charge and spin."""

    @abstractmethod
    def readouts(self) -> Iterable[nn.Parameter]:
        """Those of them that make energies of features."""

    def freeze(self, what: Freeze) -> None:
        """Choose which weights training leaves as they are; those of charge and spin are always trained."""
        require(
            what in get_args(Freeze),
            f"freeze: expected one of {', '.join(get_args(Freeze))}, got {what!r}.",
        )
        self.frozen = what
        for weight in self.pretrained():
            weight.requires_grad_(what == "nothing")
        for weight in self.readouts():
            weight.requires_grad_(what != "backbone")
