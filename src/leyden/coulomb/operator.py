"""The Coulomb operator V: E = 1/2 <p|V|p>, symmetric and positive semidefinite because it keeps the self terms.

`Coulomb` holds the parameters, `bind` attaches a geometry once, and the bound operator is applied cheaply and
differentiated to any order in positions, cell and density. A batch may mix boundary conditions: it is grouped by them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.checks import InputError, require, shaped
from leyden.coulomb.boundary import Background
from leyden.coulomb.direct import Direct
from leyden.coulomb.reciprocal import Reciprocal
from leyden.coulomb.term import Term
from leyden.density.basis import GaussianBasis
from leyden.density.moments import total_charge
from leyden.system import System

METHODS = ("auto", "direct", "reciprocal")
CHARGED = ("background", "error")
NEUTRAL = 1e-4
"""A periodic structure is charged when |Q| exceeds this (e), which is above the roundoff of float32 sums."""


@dataclass(frozen=True)
class Coulomb:
    """accuracy: relative force error; method: auto | direct | reciprocal; charged cells: background | error."""

    accuracy: float = 1e-5
    method: str = "auto"
    charged: str = "background"

    def __post_init__(self) -> None:
        require(0.0 < self.accuracy < 0.1, f"Coulomb: expected an accuracy between 0 and 0.1, got {self.accuracy}.")
        require(self.method in METHODS, f"Coulomb: expected method to be one of {METHODS}, got {self.method!r}.")
        require(self.charged in CHARGED, f"Coulomb: expected charged to be one of {CHARGED}, got {self.charged!r}.")

    def bind(self, system: System, basis: GaussianBasis) -> "BoundCoulomb":
        """Attach to a geometry. Raises InputError for a boundary condition that the method cannot treat."""
        axes = system.pbc.sum(1)
        for number, count in enumerate(axes.tolist()):
            self._check(system.pbc[number].tolist(), count, number)
        groups = []
        for periodic in (False, True):
            structures = (axes == 3 if periodic else axes == 0).nonzero().squeeze(1)
            if len(structures):
                part, atoms = system.select(structures)
                groups.append(Group(self._terms(part, basis, periodic), part, atoms, structures))
        return BoundCoulomb(system, basis.dim, groups, self.charged)

    def _check(self, pbc: list[bool], count: int, number: int) -> None:
        if count not in (0, 3):
            raise InputError(
                f"pbc: expected an open structure or one periodic along three axes, got {pbc} for structure {number};"
                " slabs and wires are not available yet."
            )
        if (self.method, count) in (("direct", 3), ("reciprocal", 0)):
            other = "reciprocal" if self.method == "direct" else "direct"
            raise InputError(
                f"Coulomb: method {self.method!r} cannot treat pbc {pbc} of structure {number};"
                f" use 'auto' or {other!r}."
            )

    def _terms(self, system: System, basis: GaussianBasis, periodic: bool) -> list[Term]:
        if not periodic:
            return [Direct(system, basis)]
        return [Reciprocal(system, basis, self.accuracy), Background(system, basis)]


@dataclass(frozen=True)
class Group:
    """Structures of one boundary condition: their terms, and which atoms and structures of the batch they are."""

    terms: list[Term]
    system: System
    atoms: Tensor
    structures: Tensor


class BoundCoulomb:
    """V attached to a geometry of N atoms in S structures, for densities (N, dim)."""

    def __init__(self, system: System, dim: int, groups: list[Group], charged: str) -> None:
        self.system, self.dim, self.groups, self.charged = system, dim, groups, charged

    def energy(self, density: Tensor) -> Tensor:
        """1/2 <p|V|p> of each structure, (S,) eV. Raises InputError for a charged cell where charged='error'."""
        self._check(density)
        out = density.new_zeros(self.system.count)
        for group in self.groups:
            part = density[group.atoms]
            out = out.index_add(0, group.structures, torch.stack([t.energy(part) for t in group.terms]).sum(0))
        return out

    def apply(self, density: Tensor) -> Tensor:
        """V p, (N, dim) eV/e: potential, and its gradient for dipoles."""
        self._check(density)
        return self._apply(density)

    def _apply(self, density: Tensor) -> Tensor:
        out = torch.zeros_like(density)
        for group in self.groups:
            part = density[group.atoms]
            out = out.index_add(0, group.atoms, torch.stack([t.apply(part) for t in group.terms]).sum(0))
        return out

    def at(self, density: Tensor, points: Tensor, index: Tensor) -> Tensor:
        """Potential (M,) in eV/e at points (M, 3) of the structures index (M,)."""
        self._check(density)
        shaped("points", points, len(index), 3)
        out = points.new_zeros(len(points))
        for group in self.groups:
            place = torch.full((self.system.count,), -1, dtype=torch.long, device=index.device)
            place[group.structures] = torch.arange(len(group.structures), device=index.device)
            chosen = (place[index] >= 0).nonzero().squeeze(1)
            if len(chosen):
                felt = [t.at(density[group.atoms], points[chosen], place[index[chosen]]) for t in group.terms]
                out = out.index_add(0, chosen, torch.stack(felt).sum(0))
        return out

    def dense(self) -> Tensor:
        """V as a matrix (N dim, N dim) in eV/e^2, block-diagonal in structures: for small systems and tests."""
        first = self.system.index.new_zeros(1)
        size = self.system.size
        local = torch.arange(len(self.system.index), device=first.device) - (size.cumsum(0) - size)[self.system.index]
        columns = torch.zeros(
            (len(local), self.dim, len(local), self.dim), dtype=self.system.positions.dtype, device=first.device
        )
        same = self.system.index[:, None] == self.system.index[None]
        for atom in range(int(size.max())):
            for a in range(self.dim):
                probe = columns.new_zeros(len(local), self.dim)
                probe[local == atom, a] = 1.0
                column = (same & (local == atom)[None, :])[:, None, :] * self._apply(probe)[:, :, None]
                columns = columns + column[..., None] * (torch.arange(self.dim, device=first.device) == a)
        return columns.flatten(2).flatten(0, 1)

    def _check(self, density: Tensor) -> None:
        shaped("density", density, len(self.system.positions), self.dim)
        if self.charged == "error":
            charge = total_charge(density, self.system).detach()
            bad = ((charge.abs() > NEUTRAL) & self.system.pbc.any(1)).nonzero().squeeze(1).tolist()
            require(
                not bad,
                f"Coulomb: expected neutral periodic structures, got a total charge of {charge[bad[0]].item():.3g} e in"
                f" structure {bad[0]}; neutralise it or use charged='background'."
                if bad
                else "",
            )
