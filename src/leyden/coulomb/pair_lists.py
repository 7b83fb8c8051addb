"""Which pairs a pair sum runs over: all of a structure (open boundary), or those within a cutoff, images included."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leyden import segment
from leyden.coulomb.sites import Sites
from leyden.neighbors import half_list
from leyden.system import System


@dataclass(frozen=True)
class Pairs:
    """P pairs: first (P,), second (P,), vectors (P, 3) Å from second to first; differentiable."""

    first: Tensor
    second: Tensor
    vectors: Tensor


class PairList(ABC):
    """A rule that finds pairs."""

    @abstractmethod
    def within(self, sites: Sites) -> Pairs:
        """Every pair of different sites once; a site and an image of itself are a pair, too."""

    @abstractmethod
    def across(self, receivers: Sites, sites: Sites) -> Pairs:
        """Every receiver (first) with every site (second)."""


class AllPairs(PairList):
    """All pairs of a structure. Sites are sorted by structure, receivers need not be."""

    def within(self, sites: Sites) -> Pairs:
        """The upper triangle of each structure, in one flat list."""
        number = torch.arange(len(sites.index), device=sites.index.device)
        later = segment.starts(sites.index, sites.count)[1:][sites.index] - number - 1
        first, place = _runs(later)
        second = first + 1 + place
        return Pairs(first, second, sites.positions[first] - sites.positions[second])

    def across(self, receivers: Sites, sites: Sites) -> Pairs:
        """All receivers x sites of each structure."""
        size = torch.bincount(sites.index, minlength=sites.count)[receivers.index]
        first, place = _runs(size)
        second = segment.starts(sites.index, sites.count)[receivers.index][first] + place
        return Pairs(first, second, receivers.positions[first] - sites.positions[second])


class ClosePairs(PairList):
    """Pairs within a cutoff (Å), with all images along periodic axes."""

    def __init__(self, system: System, cutoff: float) -> None:
        self.system, self.cutoff = system, cutoff

    def within(self, sites: Sites) -> Pairs:
        """From the neighbor list of the atoms; shells of one atom are pairs as well."""
        centers, neighbors, shifts = self._atoms(self.system)
        shells = sites.basis.shells
        if shells == 1:
            return self._pairs(sites, centers, sites, neighbors, shifts)
        first, second = (
            (atom[:, None, None] * shells + torch.arange(shells, device=atom.device).view(shape))
            .expand(-1, shells, shells)
            .flatten()
            for atom, shape in ((centers, (-1, 1)), (neighbors, (1, -1)))
        )
        own = AllPairs().within(replace(sites, index=sites.atom, count=len(self.system.index)))
        shifts = shifts.repeat_interleave(shells * shells, 0)
        close = self._pairs(sites, first, sites, second, shifts)
        return Pairs(
            torch.cat([close.first, own.first]),
            torch.cat([close.second, own.second]),
            torch.cat([close.vectors, own.vectors]),
        )

    def across(self, receivers: Sites, sites: Sites) -> Pairs:
        """From the neighbor list of sites and receivers together."""
        index = torch.cat([sites.index, receivers.index])
        order = torch.argsort(index, stable=True)
        positions = torch.cat([sites.positions, receivers.positions])[order]
        together = replace(self.system, positions=positions, index=index[order], numbers=torch.ones_like(index))
        centers, neighbors, shifts = self._atoms(together)
        count = len(sites.index)
        a, b = order[centers], order[neighbors]
        forward, backward = (a >= count) & (b < count), (b >= count) & (a < count)
        first, second = torch.cat([a[forward], b[backward]]) - count, torch.cat([b[forward], a[backward]])
        return self._pairs(receivers, first, sites, second, torch.cat([shifts[forward], -shifts[backward]]))

    def _atoms(self, system: System) -> tuple[Tensor, Tensor, Tensor]:
        pairs = half_list(system, self.cutoff)
        return pairs.centers, pairs.neighbors, pairs.shifts

    def _pairs(self, a: Sites, first: Tensor, b: Sites, second: Tensor, shifts: Tensor) -> Pairs:
        """Vectors r_first - (r_second + shift . cell)."""
        image = torch.einsum("pi,pij->pj", shifts, self.system.cell[a.index[first]])
        return Pairs(first, second, a.positions[first] - b.positions[second] - image)


def _runs(lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Number n repeated lengths[n] times, and the place 0, 1, ... within each run."""
    number = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
    start = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    return number, torch.arange(len(number), device=lengths.device) - start
