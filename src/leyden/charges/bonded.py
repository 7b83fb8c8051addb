"""The energy of charges that move along bonds, q = q0 + T t, and of dipoles mu, quadratic in both: with p = (q, mu),

    E(t, mu) = chi.p + 1/2 p.J p + sum_b t_b^2 / (2 c_b) + 1/2 <p|V|p> + <p|v_ext> - F.P,
    P = sum_i (q0_i r_i + mu_i) - sum_b t_b r_b,

where r_b is the vector from receiver to giver of the bond and F a field along periodic axes; where the displacement is
held instead, F follows from P (coulomb/macroscopic.py). With c = g^2 / kappa and the variables t = g s nothing is
infinite, and no curvature of a bond is below kappa: with v = chi + J p + V p + v_ext,

    dE/ds = kappa s + g (T^T v_q + r.F),    dE/dmu = v_mu - F.

Charges do not tell the transfers. Given a density, the energy of the bonds is therefore taken from its dual,

    sum_b t_b^2 / (2 c_b) + F.t_b r_b = max over v of -v.(q - q0) - 1/2 sum_b c_b (T^T v + r_b.F)^2,

at the v above, and at the F of these transfers: so written, E is stationary in p.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden import segment
from leyden.charges.transfer import Bonds
from leyden.coulomb import BoundCoulomb
from leyden.coulomb.macroscopic import Macroscopic
from leyden.solve import Plane, Rows
from leyden.system import System

STIFFNESS = 10.0
"""kappa, eV/e^2: of a bond with g = 1."""


@dataclass(frozen=True)
class BondedEnergy:
    """Of a system in the potentials of V and v_ext (N, dim) and in macroscopic fields: q0 (N, 1); chi (N, dim); J (N,
    dim, dim); the B bonds, and g (B, 1), which does not depend on their direction.

    The variables s and mu are rows (B + 3 N, 1) of one array, without mu where there are no dipoles.
    """

    system: System
    coulomb: BoundCoulomb
    external: Tensor
    macroscopic: Macroscopic | None
    initial: Tensor
    chi: Tensor
    hardness: Tensor
    bonds: Bonds
    root: Tensor

    @property
    def owner(self) -> Tensor:
        """Structure of each bond, (B,)."""
        return self.system.index[self.bonds.receivers]

    @property
    def rows(self) -> Rows:
        """Of the variables."""
        index, dipoles = self.system.index, self.chi.shape[1] - 1
        return Rows(torch.cat([self.owner, index.repeat_interleave(dipoles)]), self.system.count)

    @property
    def everything(self) -> Plane:
        """On which nothing is held."""
        rows = self.rows
        return Plane((0,), rows.index, self.chi.new_zeros(rows.count), rows.index.new_zeros(rows.count).bool())

    @property
    def nothing(self) -> Tensor:
        """x = 0."""
        return torch.zeros_like(self.rows.index, dtype=self.chi.dtype)[:, None]

    def density(self, x: Tensor) -> Tensor:
        """p (N, dim) of variables."""
        return torch.nn.functional.pad(self.initial, (0, self.chi.shape[1] - 1)) + self._moved(x)

    def variables(self, density: Tensor) -> Tensor:
        """x (B + 3 N, 1) that belongs to a density: with the s that cost least in its potential."""
        return torch.cat([self._lowest(density, self._potential(density))[0], density[:, 1:].reshape(-1, 1)])

    def force(self, x: Tensor) -> Tensor:
        """dE/dx."""
        macroscopic = self.macroscopic
        field = None if macroscopic is None else macroscopic.field(self._carried() + self._polarized(x))
        return self._slope(x, self._potential(self.density(x)), field)

    def curved(self, x: Tensor) -> Tensor:
        """The linear part of dE/dx."""
        moved, macroscopic = self._moved(x), self.macroscopic
        turned = torch.einsum("nab,nb->na", self.hardness, moved) + self.coulomb.apply(moved)
        field = None if macroscopic is None else -macroscopic.stiffness * self._polarized(x)
        return self._slope(x, turned, field)

    def energy(self, density: Tensor) -> Tensor:
        """E without <p|V|p> / 2 and <p|v_ext>, (S,) eV: at the solution, and to first order about it."""
        rows, macroscopic = Rows(self.system.index, self.system.count), self.macroscopic
        potential = self._potential(density)
        s, field = self._lowest(density, potential)
        own = rows.dot(density, self.chi + 0.5 * torch.einsum("nab,nb->na", self.hardness, density))
        out = own - rows.dot(density[:, :1] - self.initial, potential[:, :1])
        out = out - 0.5 * STIFFNESS * Rows(self.owner, rows.count).dot(s, s)
        if macroscopic is None or field is None:
            return out
        return out + macroscopic.conjugate(field) - (field * self._frozen(density)).sum(1)

    def rest(self, density: Tensor) -> Tensor:
        """sum_i mu_i - sum_b t_b r_b, (S, 3) e Å."""
        s, _ = self._lowest(density, self._potential(density))
        return self._along(-self.root * s) + self._dipoles(density)

    def _moved(self, x: Tensor) -> Tensor:
        """p - p0 of variables."""
        size = len(self.initial)
        charges = self.bonds.received(self.root * x[: len(self.root)], size)
        return torch.cat([charges, x[len(self.root) :].view(size, -1)], 1)

    def _slope(self, x: Tensor, potential: Tensor, field: Tensor | None) -> Tensor:
        """dE/dx where p feels a potential (N, dim) and P a field (S, 3)."""
        drop, force = self._drop(potential, field), potential[:, 1:]
        if field is not None and force.shape[1]:
            force = force - field[self.system.index]
        return torch.cat([STIFFNESS * x[: len(self.root)] + self.root * drop, force.reshape(-1, 1)])

    def _drop(self, potential: Tensor, field: Tensor | None) -> Tensor:
        """T^T v + r.F along each bond, (B, 1)."""
        drop = self.bonds.difference(potential[:, :1])
        return drop if field is None else drop + (self.bonds.vectors * field[self.owner]).sum(1, keepdim=True)

    def _potential(self, density: Tensor) -> Tensor:
        own = self.chi + torch.einsum("nab,nb->na", self.hardness, density)
        return own + self.external + self.coulomb.apply(density)

    def _lowest(self, density: Tensor, potential: Tensor) -> tuple[Tensor, Tensor | None]:
        """s (B, 1) that cost least in the potential (N, dim) of a density, and F (S, 3)."""
        field, vectors = None, self.bonds.vectors
        if self.macroscopic is not None:
            compliance = self.root * self.root / STIFFNESS
            each = compliance[:, :, None] * vectors[:, :, None] * vectors[:, None, :]
            susceptibility = segment.total(each, self.owner, self.system.count)
            without = self._frozen(density) + self._along(compliance * self._drop(potential, None))
            field = self.macroscopic.response(without, susceptibility)
        return -self.root * self._drop(potential, field) / STIFFNESS, field

    def _polarized(self, x: Tensor) -> Tensor:
        """sum_i mu_i - sum_b t_b r_b of variables, (S, 3)."""
        return self._along(-self.root * x[: len(self.root)]) + self._dipoles(self._moved(x))

    def _frozen(self, density: Tensor) -> Tensor:
        """sum_i (q0_i r_i + mu_i), (S, 3)."""
        return self._carried() + self._dipoles(density)

    def _carried(self) -> Tensor:
        system = self.system
        return segment.total(self.initial * system.positions, system.index, system.count)

    def _dipoles(self, density: Tensor) -> Tensor:
        system = self.system
        if density.shape[1] == 1:
            return system.field.new_zeros(system.count, 3)
        return segment.total(density[:, 1:], system.index, system.count)

    def _along(self, amounts: Tensor) -> Tensor:
        """sum_b amount_b r_b, (S, 3), of amounts (B, 1)."""
        return segment.total(amounts * self.bonds.vectors, self.owner, self.system.count)
