"""Embedding: the cell of the lattice sum for any number of periodic axes.

A periodic axis keeps its cell vector; an open one gets a unit vector n_a orthogonal to all others, times a length L_a,
and the kernel is cut at a radius R (green.py). With h_a the extent of the positions along n_a, |h| that over all open
axes and t the reach of the smearing,

    R = |h| + t,    L_a = R + h_a + t:

all pairs of a structure are within R of each other, and images beyond R. Hence the sum is exact, and what it depends on
R and L is only the tail of the smearing beyond t (Rozzi et al., Phys. Rev. B 73, 205119 (2006)).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.checks import InputError
from leyden.system import THINNEST, System, volumes

ROUNDING = 0.1
"""|h| = sqrt(sum_a h_a^2 + (ROUNDING t)^2) where several axes are open: smooth where all atoms are on a line or point.
"""


@dataclass(frozen=True)
class Embedding:
    """Cells (S, 3, 3) Å, rows, of S structures with axes (S,) = number of periodic ones; differentiable.

    radius (S,) Å: R; volume (S,) Å^3; section (S,): the volume's part along open axes, Å^(3 - axes);
    metric (S, 3, 3) 1/Å^2: m.metric.m = k^2 of the wave m; open_metric: the same of the part of k along open axes.
    """

    cell: Tensor
    axes: Tensor
    radius: Tensor
    volume: Tensor
    section: Tensor
    metric: Tensor
    open_metric: Tensor
    bulk: bool = False
    """Whether all structures are known to be periodic along three axes."""


def embed_given(system: System) -> Embedding:
    """The given cells, of structures that are taken as periodic along three axes.

    Raises InputError for a cell that cannot be.
    """
    cell = system.cell
    if not bool(system.pbc.all()):
        _require_cells(cell)
    none, metric = torch.zeros_like(cell), (2 * math.pi) ** 2 * torch.linalg.inv(cell @ cell.mT)
    volume, axes = volumes(cell), torch.full_like(cell[:, 0, 0], 3, dtype=torch.long)
    return Embedding(cell, axes, none[:, 0, 0], volume, torch.ones_like(volume), metric, none, bulk=True)


def embed(system: System, reach: Tensor) -> Embedding:
    """Cells for the lattice sum of Gaussians that do not reach further than reach (S,) Å beyond a pair's distance."""
    pbc = system.pbc
    frame = _frame(system.cell, pbc)
    extent = _extent(system, frame, pbc)
    radius = _diagonal(extent, pbc, reach) + reach
    length = torch.where(pbc, torch.ones_like(extent), (radius + reach)[:, None] + extent)
    section = length.prod(1)
    open_metric = torch.diag_embed(torch.where(pbc, torch.zeros_like(length), (2 * math.pi / length) ** 2))
    return Embedding(
        cell=frame * length[:, :, None],
        axes=pbc.sum(1),
        radius=radius,
        volume=volumes(frame) * section,
        section=section,
        metric=_periodic_metric(frame, pbc) + open_metric,
        open_metric=open_metric,
    )


def _require_cells(cell: Tensor) -> None:
    """Raise InputError for a cell that no three axes span."""
    flat = (torch.linalg.svdvals(cell.detach()).amin(1) < THINNEST).nonzero().squeeze(1).tolist()
    if flat:
        raise InputError(
            f"cell: expected three independent vectors, since this method treats open axes as periodic ones, got"
            f" {cell[flat[0]].tolist()} for structure {flat[0]}; set vacuum along its open axes, or use truncation."
        )


def _frame(cell: Tensor, pbc: Tensor) -> Tensor:
    """The given vectors of periodic axes, and for open axes unit vectors orthogonal to them and each other, (S, 3, 3).

    With the periodic axes first, each missing vector follows from those before; the vectors of open axes are not read.
    """
    place = torch.argsort(pbc.int(), dim=1, descending=True, stable=True)[:, :, None].expand_as(cell)
    axes = pbc.sum(1)[:, None]
    first, second, third = cell.gather(1, place).unbind(1)
    first = torch.where(axes > 0, first, first.new_tensor([1.0, 0.0, 0.0]))
    least = torch.nn.functional.one_hot(first.detach().abs().argmin(1), 3).to(first.dtype)
    second = torch.where(axes > 1, second, _normal(first, least))
    third = torch.where(axes > 2, third, _normal(first, second))
    return torch.zeros_like(cell).scatter(1, place, torch.stack([first, second, third], 1))


def _normal(first: Tensor, second: Tensor) -> Tensor:
    """Unit vectors along the cross product, (S, 3)."""
    return torch.nn.functional.normalize(torch.linalg.cross(first, second), dim=1)


def _extent(system: System, frame: Tensor, pbc: Tensor) -> Tensor:
    """h_a of each structure, 0 along periodic axes: (S, 3) Å."""
    height = torch.einsum("na,nda->nd", system.positions, frame[system.index])
    index, zero = system.index[:, None].expand_as(height), torch.zeros_like(frame[:, 0])
    top = (zero - torch.inf).scatter_reduce(0, index, height, "amax")
    bottom = (zero + torch.inf).scatter_reduce(0, index, height, "amin")
    return torch.where(pbc, zero, top - bottom)


def _diagonal(extent: Tensor, pbc: Tensor, reach: Tensor) -> Tensor:
    """|h| (S,) Å; of slabs exactly h, so that L = 2 R."""
    rounded = ((extent * extent).sum(1) + (ROUNDING * reach) ** 2).sqrt()
    return torch.where(pbc.sum(1) >= 2, extent.sum(1), rounded)


def _periodic_metric(frame: Tensor, pbc: Tensor) -> Tensor:
    """(2 pi)^2 b_d.b_e of the reciprocal vectors of periodic axes, (S, 3, 3)."""
    reciprocal = torch.linalg.inv(frame)
    metric = (2 * math.pi) ** 2 * torch.einsum("sad,sae->sde", reciprocal, reciprocal)
    return torch.where(pbc[:, :, None] & pbc[:, None, :], metric, torch.zeros_like(metric))
