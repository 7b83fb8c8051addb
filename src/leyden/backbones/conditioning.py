"""Total charge Q and spin multiplicity m as features of every atom of element z,

    silu((Q, Q^2/(1 + |Q|), m - 1) . g[z]) G,

which vanishes for Q = 0, m = 1, and for any Q and m as long as G is zero.
"""

import math

import torch
from torch import Tensor, nn

from leyden.system import System


class Conditioning(nn.Module):
    """The features of the module docstring, in `channels` channels; silent: G is zero."""

    def __init__(self, elements: int, channels: int, hidden: int = 16, silent: bool = False) -> None:
        super().__init__()
        self.state = nn.Parameter(torch.randn(elements, 3, hidden))
        outer = torch.zeros(hidden, channels) if silent else torch.randn(hidden, channels) / math.sqrt(hidden)
        self.outer = nn.Parameter(outer)

    def forward(self, system: System, species: Tensor) -> Tensor:
        """System and the index of each atom's element (N,) -> (N, channels)."""
        charge, spin = system.charge, system.spin - 1
        state = torch.stack([charge, charge * charge / (1 + charge.abs()), spin], 1).index_select(0, system.index)
        hidden = (state[:, :, None] * self.state.index_select(0, species)).sum(1)
        return nn.functional.silu(hidden) @ self.outer
