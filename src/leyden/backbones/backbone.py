"""Contract of a backbone: (graph) -> short-range energy and features of every atom.

Energy and features vanish smoothly in a neighbor's distance at the cutoff; a backbone sees the structure's total charge
and spin, and leaves neutral singlets untouched by that conditioning.
"""

from abc import ABC, abstractmethod

from torch import nn

from leyden.features import Channels, Features
from leyden.neighbors import Graph

__all__ = ["Backbone", "Channels", "Features"]


class Backbone(nn.Module, ABC):
    """A short-range model. Subclasses set cutoff (Å), elements (sorted atomic numbers) and channels.

    average_neighbors: what sums over neighbors are normalised with, 1 where they are not.
    """

    cutoff: float
    elements: tuple[int, ...]
    channels: Channels
    average_neighbors: float = 1.0

    @abstractmethod
    def forward(self, graph: Graph) -> Features:
        """Evaluate all atoms of the batch; the graph's cutoff equals the backbone's."""
