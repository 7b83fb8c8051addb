"""Contract of a charge model: the rule for the density p, and the energy U(p; h) that it adds to 1/2 <p|V|p>."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from leyden.charges.problem import Problem
from leyden.density import GaussianBasis
from leyden.solve import Solution


class ChargeModel(nn.Module, ABC):
    """Subclasses set the basis of the density."""

    basis: GaussianBasis

    @property
    def trained(self) -> bool:
        """Whether derivatives by weights are wanted."""
        return any(weight.requires_grad for weight in self.parameters())

    @abstractmethod
    def solve(self, problem: Problem) -> Solution:
        """The density (N, dim), in the potential of V and the external one."""

    @abstractmethod
    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """U(p; h) of each structure, (S,) eV."""
