"""Radial functions of a pair of atoms, for every feature channel.

    b_n(r) = sqrt(2/r_c) sin(n pi r / r_c) / r                               Bessel basis, n = 1 ... B
    f(x)   = 1 - 28 x^6 + 48 x^7 - 21 x^8,   x = r/r_c                        f(1) = f'(1) = f''(1) = 0
    R_k(r) = f(r/r_c) sum_h W_hk silu(sum_n V_nh b_n(r) + c_h[z_i, z_j])

z_i, z_j: elements of center and neighbor. Basis and envelope: Gasteiger et al., "Directional Message Passing"
(arXiv:2003.03123), equations 7 and 8 with p = 6.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leyden.backbones.products import pack_square
from leyden.neighbors import Graph


def envelope(x: Tensor) -> Tensor:
    """f(x) of the module docstring, for x = r / r_c (E,): one at x = 0, vanishing with two derivatives at x = 1."""
    cube = x * x * x
    return 1 - cube * cube * (28 - 48 * x + 21 * x * x)


def bessel(lengths: Tensor, cutoff: float, count: int) -> Tensor:
    """b_n (E, B) of lengths (E,), multiplied by r_c^(3/2) / 2 so that values are of order one for any cutoff."""
    order = torch.arange(1, count + 1, dtype=lengths.dtype, device=lengths.device) * (math.pi / cutoff)
    return (cutoff * math.sqrt(0.5)) * torch.sin(lengths[:, None] * order) / lengths[:, None]


@dataclass(frozen=True)
class Edges:
    """What all layers need of the E pairs, computed once.

    graph; centers, neighbors (E,); basis (E, B); envelope (E, 1); pair (E,) index of the pair of elements;
    directions (E, 3, 1) and their packed squares (E, 5, 1), both with a mean square of one for each component.
    """

    graph: Graph
    centers: Tensor
    neighbors: Tensor
    basis: Tensor
    envelope: Tensor
    pair: Tensor
    directions: Tensor
    squares: Tensor

    @staticmethod
    def of(graph: Graph, species: Tensor, elements: int, cutoff: float, basis: int) -> "Edges":
        """species (N,): index of each atom's element among the `elements` known ones; basis: number of functions."""
        centers, neighbors = graph.pairs.centers, graph.pairs.neighbors
        unit = graph.vectors / graph.lengths[:, None]
        return Edges(
            graph=graph,
            centers=centers,
            neighbors=neighbors,
            basis=bessel(graph.lengths, cutoff, basis),
            envelope=envelope(graph.lengths / cutoff)[:, None],
            pair=species.index_select(0, centers) * elements + species.index_select(0, neighbors),
            directions=math.sqrt(3.0) * unit[:, :, None],
            squares=math.sqrt(7.5) * pack_square(unit)[:, :, None],
        )


class Radial(nn.Module):
    """R_k(r) for `outputs` functions k: Edges to (E, outputs)."""

    def __init__(self, elements: int, basis: int, outputs: int, hidden: int = 32) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.randn(basis, hidden) / math.sqrt(basis))
        self.shift = nn.Parameter(torch.randn(elements * elements, hidden) / 2)
        self.outer = nn.Parameter(torch.randn(hidden, outputs) / math.sqrt(hidden))

    def forward(self, edges: Edges) -> Tensor:
        """Evaluate all functions; they vanish with two derivatives at the cutoff."""
        hidden = nn.functional.silu(edges.basis @ self.inner + self.shift.index_select(0, edges.pair))
        return (hidden * edges.envelope) @ self.outer
