"""The uniform background that neutralises a charged 3D-periodic cell, in the convention of point charges for k = 0:

    E = -(2 pi k_e / V) Q sum_i q_i sigma_i^2

(Hudson-Vogl). Without it the energy of an ion would depend on its width, and so would the pressure.
"""

import math

import torch
from torch import Tensor

from leyden.coulomb.sites import Sites
from leyden.coulomb.term import Felt, Term
from leyden.density.harmonics import multi_indices
from leyden.units import COULOMB


class Background(Term):
    """In cells of volume (S,) Å^3, bound to sites; widths below `widened` (Å) count as this width."""

    def __init__(self, sites: Sites, volume: Tensor, widened: float = 0.0) -> None:
        self.sites, self.widened = sites, widened
        self.strength = -2.0 * math.pi * COULOMB / volume
        self.square = self._square(sites)

    def energy(self, coefficients: Tensor) -> Tensor:
        """(S,) eV."""
        charge, second = self._moments(coefficients)
        return self.strength * charge * second

    def apply(self, coefficients: Tensor) -> Tensor:
        """(M, n)."""
        return self._felt(coefficients, self.sites)

    def toward(self, receivers: Sites) -> Felt:
        """What receivers feel: their charges only."""
        return lambda coefficients: self._felt(coefficients, receivers)

    def _felt(self, coefficients: Tensor, receivers: Sites) -> Tensor:
        charge, second = (self.strength * each for each in self._moments(coefficients))
        felt = second[receivers.index] + charge[receivers.index] * self._square(receivers)
        return torch.nn.functional.pad(felt[:, None], (0, len(multi_indices(receivers.order)) - 1))

    def _moments(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Q and sum_i q_i sigma_i^2 of each structure."""
        both = torch.stack([coefficients[:, 0], coefficients[:, 0] * self.square], 1)
        charge, second = both.new_zeros(self.sites.count, 2).index_add(0, self.sites.index, both).unbind(1)
        return charge, second

    def _square(self, sites: Sites) -> Tensor:
        return sites.widths.clamp(min=self.widened) ** 2
