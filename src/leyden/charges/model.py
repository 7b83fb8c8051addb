"""Contract of a charge model: the rule for the density p, and the energy U(p; h) that it adds to 1/2 <p|V|p>."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from leyden.coulomb import BoundCoulomb
from leyden.density import GaussianBasis
from leyden.features import Features
from leyden.solve import Solution
from leyden.system import System


class ChargeModel(nn.Module, ABC):
    """Subclasses set the basis of the density."""

    basis: GaussianBasis

    @abstractmethod
    def solve(self, features: Features, coulomb: BoundCoulomb, external: Tensor, system: System) -> Solution:
        """The density (N, dim) of the system, in the potential of V and the external coupling (N, dim)."""

    @abstractmethod
    def energy(self, density: Tensor, features: Features, system: System) -> Tensor:
        """U(p; h) of each structure, (S,) eV."""
