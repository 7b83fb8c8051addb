"""Pair sums: E = 1/2 sum_i c_i T_ii c_i + sum_{i<j} c_i T(r_i - r_j) c_j, with T of pair.py.

In open structures the sum runs over all pairs and T is the whole interaction. Beside a lattice sum that treats every
width below `widened` as this width, the same sum over close pairs adds what is missing, T - T_widened: for points and
Ewald's splitting, erfc(r / 2 widened) / r (Ewald, Ann. Phys. 369, 253 (1921)).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden import segment
from leyden.checks import InputError
from leyden.coulomb import pair
from leyden.coulomb.pair_lists import PairList, Pairs
from leyden.coulomb.sites import Sites
from leyden.coulomb.term import Felt, Term
from leyden.coulomb.tune import pair_taper


@dataclass(frozen=True)
class Interaction:
    """T of two widths, or, where widened > 0 (Å), the part of it within a cutoff (Å) that is lost by widening both.

    points: whether there may be sites of width zero, which do not interact with what is on the same place.
    """

    points: bool
    widened: float = 0.0
    cutoff: float = math.inf

    def kernels(self, square: Tensor, first: Tensor, second: Tensor, count: int) -> list[Tensor]:
        """B_0 ... B_{count-1} for squared distances (P,) and widths (P,)."""
        whole = self._whole(square, first, second, count)
        if self.widened == 0.0:
            return whole
        wide = pair.exponents(first.clamp(min=self.widened), second.clamp(min=self.widened))
        rest = [a - b for a, b in zip(whole, pair.kernels(square, wide, count), strict=True)]
        taper = pair_taper(square, self.cutoff, count)
        return [
            torch.stack([math.comb(n, k) * rest[k] * taper[n - k] for k in range(n + 1)]).sum(0) for n in range(count)
        ]

    def _whole(self, square: Tensor, first: Tensor, second: Tensor, count: int) -> list[Tensor]:
        if self.points and len(first) == len(second) == 1 and not (first + second).any():
            return pair.point_kernels(square, count)
        whole = pair.kernels(square, pair.exponents(first, second), count)
        apart = ((first + second > 0) | (square > 0)).to(square.dtype) if self.points else None
        return whole if apart is None else [b * apart for b in whole]

    def own(self, widths: Tensor, order: int) -> Tensor:
        """T at r = 0 for coefficients, (M, 1, 4 or 10); a point's own infinite energy is left out."""
        whole = pair.self_interaction(widths, order)
        if self.widened > 0.0:
            whole = whole - pair.self_interaction(widths.clamp(min=self.widened), order)
        return pair.on_coefficients(whole)


class PairSum(Term):
    """A pair sum bound to sites. Raises InputError for points closer than pair.CLOSEST."""

    def __init__(self, sites: Sites, pairs: PairList, interaction: Interaction) -> None:
        self.sites, self.rule, self.interaction = sites, pairs, interaction
        self.pairs = pairs.within(sites)
        self._refuse_overlap()
        self.kernels = self._kernels(self.pairs, sites)
        self.own = interaction.own(sites.widths, sites.order)

    def energy(self, coefficients: Tensor) -> Tensor:
        """1/2 <c|V|c> of each structure, (S,) eV."""
        first, second, sites = self.pairs.first, self.pairs.second, self.sites
        felt = pair.potential(coefficients[second], self.pairs.vectors, self.kernels, sites.order)
        mutual = (coefficients[first] * felt).sum(1)
        own = 0.5 * (coefficients * self.own * coefficients).sum(1)
        return segment.energy(mutual, sites.index[first], sites.count) + segment.energy(own, sites.index, sites.count)

    def apply(self, coefficients: Tensor) -> Tensor:
        """V c, (M, n)."""
        first, second, order = self.pairs.first, self.pairs.second, self.sites.order
        forward = pair.potential(coefficients[second], self.pairs.vectors, self.kernels, order)
        backward = pair.potential(coefficients[first], -self.pairs.vectors, self.kernels, order)
        return (self.own * coefficients).index_add(0, first, forward).index_add(0, second, backward)

    def toward(self, receivers: Sites) -> Felt:
        """What receivers feel."""
        pairs = self.rule.across(receivers, self.sites)
        kernels = self._kernels(pairs, receivers)

        def felt(coefficients: Tensor) -> Tensor:
            each = pair.potential(coefficients[pairs.second], pairs.vectors, kernels, receivers.order)
            return segment.total(each, pairs.first, len(receivers.index))

        return felt

    def _kernels(self, pairs: Pairs, receivers: Sites) -> list[Tensor]:
        square = (pairs.vectors * pairs.vectors).sum(1)
        widths = _widths(receivers, pairs.first), _widths(self.sites, pairs.second)
        return self.interaction.kernels(square, *widths, receivers.order + self.sites.order + 1)

    def _refuse_overlap(self) -> None:
        point = self.sites.widths == 0
        if not point.any():
            return
        both = point[self.pairs.first] & point[self.pairs.second]
        distance = torch.linalg.vector_norm(self.pairs.vectors.detach(), dim=1)
        close = (both & (distance < pair.CLOSEST)).nonzero().squeeze(1)
        if len(close):
            first, second = (int(s[close[0]]) for s in (self.pairs.first, self.pairs.second))
            raise InputError(
                f"positions: expected point multipoles at least {pair.CLOSEST} Å apart, got atoms"
                f" {int(self.sites.atom[first])} and {int(self.sites.atom[second])} at {distance[close[0]]:.2g} Å;"
                " move them apart or give the basis a width."
            )


def _widths(sites: Sites, chosen: Tensor) -> Tensor:
    """Of the chosen sites, (P,) Å, or (1,) where all have one."""
    return sites.widths[:1] if sites.basis.narrowest == sites.basis.widest else sites.widths[chosen]
