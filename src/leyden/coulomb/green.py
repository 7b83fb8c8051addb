"""Coulomb kernel of each wave for every number of periodic axes: E = 1/2 sum_k G(k) |S(k)|^2, G = k_e kernel(k) / V.

With R the radius at which the kernel is cut, k_z, k_perp along the open axes and k_par, k_x along the periodic ones:

    3 axes   4 pi / k^2;                                                       0 at k = 0
    2 axes   4 pi / k^2 [1 - exp(-k_par R) cos(k_z R)];                        -2 pi R^2 at k = 0
    1 axis   4 pi / k^2 [1 + k_perp R J_1(k_perp R) K_0(k_x R) - k_x R J_0(k_perp R) K_1(k_x R)],
             k_x = 0: 4 pi / k_perp^2 [1 - J_0(k_perp R)];                     pi R^2 - 2 ln(R) V/a_x at k = 0
    none     4 pi / k^2 [1 - cos(k R)];                                        2 pi R^2 at k = 0

(Rozzi et al., Phys. Rev. B 73, 205119 (2006); Ismail-Beigi, Phys. Rev. B 73, 233103 (2006)). The slab needs L = 2 R,
where sin(k_z R) = 0. Averaged along its periodic axes, a charge has the potential -2 pi |z| / A in a slab and
-2 ln(rho / Å) / a_x in a wire; of this logarithm, ln R is a constant of all pairs and so belongs to k = 0 only.
"""

import math

import torch
from torch import Tensor

from leyden import segment
from leyden.coulomb.bessel import bessel_j, bessel_k
from leyden.coulomb.embedding import Embedding
from leyden.coulomb.lattice import Waves
from leyden.units import COULOMB


def square(waves: Waves, embedding: Embedding) -> Tensor:
    """k^2 of all waves, (K,) 1/Å^2, in the dtype of the embedding."""
    return waves.quadratic(embedding.metric)


def weights(waves: Waves, embedding: Embedding, k2: Tensor) -> Tensor:
    """G of all waves of k^2 (K,) with their multiplicity, (K,) eV/e^2; twice differentiable."""
    scale = waves.multiplicity * segment.each(COULOMB / embedding.volume, waves.owner)
    if embedding.bulk:
        return scale * _inverse(k2, 4 * math.pi)
    along = waves.quadratic(embedding.metric - embedding.open_metric)
    across = waves.quadratic(embedding.open_metric)
    axes = embedding.axes[waves.owner]
    kernel = torch.zeros_like(along)
    for count, form in enumerate((_open, _wire, _slab, _crystal)):
        chosen = (axes == count).nonzero().squeeze(1)
        if len(chosen):
            owner = waves.owner[chosen]
            radius, section = embedding.radius[owner], embedding.section[owner]
            kernel = kernel.index_copy(0, chosen, form(along[chosen], across[chosen], radius, section))
    return scale * kernel


def _crystal(along: Tensor, across: Tensor, radius: Tensor, section: Tensor) -> Tensor:
    return _inverse(along, 4 * math.pi)


def _slab(along: Tensor, across: Tensor, radius: Tensor, section: Tensor) -> Tensor:
    cut = torch.exp(-_root(along) * radius) * torch.cos(_root(across) * radius)
    total = along + across
    return torch.where(total > 0, _inverse(total, 4 * math.pi) * (1 - cut), -2 * math.pi * radius * radius)


def _wire(along: Tensor, across: Tensor, radius: Tensor, section: Tensor) -> Tensor:
    total, moves = along + across, along > 0
    x, y = torch.where(moves, _root(along), torch.ones_like(along)) * radius, _root(across) * radius
    j0 = bessel_j(0, y)
    cut = torch.where(moves, x * j0 * bessel_k(1, x) - y * bessel_j(1, y) * bessel_k(0, x), j0)
    mean = math.pi * radius * radius - 2 * radius.log() * section
    return torch.where(total > 0, _inverse(total, 4 * math.pi) * (1 - cut), mean)


def _open(along: Tensor, across: Tensor, radius: Tensor, section: Tensor) -> Tensor:
    cut = torch.cos(_root(across) * radius)
    return torch.where(across > 0, _inverse(across, 4 * math.pi) * (1 - cut), 2 * math.pi * radius * radius)


def _inverse(x: Tensor, scale: float) -> Tensor:
    """scale / x, and 0 with all derivatives at x = 0."""
    return scale / x.masked_fill(x <= 0, torch.inf)


def _root(x: Tensor) -> Tensor:
    """sqrt(x), and 0 with all derivatives at x = 0: a part of k that vanishes does so in every cell."""
    return torch.where(x > 0, torch.where(x > 0, x, torch.ones_like(x)).sqrt(), torch.zeros_like(x))
