"""Contract of one term of the Coulomb operator: a symmetric quadratic form on coefficients c (M, n) of sites."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from leyden.coulomb.sites import Sites

Felt = Callable[[Tensor], Tensor]


class Term(ABC):
    """A quadratic form bound to M sites in S structures."""

    @abstractmethod
    def energy(self, coefficients: Tensor) -> Tensor:
        """1/2 <c|V|c> of each structure, (S,) eV."""

    @abstractmethod
    def apply(self, coefficients: Tensor) -> Tensor:
        """V c, (M, n) eV/e Å^-order: the derivative of the energy by the coefficients."""

    @abstractmethod
    def toward(self, receivers: Sites) -> Felt:
        """The map from coefficients to what other sites in the same structures feel, (number of receivers, their n)."""
