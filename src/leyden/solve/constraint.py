"""The charge plane C p = Q: the closest point in the metric of the weights, q_i + w_i (Q - sum q) / sum w.

This is the minimum of sum_i (q_i - q0_i)^2 / 2 w_i subject to sum_i q_i = Q, structure by structure.
"""

import torch
from torch import Tensor

from leyden import segment


def onto_plane(density: Tensor, target: Tensor, weights: Tensor, index: Tensor) -> Tensor:
    """Shift the charges of a density (N, dim) to the totals (S,) with weights (N,) > 0; dipoles stay."""
    sums = segment.total(torch.stack([density[:, 0], weights], 1), index, len(target))
    share = weights / sums[:, 1][index]
    charges = density[:, 0] + share * (target - sums[:, 0])[index]
    return torch.cat([charges[:, None], density[:, 1:]], 1)
