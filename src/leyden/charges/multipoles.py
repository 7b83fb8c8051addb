"""Dipoles and quadrupoles of atoms as functions of their features: what a density has beside charges."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from leyden.charges.readout import Equivariant
from leyden.density import GaussianBasis
from leyden.density.harmonics import from_second_moments
from leyden.features import Channels, Features


class Multipoles(nn.Module):
    """Features -> the coefficients (N, dim - 1) that a basis of one shell has beside the charge: none, 3 or 8."""

    def __init__(self, channels: Channels, basis: GaussianBasis) -> None:
        super().__init__()
        self.dipole = Equivariant(channels.scalars, channels.vectors) if basis.lmax > 0 else None
        self.quadrupole = Equivariant(channels.scalars, channels.tensors) if basis.lmax > 1 else None

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
