"""Moments of the density about the origin of the coordinates: Q = sum_i q_i, mu = sum_i (q_i r_i + mu_i), quadrupole.

For a charged structure the dipole depends on that origin; for a periodic one it is defined modulo e times a cell
vector.
"""

import torch
from torch import Tensor

from leyden import segment
from leyden.density.basis import GaussianBasis
from leyden.density.harmonics import second_moments
from leyden.system import System


def total_charge(density: Tensor, system: System, basis: GaussianBasis) -> Tensor:
    """Charge of each structure, (S,) e, of a density (N, dim)."""
    return segment.total(basis.atomic(density)[:, 0], system.index, system.count)


def dipole(density: Tensor, system: System, basis: GaussianBasis) -> Tensor:
    """Dipole of each structure, (S, 3) e Å, of a density (N, dim)."""
    moments = basis.atomic(density)
    atomic = moments[:, :1] * system.positions
    if basis.lmax > 0:
        atomic = atomic + moments[:, 1:4]
    return segment.total(atomic, system.index, system.count)


def quadrupole(density: Tensor, system: System, basis: GaussianBasis) -> Tensor:
    """Traceless second moment sum_i (q_i r_i r_i + r_i mu_i + mu_i r_i + Theta_i) - trace / 3: (S, 3, 3) e Å^2."""
    moments, r = basis.atomic(density), system.positions
    atomic = moments[:, 0, None, None] * r[:, :, None] * r[:, None, :]
    if basis.lmax > 0:
        mixed = r[:, :, None] * moments[:, None, 1:4]
        atomic = atomic + mixed + mixed.mT
    if basis.lmax > 1:
        atomic = atomic + torch.einsum("nm,mij->nij", moments[:, 4:9], second_moments(r))
    second = segment.total(atomic, system.index, system.count)
    trace = second.diagonal(dim1=1, dim2=2).sum(1)
    return second - trace[:, None, None] / 3 * torch.eye(3, dtype=r.dtype, device=r.device)
