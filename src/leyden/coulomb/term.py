"""Contract of one term of the Coulomb operator: a symmetric quadratic form on the density of some structures."""

from abc import ABC, abstractmethod

from torch import Tensor


class Term(ABC):
    """A quadratic form bound to a system of N atoms in S structures and to its basis."""

    @abstractmethod
    def energy(self, density: Tensor) -> Tensor:
        """1/2 <p|V|p> of each structure, (S,) eV, of a density (N, dim)."""

    @abstractmethod
    def apply(self, density: Tensor) -> Tensor:
        """V p, (N, dim) eV/e: the derivative of the energy by the density."""

    @abstractmethod
    def at(self, density: Tensor, points: Tensor, index: Tensor) -> Tensor:
        """Potential (M,) in eV/e of the density at points (M, 3) of the structures index (M,)."""
