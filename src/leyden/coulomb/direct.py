"""Open boundary: every pair of Gaussians of a structure, once, and every Gaussian with itself.

E = 1/2 sum_i p_i T_ii p_i + sum_{i<j} p_i T(r_i - r_j) p_j, with T of pair.py. One flat list of pairs serves the batch.
"""

import torch
from torch import Tensor

from leyden import segment
from leyden.coulomb import pair
from leyden.coulomb.term import Term
from leyden.density.basis import GaussianBasis
from leyden.system import System


def pairs_within(index: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """All i < j of the same structure, (P,) each, for a sorted index (N,)."""
    atoms = torch.arange(len(index), device=index.device)
    later = segment.starts(index, count)[1:][index] - atoms - 1
    first = torch.repeat_interleave(atoms, later)
    block = torch.repeat_interleave(later.cumsum(0) - later, later)
    return first, first + 1 + torch.arange(len(first), device=index.device) - block


class Direct(Term):
    """The pair sum bound to open structures."""

    def __init__(self, system: System, basis: GaussianBasis) -> None:
        self.system, self.dim = system, basis.dim
        self.widths = basis.widths(system.numbers, system.positions.dtype)
        self.first, self.second = pairs_within(system.index, system.count)
        self.vectors = system.positions[self.first] - system.positions[self.second]
        exponent = pair.exponents(self.widths[self.first], self.widths[self.second])
        self.kernels = pair.kernels((self.vectors * self.vectors).sum(1), exponent, 2 * basis.lmax + 1)
        self.own = pair.self_interaction(self.widths, basis.dim)

    def energy(self, density: Tensor) -> Tensor:
        """1/2 <p|V|p> of each structure, (S,) eV."""
        felt = pair.potential(density[self.second], self.vectors, self.kernels, self.dim)
        mutual = (density[self.first] * felt).sum(1)
        system = self.system
        atomic = 0.5 * (density * self.own * density).sum(1)
        return segment.total(mutual, system.index[self.first], system.count) + segment.total(
            atomic, system.index, system.count
        )

    def apply(self, density: Tensor) -> Tensor:
        """V p, (N, dim) eV/e."""
        forward = pair.potential(density[self.second], self.vectors, self.kernels, self.dim)
        backward = pair.potential(density[self.first], -self.vectors, self.kernels, self.dim)
        return (self.own * density).index_add(0, self.first, forward).index_add(0, self.second, backward)

    def at(self, density: Tensor, points: Tensor, index: Tensor) -> Tensor:
        """Potential (M,) in eV/e at points (M, 3)."""
        point, atom = _cross(index, self.system.index, self.system.count)
        vectors = points[point] - self.system.positions[atom]
        exponent = pair.exponents(self.widths[atom], torch.zeros_like(self.widths[atom]))
        kernels = pair.kernels((vectors * vectors).sum(1), exponent, 2 if self.dim > 1 else 1)
        felt = pair.potential(density[atom], vectors, kernels, 1)[:, 0]
        return segment.total(felt, point, len(points))


def _cross(points: Tensor, atoms: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Every (point, atom) of the same structure; atoms is a sorted index, points need not be."""
    size, start = torch.bincount(atoms, minlength=count)[points], segment.starts(atoms, count)[points]
    point = torch.repeat_interleave(torch.arange(len(points), device=points.device), size)
    block = torch.repeat_interleave(size.cumsum(0) - size, size)
    return point, torch.repeat_interleave(start, size) + torch.arange(len(point), device=points.device) - block
