"""The contract of each boundary condition: inherit it, supply coulomb and lmax."""

from dataclasses import replace
from math import prod

import torch
from ase import Atoms
from torch import Tensor

from leyden.system import System
from leyden.testing.numeric import random
from leyden.testing.operator.case import RECEIVER, SIZES, agree
from leyden.testing.operator.consistency import Consistency
from leyden.testing.operator.derivatives import Derivatives
from leyden.testing.operator.invariance import Invariance

OTHER_VECTORS = {
    1: [[[-1]]],
    2: [[[0, 1], [1, 0]], [[1, 0], [0, -1]], [[1, 0], [1, 1]]],
    3: [
        [[0, 1, 0], [1, 0, 0], [0, 0, 1]],
        [[1, 0, 0], [0, -1, 0], [0, 0, 1]],
        [[1, 0, 0], [1, 1, 0], [0, -1, 1]],
    ],
}
"""Of the same lattice, as combinations of the given ones, left-handed included, for each number of periodic axes."""


class OperatorContract(Consistency, Derivatives, Invariance):
    """What holds in every boundary condition."""


class WithOpenAxes(OperatorContract):
    """What holds where at least one axis is open."""

    def test_open_vectors_are_ignored(self) -> None:
        """What stands in the cell along open axes has no influence."""
        system = self.system()
        for filling in (0.0, 1e3):
            cell = torch.where(system.pbc[:, :, None], system.cell, torch.full_like(system.cell, filling))
            agree(self.both(replace(system, cell=cell)), self.both(system), 1e-13)

    def test_spectator(self) -> None:
        """An atom without a density, far outside, is not felt: energies do not depend on the extent of a structure."""
        for frame, density in zip(self.frames(), self.density().split(SIZES), strict=True):
            wider = System.from_ase(frame + Atoms([RECEIVER], [[6.0, 5.0, -5.0]]))
            energy, felt = self.both(wider, torch.cat([density, torch.zeros_like(density[:1])]))
            agree((energy, felt[:-1]), self.both(System.from_ase(frame), density), self.tolerance)


class WithPeriodicAxes(OperatorContract):
    """What holds where at least one axis is periodic."""

    def test_images(self) -> None:
        """Atoms moved by vectors of periodic axes, each its own, change nothing."""
        system = self.system()
        shifts = random(8, len(system.positions), 3).mul(2).round() * torch.tensor(self.pbc)
        moved = system.positions + torch.einsum("ni,nij->nj", shifts, system.cell[system.index])
        assert shifts.any()
        agree(self.both(replace(system, positions=moved)), self.both(system), self.tolerance)

    def test_supercell(self) -> None:
        """Twice as long along periodic axes: 2, 4 or 8 times the energy, and the same potential."""
        times = tuple(1 + periodic for periodic in self.pbc)

        def repeated(values: Tensor) -> Tensor:
            return torch.cat([part.repeat(prod(times), 1) for part in values.split(SIZES)])

        large = System.from_ase([frame * times for frame in self.frames()])
        energy, felt = self.both(self.system())
        agree(self.both(large, repeated(self.density())), (prod(times) * energy, repeated(felt)), self.tolerance)

    def test_choice_of_cell(self) -> None:
        """Other vectors of the same lattice, left-handed ones included, describe the same structure."""
        system, periodic = self.system(), torch.tensor(self.pbc).nonzero().squeeze(1)
        for rows in OTHER_VECTORS[len(periodic)]:
            cell = system.cell.clone()
            cell[:, periodic] = torch.tensor(rows, dtype=torch.float64) @ system.cell[:, periodic]
            agree(self.both(replace(system, cell=cell)), self.both(system), self.tolerance)

    def test_smooth_in_the_cell(self) -> None:
        """No jumps and no kinks, even at a coarse accuracy: half the step of a strain quarters the second difference.

        At a kink of the energy it would be halved, at a jump it would stay.
        """
        single, density = self.system().split()[0], self.density()[: SIZES[0]]
        coarse = replace(self.coulomb, accuracy=1e-3)
        direction = torch.tensor([[0.10, 0.04, 0.0], [0.0, 0.07, -0.03], [0.02, 0.0, 0.12]], dtype=torch.float64)

        def roughness(points: int) -> float:
            strain = torch.linspace(0, 1, points, dtype=torch.float64)[:, None, None] * direction
            path = System.join([single] * points).strained(strain)
            return coarse.bind(path, self.basis).energy(density.repeat(points, 1)).diff(n=2).abs().max().item()

        assert roughness(101) > 3 * roughness(201)


class OpenOperatorContract(WithOpenAxes):
    """Open along every axis."""

    pbc = (False, False, False)


class WireOperatorContract(WithOpenAxes, WithPeriodicAxes):
    """Periodic along one axis."""

    pbc = (False, True, False)


class SlabOperatorContract(WithOpenAxes, WithPeriodicAxes):
    """Periodic along two axes."""

    pbc = (True, False, True)


class BulkOperatorContract(WithPeriodicAxes):
    """Periodic along three axes."""

    pbc = (True, True, True)
