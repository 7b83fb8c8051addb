"""Corrections of a 3D-periodic sum, each a low-rank quadratic form in the moments of a structure.

With the charge Q, the dipole M = sum_i (q_i r_i + mu_i) and a second moment T = sum_i [q_i (r_i.W.r_i + w sigma_i^2) +
2 mu_i.W.r_i + ...], all about the origin,

    E = (2 pi k_e / V) (M.D.M - Q T - g Q^2).

| correction | D | W | w | g |
|---|---|---|---|---|
| sphere in a medium of permittivity eps (de Leeuw et al., Proc. R. Soc. A 373, 27) | 1/(2 eps + 1) | 0 | 1 | 0 |
| slab of normal n, cell height L (Ballenegger et al., J. Chem. Phys. 131, 094107) | n n | n n | 1 | L^2/12 |
| molecule in a cubic box of edge L (Makov & Payne, Phys. Rev. B 51, 4014) | 1/3 | 1/3 | 1 | -alpha L^2/(4 pi) |
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.checks import InputError
from leyden.coulomb.sites import Sites
from leyden.coulomb.term import Felt, Term
from leyden.density.harmonics import multi_indices
from leyden.system import System
from leyden.units import COULOMB

WIGNER = 2.8372974794806476
"""alpha: a point charge in its background in a simple cubic lattice has the energy -alpha k_e Q^2 / (2 L)."""
CUBIC = 1e-6
"""How far cell vectors of a box may be from equal and orthogonal, relative."""


@dataclass(frozen=True)
class Moments:
    """D (S, 3, 3), W (S, 3, 3) and g (S,) Å^2 of the table above, for the volumes (S,)."""

    dipole: Tensor
    second: Tensor
    monopole: Tensor
    volume: Tensor


def sphere(system: System, permittivity: float) -> Moments:
    """Charged or neutral 3D cells, in surroundings of a relative permittivity."""
    none = torch.zeros_like(system.cell)
    unit = torch.eye(3, dtype=none.dtype, device=none.device)
    return Moments(none + unit / (2.0 * permittivity + 1.0), none, none[:, 0, 0], system.volume)


def slab(system: System, accuracy: float) -> Moments:
    """Structures periodic along two axes, with the third cell vector as the height of a 3D cell.

    Raises InputError where the cell is too thin: what is left of the images falls as exp(-2 pi gap / longest period).
    """
    periodic = system.cell[system.pbc].view(-1, 2, 3)
    normal = torch.linalg.cross(periodic[:, 0], periodic[:, 1])
    area = torch.linalg.vector_norm(normal, dim=1)
    normal = normal / area[:, None]
    height = system.volume / area
    _require_gap(system, periodic, normal, height, accuracy)
    along = normal[:, :, None] * normal[:, None, :]
    return Moments(along, along, height**2 / 12.0, system.volume)


def _require_gap(system: System, periodic: Tensor, normal: Tensor, height: Tensor, accuracy: float) -> None:
    """Raise InputError where images of a slab would still feel each other's structure."""
    z = (system.positions * normal[system.index]).sum(1).detach()
    empty = torch.zeros_like(height)
    top = empty.scatter_reduce(0, system.index, z, "amax", include_self=False)
    extent = top - empty.scatter_reduce(0, system.index, z, "amin", include_self=False)
    period = torch.linalg.vector_norm(periodic, dim=2).amax(1)
    needed = extent - math.log(accuracy) * period / (2.0 * math.pi)
    thin = (height < needed).nonzero().squeeze(1)
    if len(thin):
        raise InputError(
            f"cell: expected a height of at least {needed[thin[0]]:.1f} Å for images='corrected' at an accuracy of"
            f" {accuracy:g}, got {height[thin[0]]:.1f} Å for structure {int(thin[0])}; add vacuum or use"
            " images='truncated'."
        )


def box(system: System) -> Moments:
    """Open structures in cubic boxes. Raises InputError for another cell."""
    gram = system.cell @ system.cell.mT
    edge = system.volume ** (1.0 / 3.0)
    unit = torch.eye(3, dtype=gram.dtype, device=gram.device).expand_as(gram)
    bad = ((gram / edge[:, None, None] ** 2 - unit).abs() > CUBIC).flatten(1).any(1).nonzero().squeeze(1)
    if len(bad):
        raise InputError(
            "cell: expected a cubic box around an open structure for images='corrected', got"
            f" {system.cell[bad[0]].tolist()} for structure {int(bad[0])}; use images='truncated'."
        )
    return Moments(unit / 3.0, unit / 3.0, -WIGNER * edge**2 / (4.0 * math.pi), system.volume)


class Correction(Term):
    """The quadratic form bound to sites; widths below `widened` (Å) count as this width."""

    def __init__(self, sites: Sites, moments: Moments, widened: float = 0.0) -> None:
        self.sites, self.moments, self.widened = sites, moments, widened
        self.functionals = self._functionals(sites)
        zero = torch.zeros_like(moments.monopole)
        rows = [torch.stack([-2.0 * moments.monopole, zero, zero, zero, zero - 1.0], 1)]
        rows += [torch.cat([zero[:, None], 2.0 * moments.dipole[:, a], zero[:, None]], 1) for a in range(3)]
        rows += [torch.stack([zero - 1.0, zero, zero, zero, zero], 1)]
        self.form = torch.stack(rows, 1) * (2.0 * math.pi * COULOMB / moments.volume)[:, None, None]

    def energy(self, coefficients: Tensor) -> Tensor:
        """(S,) eV."""
        x = self._moments(coefficients)
        return 0.5 * torch.einsum("sa,sab,sb->s", x, self.form, x)

    def apply(self, coefficients: Tensor) -> Tensor:
        """(M, n)."""
        return self._felt(coefficients, self.sites, self.functionals)

    def toward(self, receivers: Sites) -> Felt:
        """What receivers feel."""
        functionals = self._functionals(receivers)
        return lambda coefficients: self._felt(coefficients, receivers, functionals)

    def _moments(self, coefficients: Tensor) -> Tensor:
        """Q, M and T of each structure, (S, 5)."""
        atomic = torch.einsum("mn,mnx->mx", coefficients, self.functionals)
        return atomic.new_zeros(self.sites.count, 5).index_add(0, self.sites.index, atomic)

    def _felt(self, coefficients: Tensor, receivers: Sites, functionals: Tensor) -> Tensor:
        conjugate = torch.einsum("sab,sb->sa", self.form, self._moments(coefficients))
        return torch.einsum("mnx,mx->mn", functionals, conjugate[receivers.index])

    def _functionals(self, sites: Sites) -> Tensor:
        """What the coefficients of a site add to Q, M and T: derivatives of 1, r and r.W.r + sigma^2, (M, n, 5)."""
        r, metric = sites.positions, self.moments.second[sites.index]
        turned = torch.einsum("mab,mb->ma", metric, r)
        one, none = torch.ones_like(r[:, :1]), torch.zeros_like(r)
        square = (r * turned).sum(1, keepdim=True) + sites.widths[:, None].clamp(min=self.widened) ** 2
        rows = [torch.cat([one, r, square], 1)]
        if sites.order > 0:
            unit = torch.eye(3, dtype=r.dtype, device=r.device)
            rows += [torch.cat([none[:, :1], unit[a].expand_as(r), 2.0 * turned[:, a : a + 1]], 1) for a in range(3)]
        if sites.order > 1:
            for powers in multi_indices(2)[4:]:
                a, b = [axis for axis in range(3) for _ in range(powers[axis])]
                rows.append(torch.cat([none, none[:, :1], 2.0 * metric[:, a, b, None]], 1))
        return torch.stack(rows, 1)
