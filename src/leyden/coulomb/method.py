"""What is summed how: the method of each structure, and the terms that together make V.

Direct: one pair sum. Lattice: the Fourier sum, what its boundary needs beside it, and, where widths are narrow or zero,
a sum over close pairs.
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from leyden.checks import InputError
from leyden.coulomb import boundary, cost, tune
from leyden.coulomb.background import Background
from leyden.coulomb.embedding import Embedding, embed, embed_given
from leyden.coulomb.fourier import Fourier, WavesFor
from leyden.coulomb.grid import Grid, plan
from leyden.coulomb.lattice import Waves
from leyden.coulomb.pair_lists import AllPairs, ClosePairs
from leyden.coulomb.pair_sum import Interaction, PairSum
from leyden.coulomb.plane_waves import PlaneWaves
from leyden.coulomb.sites import Sites
from leyden.coulomb.stencil import compiled
from leyden.coulomb.term import Term
from leyden.density.basis import GaussianBasis
from leyden.system import System

METHODS = ("direct", "reciprocal", "mesh")
IMAGES = ("truncated", "corrected")
WIRE, SLAB, BULK = 1, 2, 3


@dataclass(frozen=True)
class Plan:
    """How to sum for a basis; images and surroundings as in `Coulomb`."""

    basis: GaussianBasis
    accuracy: float
    images: str = "truncated"
    surroundings: float = math.inf

    @property
    def widened(self) -> float:
        """Width (Å) below which lattice sums do not go."""
        return tune.widened(self.basis)

    def truncates(self, axes: int) -> bool:
        """Whether structures periodic along so many axes are summed with a cut interaction in a cell of their own."""
        return axes < BULK and self.images == "truncated"

    def embed(self, system: System, truncates: bool, receivers: Sites | None = None) -> Embedding:
        """The cells of the lattice sums, which hold receivers as well as the atoms.

        Cut kernels oscillate as cos(k R), which single precision does not resolve: their cells are in double.
        """
        if not truncates:
            return embed_given(system)
        bases = [self.basis] if receivers is None else [self.basis, receivers.basis]
        widest = torch.full_like(system.charge, max(self.widened, *(basis.widest for basis in bases)))
        reach = tune.reach(self.accuracy, widest, max(basis.lmax for basis in bases))
        if receivers is not None:
            positions = torch.cat([system.positions, receivers.positions])
            system = replace(system, positions=positions, index=torch.cat([system.index, receivers.index]))
        system = replace(system, positions=system.positions.double(), cell=system.cell.double())
        return embed(system, reach.double())

    def costs(self, system: System) -> dict[str, cost.Cost]:
        """Of each method for each structure."""
        basis = self.basis
        if basis.narrowest == basis.widest:
            narrowest = torch.full_like(system.charge, max(basis.widest, self.widened))
        else:
            narrowest = Fourier.narrowest(Sites.of(system, basis), self.widened)
        given = self.images == "corrected" or bool(system.pbc.all())
        with torch.no_grad():
            volume = system.volume if given else self.embed(system, True).volume
        cutoff = tune.reciprocal_cutoff(self.accuracy, narrowest, narrowest, basis.lmax)
        spacing, order = plan(self.accuracy, narrowest, basis.lmax)
        sites, volumes, cutoffs, spacings = (
            torch.stack([system.size * basis.shells, volume.detach(), cutoff, spacing]).cpu().double().numpy()
        )
        return {
            "direct": cost.direct(sites),
            "reciprocal": cost.reciprocal(sites, volumes, cutoffs),
            "mesh": cost.mesh(sites, volumes, spacings, order, compiled(system.positions.device)),
        }

    def choose(self, system: System, asked: str) -> list[tuple[str, int]]:
        """Method and number of periodic axes of each structure; asked: one of METHODS or 'auto'.

        Raises InputError for a boundary condition that the method cannot treat, and for what does not fit into memory.
        """
        pbc = system.pbc.cpu().numpy()
        axes = pbc.sum(1).tolist()
        for number, count in enumerate(axes):
            self._check(asked, count, pbc[number].tolist(), number)
        if asked == "auto" and not any(axes) and int(system.size.max()) * self.basis.shells <= cost.SMALL:
            return [("direct", 0)] * len(axes)
        costs = self.costs(system)
        seconds = np.stack([costs[name].seconds for name in METHODS])
        seconds[0, pbc.any(1)] = np.inf
        seconds[2] *= cost.INEXACT
        if self.images == "corrected":
            seconds[1:, ~pbc.any(1)] = np.inf
        best = seconds.argmin(0) if asked == "auto" else np.full(len(axes), METHODS.index(asked))
        numbers = np.stack([costs[name].numbers for name in METHODS])
        cost.require_memory(
            numbers[best, np.arange(len(axes))].sum(), system.positions,
            f"method {asked!r} for {len(system.index)} atoms",
            "use fewer structures at a time, a coarser accuracy" + (" or method='mesh'" if asked != "mesh" else ""),
        )  # fmt: skip
        return [(METHODS[b], count) for b, count in zip(best.tolist(), axes, strict=True)]

    def terms(self, system: System, sites: Sites, method: str, axes: int) -> list[Term]:
        """V of structures that share a method and a number of periodic axes."""
        points = self.basis.narrowest == 0.0
        if method == "direct":
            return [PairSum(sites, AllPairs(), Interaction(points))]
        truncates = self.truncates(axes)
        wide = replace(sites, widths=sites.widths.clamp(min=self.widened)) if self.widened else sites
        terms: list[Term] = [
            Fourier(wide, partial(self.embed, system, truncates), self._waves_for(method), self.widened)
        ]
        if not truncates:
            terms.append(self._correction(system, wide, axes))
            system = replace(system, pbc=torch.ones_like(system.pbc))
        if self.widened > 0.0:
            cutoff = tune.pair_cutoff(self.accuracy, self.widened, self.basis.lmax)
            terms.append(PairSum(sites, ClosePairs(system, cutoff), Interaction(points, self.widened, cutoff)))
        return terms

    def _correction(self, system: System, sites: Sites, axes: int) -> Term:
        """What a 3D-periodic sum needs beside it."""
        if axes == BULK and math.isinf(self.surroundings):
            return Background(sites, system.volume, self.widened)
        if axes == BULK:
            moments = boundary.sphere(system, self.surroundings)
        else:
            moments = boundary.slab(system, self.accuracy) if axes == SLAB else boundary.box(system)
        return boundary.Correction(sites, moments, self.widened)

    def _waves_for(self, method: str) -> WavesFor:
        accuracy = self.accuracy

        def plane_waves(cell: Tensor, width: Tensor, lmax: int) -> Waves:
            return PlaneWaves(cell, tune.reciprocal_cutoff(accuracy, width, width, lmax))

        def grid(cell: Tensor, width: Tensor, lmax: int) -> Waves:
            return Grid(cell, *plan(accuracy, width, lmax))

        return plane_waves if method == "reciprocal" else grid

    def _check(self, asked: str, axes: int, pbc: list[bool], number: int) -> None:
        if asked == "direct" and axes:
            raise InputError(
                f"Coulomb: method 'direct' cannot treat pbc {pbc} of structure {number};"
                " use 'auto', 'reciprocal' or 'mesh'."
            )
        if self.images == "corrected" and axes == WIRE:
            raise InputError(
                f"Coulomb: images='corrected' knows slabs and cubic boxes, got pbc {pbc} of structure {number};"
                " use images='truncated'."
            )
