"""Readouts: features -> density coefficients and per-atom parameters, equivariant by construction."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

CHARGE_SCALE = 0.3
"""Factor on the initial weights of charges. Much smaller ones stay near their bias: the short-range energy learns first
what they would explain, and Born charges come out too small."""
MULTIPOLE_SCALE = 0.02
"""Standard deviation of the initial weights of dipoles and quadrupoles, which start near zero."""


class Invariant(nn.Module):
    """scalars (N, K) -> (N,): a perceptron plus a bias for each element."""

    def __init__(self, scalars: int, hidden: int, bias: Tensor) -> None:
        super().__init__()
        last = nn.Linear(hidden, 1, bias=False)
        self.layers = nn.Sequential(nn.Linear(scalars, hidden), nn.SiLU(), last)
        self.bias = nn.Parameter(bias.clone())
        with torch.no_grad():
            last.weight.mul_(CHARGE_SCALE)

    def linear(self) -> Iterator[nn.Parameter]:
        """Weights in which the result is linear."""
        yield from (*self.layers[-1].parameters(), self.bias)

    def forward(self, scalars: Tensor, element: Tensor) -> Tensor:
        """Scalars (N, K) and element positions (N,) -> (N,)."""
        return self.layers(scalars)[:, 0] + self.bias[element]


class Equivariant(nn.Module):
    """vectors (N, 3, K) -> (N, 3), or tensors (N, 3, 3, K) -> (N, 3, 3): a channel mix, weighted by the scalars."""

    def __init__(self, scalars: int, channels: int) -> None:
        super().__init__()
        self.gate = nn.Linear(scalars, channels)
        self.mix = nn.Linear(channels, 1, bias=False)
        nn.init.zeros_(self.gate.weight)
        nn.init.ones_(self.gate.bias)
        nn.init.normal_(self.mix.weight, std=MULTIPOLE_SCALE)

    def linear(self) -> Iterator[nn.Parameter]:
        """Weights in which the result is linear."""
        yield from self.mix.parameters()

    def forward(self, scalars: Tensor, features: Tensor) -> Tensor:
        """Scalars (N, K0) and features (N, 3, K) or (N, 3, 3, K)."""
        return torch.einsum("n...k,nk->n...", features, self.gate(scalars) * self.mix.weight[0])


def inverse_softplus(x: Tensor) -> Tensor:
    """The argument at which softplus is x > 0."""
    return x + torch.log(-torch.expm1(-x))


def positive_blocks(monopole: Tensor, size: Tensor, bent: Tensor | None, least: float) -> Tensor:
    """Positive definite blocks (N, 4, 4) of a charge and a dipole: monopole (N,) > 0, and L L + least > 0.

    L = softplus(size) + bent, of size (N,) and symmetric matrices bent (N, 3, 3).
    """
    unit = torch.eye(3, dtype=size.dtype, device=size.device)
    root = nn.functional.softplus(size)[:, None, None] * unit
    if bent is not None:
        root = root + bent
    out = size.new_zeros(len(size), 4, 4)
    out[:, 0, 0], out[:, 1:, 1:] = monopole, root @ root + least * unit
    return out


def element_table(elements: tuple[int, ...]) -> Tensor:
    """Position of each atomic number among the sorted elements, (119,), -1 for the others."""
    table = torch.full((119,), -1, dtype=torch.long)
    table[torch.tensor(elements)] = torch.arange(len(elements))
    return table
