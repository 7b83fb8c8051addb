"""Corrections that complete V for a boundary condition, each a low-rank quadratic form added to the same operator."""

import math

import torch
from torch import Tensor

from leyden import segment
from leyden.coulomb.term import Term
from leyden.density.basis import GaussianBasis
from leyden.system import System
from leyden.units import COULOMB


class Background(Term):
    """Uniform background of a charged 3D cell: E = -(2 pi k_e / V) Q sum_i q_i sigma_i^2.

    The limit k -> 0 of exp(-sigma^2 k^2) / k^2 leaves this term beside the dropped 1/k^2; with it a Gaussian ion has
    the Wigner energy of a point charge, independent of its width (Hudson-Vogl convention of the k = 0 term).
    """

    def __init__(self, system: System, basis: GaussianBasis) -> None:
        self.system = system
        self.square = basis.widths(system.numbers, system.positions.dtype) ** 2
        self.strength = -2 * math.pi * COULOMB / system.volume

    def energy(self, density: Tensor) -> Tensor:
        """(S,) eV."""
        charge, second = self._sums(density)
        return self.strength * charge * second

    def apply(self, density: Tensor) -> Tensor:
        """(N, dim) eV/e; uniform for each width, zero for dipoles."""
        charge, second = self._sums(density)
        index = self.system.index
        value = self.strength[index] * (second[index] + charge[index] * self.square)
        return torch.cat([value[:, None], torch.zeros_like(density[:, 1:])], 1)

    def at(self, density: Tensor, points: Tensor, index: Tensor) -> Tensor:
        """(M,) eV/e felt by points of width zero."""
        return (self.strength * self._sums(density)[1])[index]

    def _sums(self, density: Tensor) -> tuple[Tensor, Tensor]:
        """Q and sum_i q_i sigma_i^2 of each structure."""
        both = torch.stack([density[:, 0], density[:, 0] * self.square], 1)
        charge, second = segment.total(both, self.system.index, self.system.count).unbind(1)
        return charge, second
