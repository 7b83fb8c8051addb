"""The charge plane C p = Q: the monopoles of each group of atoms sum to its charge, where that is held.

The closest point of the plane in the metric of weights w > 0 is q_i + w_i (Q - sum q) / sum w, the minimum of
sum_i (q_i - q0_i)^2 / 2 w_i subject to sum_i q_i = Q. A group is a structure, or a fragment of one; a group that is not
held (an electrode) exchanges charge with a reservoir.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden import segment


@dataclass(frozen=True)
class Plane:
    """columns of a density (N, dim) that are monopoles; group (N,) of each atom; total (G,) e; held (G,) bool."""

    columns: tuple[int, ...]
    group: Tensor
    total: Tensor
    held: Tensor

    def charge(self, density: Tensor) -> Tensor:
        """C p, (G,)."""
        return segment.total(density[:, self.columns].sum(1), self.group, len(self.total))

    def onto(self, density: Tensor, weights: Tensor | None = None) -> Tensor:
        """The closest point of the plane to a density (N, dim), for weights (N, monopoles)."""
        return self._shifted(density, self.total, weights)

    def tangent(self, step: Tensor, weights: Tensor | None = None) -> Tensor:
        """The part of a step, or of a force, (N, dim) that leaves the charges as they are."""
        return self._shifted(step, torch.zeros_like(self.total), weights)

    def multiplier(self, force: Tensor) -> Tensor:
        """Mean of dE/dp (N, dim) over the monopoles of each group, (G,): at a minimum, the chemical potential dE/dQ."""
        one = torch.ones_like(force[:, self.columns])
        both = torch.stack([force[:, self.columns].sum(1), one.sum(1)], 1)
        total = segment.total(both, self.group, len(self.total))
        return total[:, 0] / total[:, 1].clamp(min=1.0)

    def _shifted(self, density: Tensor, total: Tensor, weights: Tensor | None) -> Tensor:
        monopoles = density[:, self.columns]
        weights = torch.ones_like(monopoles) if weights is None else weights
        sums = segment.total(torch.stack([monopoles.sum(1), weights.sum(1)], 1), self.group, len(total))
        missing = torch.where(self.held, (total - sums[:, 0]) / torch.where(self.held, sums[:, 1], 1.0), 0.0)
        shift = torch.zeros_like(density)
        shift[:, self.columns] = weights * missing[self.group][:, None]
        return density + shift
