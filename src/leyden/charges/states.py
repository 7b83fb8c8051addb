"""The energy of an atom with several charge states, a softmin of one parabola for each state m,

    U_i(q) = -T log sum_m exp(-U_im(q) / T) - 1/2 V_ii q^2,    U_im(q) = e_m + 1/2 (eta_m + V_ii) (q - c_m)^2.

Where states m and n cross, the curvature is about -(dU_m/dq - dU_n/dq)^2 / 4T.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.charges.convex import LocalEnergy


@dataclass(frozen=True)
class MixtureEnergy(LocalEnergy):
    """level eV, hardness eta eV/e^2 and centre e of the states, (N, K); own V_ii (N, 1) eV/e^2; temperature eV."""

    level: Tensor
    hardness: Tensor
    centre: Tensor
    own: Tensor
    temperature: float

    def energy(self, density: Tensor) -> Tensor:
        """U of densities (N, 1), (N,) eV."""
        return self.alone(density) - 0.5 * (self.own * density.square())[:, 0]

    def alone(self, density: Tensor) -> Tensor:
        """Energy of the atoms without any other, U + 1/2 V_ii q^2, of densities (N, 1), (N,) eV."""
        return -self.temperature * torch.logsumexp(-self._energies(density) / self.temperature, 1)

    def force(self, density: Tensor) -> Tensor:
        """dU/dq, (N, 1) eV/e."""
        return self._force(density) - self.own * density

    def curvature(self, density: Tensor) -> Tensor:
        """Mean hardness of the states less the variance of dU_m/dq over T, (N, 1, 1) eV/e^2."""
        spread = self._forces(density) - self._force(density)
        variance = (self._weights(density) * spread.square()).sum(1)
        return self.upper(density) - variance[:, None, None] / self.temperature

    def upper(self, density: Tensor) -> Tensor:
        """Mean hardness of the states, (N, 1, 1) eV/e^2."""
        return (self._weights(density) * self.hardness).sum(1)[:, None, None]

    def _energies(self, density: Tensor) -> Tensor:
        return self.level + 0.5 * (self.hardness + self.own) * (density - self.centre).square()

    def _forces(self, density: Tensor) -> Tensor:
        return (self.hardness + self.own) * (density - self.centre)

    def _force(self, density: Tensor) -> Tensor:
        return (self._weights(density) * self._forces(density)).sum(1, keepdim=True)

    def _weights(self, density: Tensor) -> Tensor:
        return torch.softmax(-self._energies(density) / self.temperature, 1)
