"""Contract of a lattice sum: which waves there are, and how a density on sites reaches them.

`Waves` knows the lattice, not the sites; `Lattice` is the linear map S = A(s) c at fixed fractional coordinates s of
the sites, from coefficients c_a of derivatives d^a/ds^a, a = (a_x, a_y, a_z), to structure factors

    S_w(m) = sum_{i of kind w} sum_a c_ia d^a/ds^a exp(2 pi i m.s_i).

A kind holds the sites of one width. Plane waves evaluate S exactly (phases.py), splines on a mesh approximately
(mesh.py).
"""

from abc import ABC, abstractmethod

from torch import Tensor


class Waves(ABC):
    """K waves m (integer vectors) of S structures. Attributes:

    owner (K,): the structure of each wave; multiplicity (K,): how many waves of the full lattice it stands for (2 for
    itself and its opposite, 1 for m = 0, 0 for a duplicate), times the smooth truncation, and times the square of what
    the map of a mesh leaves out; differentiable in the cells.
    """

    owner: Tensor
    multiplicity: Tensor

    @abstractmethod
    def quadratic(self, metric: Tensor) -> Tensor:
        """m.metric.m of all waves, (K,), for one symmetric matrix each structure (S, 3, 3); differentiable."""

    @abstractmethod
    def at(self, s: Tensor, index: Tensor, kind: Tensor, kinds: int) -> "Lattice":
        """The map of sites at s (M, 3), in structures index (M,), of the kinds (M,) out of `kinds`.

        s may be more precise than the map, which has the dtype of the waves: a phase is s times a large integer.
        """


class Lattice(ABC):
    """A linear map between coefficients on M sites and structure factors, at fixed coordinates; see spread.py."""

    @abstractmethod
    def spread(self, coefficients: Tensor, order: int) -> Tensor:
        """S = A c: coefficients (M, number of multi-indices up to order) -> (kinds, K, 2), real and imaginary part."""

    @abstractmethod
    def gather(self, amplitudes: Tensor, order: int) -> Tensor:
        """c = A^T S, the transpose as a real matrix: (kinds, K, 2) -> (M, number of multi-indices up to order)."""
