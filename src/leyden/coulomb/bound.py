"""V attached to a geometry: energies, potentials and features of one quadratic form, applied as often as wanted."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from leyden import segment
from leyden.checks import finite, require, shaped
from leyden.coulomb import pair
from leyden.coulomb.matrix import dense
from leyden.coulomb.pair_lists import AllPairs
from leyden.coulomb.pair_sum import PairSum
from leyden.coulomb.sites import Sites
from leyden.coulomb.term import Felt, Term
from leyden.density.basis import GaussianBasis
from leyden.density.moments import total_charge
from leyden.system import System

NEUTRAL = 1e-4
"""A periodic structure is charged when |Q| exceeds this (e), which is above the roundoff of float32 sums."""


class Group:
    """Structures that share a method and a boundary condition: their terms, and where they are in the batch.

    terms_for: the same for another basis and accuracy, without a mesh, and its sites.
    """

    def __init__(
        self,
        terms: list[Term],
        system: System,
        sites: Sites,
        atoms: Tensor | None,
        structures: Tensor,
        terms_for: Callable[[GaussianBasis, float], tuple[list[Term], Sites]],
    ) -> None:
        self.terms, self.system, self.sites, self.atoms, self.structures = terms, system, sites, atoms, structures
        self.terms_for = terms_for

    def coefficients(self, density: Tensor) -> Tensor:
        """Of the sites of this group, from the density (N, dim) of the batch."""
        return self.sites.coefficients(density if self.atoms is None else density[self.atoms])

    def energy(self, density: Tensor) -> Tensor:
        """(number of structures,) eV."""
        c = self.coefficients(density)
        return _sum([term.energy(c) for term in self.terms])

    def apply(self, density: Tensor) -> Tensor:
        """(number of atoms, dim)."""
        c = self.coefficients(density)
        return self.sites.density(_sum([term.apply(c) for term in self.terms]))

    def toward(self, receivers: Sites, own: bool = True) -> Felt:
        """The map from the density of the batch to what receivers feel, as a density of their basis would."""
        maps = [term.toward(receivers) for term in self.terms]

        def felt(density: Tensor) -> Tensor:
            c = self.coefficients(density)
            found = _sum([each(c) for each in maps])
            return receivers.density(found if own else found - _on_site(c, self.sites, receivers))

        return felt


class BoundCoulomb:
    """V at a geometry of N atoms in S structures, for densities (N, dim) of the basis."""

    def __init__(self, system: System, basis: GaussianBasis, groups: list[Group], charged: str) -> None:
        self.system, self.basis, self.groups, self.charged = system, basis, groups, charged
        self.differentiable = torch.is_grad_enabled()
        self.kept: list[tuple[GaussianBasis, bool, list[Felt]]] = []

    @property
    def paired(self) -> bool:
        """Whether V is a sum over pairs and nothing else, which `approximate` makes a matrix exactly."""
        return all(isinstance(term, PairSum) for group in self.groups for term in group.terms)

    def energy(self, density: Tensor) -> Tensor:
        """1/2 <p|V|p> of each structure, (S,) eV. Raises InputError for a charged cell where charged='error'."""
        self._check(density)
        if len(self.groups) == 1:
            return self.groups[0].energy(density)
        out = density.new_zeros(self.system.count)
        for group in self.groups:
            out = out.index_add(0, group.structures, group.energy(density))
        return out

    def apply(self, density: Tensor) -> Tensor:
        """V p, (N, dim): eV/e for charges, eV/(e Å) for dipoles, eV/(e Å^2) for quadrupoles."""
        self._check(density)
        return self._apply(density)

    def at(self, density: Tensor, points: Tensor, index: Tensor) -> Tensor:
        """Potential (M,) in eV/e at points (M, 3) of the structures index (M,)."""
        self._check(density)
        finite("points", shaped("points", points, len(index), 3))
        require(
            bool(((index >= 0) & (index < self.system.count)).all()),
            f"index: expected structures from 0 to {self.system.count - 1}, got {index.unique().tolist()}.",
        )
        out = points.new_zeros(len(points))
        for group in self.groups:
            place = torch.full((self.system.count,), -1, dtype=torch.long, device=index.device)
            place[group.structures] = torch.arange(len(group.structures), device=index.device)
            chosen = (place[index] >= 0).nonzero().squeeze(1)
            if len(chosen):
                receivers = Sites.points(points[chosen], place[index[chosen]], group.system.count)
                out = out.index_add(0, chosen, group.toward(receivers)(density)[:, 0])
        return out

    def project(self, basis: GaussianBasis, density: Tensor, own: bool = True) -> Tensor:
        """What Gaussians of another basis on the atoms feel, (N, basis.dim): features of the potential.

        In the other basis itself this is <phi'_a|V|p>; own=False leaves out what the density of the same atom does.
        """
        self._check(density)
        out = density.new_zeros(len(density), basis.dim)
        for group, toward in zip(self.groups, self._toward(basis, own), strict=True):
            felt = toward(density)
            out = felt if group.atoms is None else out.index_add(0, group.atoms, felt)
        return out

    def _toward(self, basis: GaussianBasis, own: bool) -> list[Felt]:
        """The maps to another basis, made once, and differentiable if this operator is."""
        for known, with_own, maps in self.kept:
            if (known, with_own) == (basis, own):
                return maps
        with torch.set_grad_enabled(self.differentiable):
            maps = [group.toward(Sites.of(group.system, basis), own) for group in self.groups]
        self.kept.append((basis, own, maps))
        return maps

    def approximate(self, accuracy: float, basis: GaussianBasis | None = None) -> Tensor:
        """V of each structure to a coarse accuracy, (S, atoms dim, atoms dim) with zeros on padding; without gradients.

        A preconditioner for the solution of equations with V: it is positive where V is. Where V is `paired` it is V
        itself. basis: another one than that of the density.
        """
        basis = basis or self.basis
        slots = int(self.system.size.max())
        out = self.system.positions.new_zeros(self.system.count, slots * basis.dim, slots * basis.dim)
        with torch.no_grad():
            for group in self.groups:
                found = dense(*group.terms_for(basis, accuracy))
                out[group.structures, : found.shape[1], : found.shape[2]] = found
        return out

    def dense(self) -> Tensor:
        """V as a matrix (N dim, N dim) in eV/e^2, block-diagonal in structures: for small systems and tests."""
        index, dim = self.system.index, self.basis.dim
        size = self.system.size
        local = torch.arange(len(index), device=index.device) - (size.cumsum(0) - size)[index]
        columns = torch.zeros(
            (len(local), dim, len(local), dim), dtype=self.system.positions.dtype, device=index.device
        )
        same = index[:, None] == index[None]
        for atom in range(int(size.max())):
            for a in range(dim):
                probe = columns.new_zeros(len(local), dim)
                probe[local == atom, a] = 1.0
                column = (same & (local == atom)[None, :])[:, None, :] * self._apply(probe)[:, :, None]
                columns = columns + column[..., None] * (torch.arange(dim, device=index.device) == a)
        return columns.flatten(2).flatten(0, 1)

    def _apply(self, density: Tensor) -> Tensor:
        out = torch.zeros_like(density)
        for group in self.groups:
            felt = group.apply(density)
            out = felt if group.atoms is None else out.index_add(0, group.atoms, felt)
        return out

    def _check(self, density: Tensor) -> None:
        shaped("density", density, len(self.system.positions), self.basis.dim)
        require(
            density.dtype == self.system.positions.dtype,
            f"density: expected {self.system.positions.dtype} like the positions, got {density.dtype}; convert one.",
        )
        if self.charged == "error":
            charge = total_charge(density, self.system, self.basis).detach()
            bad = ((charge.abs() > NEUTRAL) & self.system.pbc.any(1)).nonzero().squeeze(1).tolist()
            require(
                not bad,
                f"Coulomb: expected neutral periodic structures, got a total charge of {charge[bad[0]].item():.3g} e in"
                f" structure {bad[0]}; neutralise it or use charged='background'."
                if bad
                else "",
            )


def _sum(parts: list[Tensor]) -> Tensor:
    """Without a copy where there is one part."""
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def _on_site(coefficients: Tensor, sites: Sites, receivers: Sites) -> Tensor:
    """What receivers feel of the sites of their own atom; nothing between two points, where it is left out anyway."""
    pairs = AllPairs().across(*(replace(s, index=s.atom, count=int(sites.atom[-1]) + 1) for s in (receivers, sites)))
    widths = receivers.widths[pairs.first], sites.widths[pairs.second]
    kernels = pair.kernels(torch.zeros_like(widths[0]), pair.exponents(*widths), receivers.order + sites.order + 1)
    there = (widths[0] + widths[1] > 0).to(coefficients.dtype)[:, None]
    felt = there * pair.potential(coefficients[pairs.second], torch.zeros_like(pairs.vectors), kernels, receivers.order)
    return segment.total(felt, pairs.first, len(receivers.index))
