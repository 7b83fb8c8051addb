"""What a density read off features has beside the charges of its first shell: multipoles, and more shells."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from leyden.charges.readout import Equivariant, Invariant
from leyden.density.harmonics import from_second_moments
from leyden.features import Channels, Features


class Multipoles(nn.Module):
    """Features -> the coefficients that a shell up to lmax has beside the charge: (N, 0), (N, 3) or (N, 8)."""

    def __init__(self, channels: Channels, lmax: int) -> None:
        super().__init__()
        self.dipole = Equivariant(channels.scalars, channels.vectors) if lmax > 0 else None
        self.quadrupole = Equivariant(channels.scalars, channels.tensors) if lmax > 1 else None

    def linear(self) -> Iterator[nn.Parameter]:
        """Weights in which the result is linear."""
        for read in (self.dipole, self.quadrupole):
            yield from () if read is None else read.linear()

    def forward(self, features: Features) -> Tensor:
        """Dipoles (e Å), then quadrupoles (e Å^2)."""
        scalars = features.scalars
        parts = [scalars[:, :0]]
        if self.dipole is not None:
            parts.append(self.dipole(scalars, features.vectors))
        if self.quadrupole is not None:
            parts.append(from_second_moments(self.quadrupole(scalars, features.tensors)))
        return torch.cat(parts, 1)


class Shell(nn.Module):
    """Features -> the coefficients (N, 1, 4 or 9) of one more shell, whose charges start around zero."""

    def __init__(self, channels: Channels, hidden: int, elements: int, lmax: int) -> None:
        super().__init__()
        self.charge = Invariant(channels.scalars, hidden, torch.zeros(elements))
        self.multipoles = Multipoles(channels, lmax)

    def linear(self) -> Iterator[nn.Parameter]:
        """Weights in which the result is linear."""
        yield from (*self.charge.linear(), *self.multipoles.linear())

    def forward(self, features: Features, element: Tensor) -> Tensor:
        """Charge, dipole, quadrupole; element (N,): places of the elements."""
        return torch.cat([self.charge(features.scalars, element)[:, None], self.multipoles(features)], 1)
