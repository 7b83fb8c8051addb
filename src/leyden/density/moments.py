"""Moments of the density: Q = sum_i q_i and mu = sum_i (q_i r_i + mu_i), about the origin of the coordinates.

For a charged structure the dipole depends on that origin; for a periodic one it is defined modulo e times a cell
vector.
"""

import torch
from torch import Tensor

from leyden import segment
from leyden.system import System


def total_charge(density: Tensor, system: System) -> Tensor:
    """Charge of each structure, (S,) e, of a density (N, dim)."""
    return segment.total(density[:, 0], system.index, system.count)


def dipole(density: Tensor, system: System) -> Tensor:
    """Dipole of each structure, (S, 3) e Å, of a density (N, dim)."""
    atomic = density[:, :1] * system.positions
    if density.shape[1] > 1:
        atomic = atomic + density[:, 1:4]
    return segment.total(atomic, system.index, system.count)


def quadrupole(density: Tensor, system: System) -> Tensor:
    """Traceless quadrupole sum_i (q_i r_i r_i + r_i mu_i + mu_i r_i) - trace / 3, about the origin: (S, 3, 3) e Å^2."""
    r = system.positions
    atomic = density[:, 0, None, None] * r[:, :, None] * r[:, None, :]
    if density.shape[1] > 1:
        mixed = r[:, :, None] * density[:, None, 1:4]
        atomic = atomic + mixed + mixed.mT
    second = segment.total(atomic, system.index, system.count)
    trace = second.diagonal(dim1=1, dim2=2).sum(1)
    return second - trace[:, None, None] / 3 * torch.eye(3, dtype=r.dtype, device=r.device)


def field_coupling(system: System, dim: int) -> Tensor:
    """dE/dp of the energy -mu.F of a uniform field F: (N, dim) eV/e, -r_i.F for charges and -F for dipoles."""
    field = system.field[system.index]
    potential = -(system.positions * field).sum(1, keepdim=True)
    return potential if dim == 1 else torch.cat([potential, -field], 1)
