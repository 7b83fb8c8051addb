"""The contract of each boundary condition: inherit it, supply coulomb and lmax."""

from dataclasses import replace

import torch
from torch import Tensor

from leyden.system import System
from leyden.testing.numeric import close, random
from leyden.testing.operator.case import SIZES, agree
from leyden.testing.operator.consistency import Consistency
from leyden.testing.operator.derivatives import Derivatives
from leyden.testing.operator.invariance import Invariance


class OperatorContract(Consistency, Derivatives, Invariance):
    """What holds in every boundary condition."""


class OpenOperatorContract(OperatorContract):
    """Open boundary in every direction."""

    pbc = False

    def test_positive_definite(self) -> None:
        """No density at all has a negative energy, charged ones included."""
        assert torch.linalg.eigvalsh(self.bind(self.system()).dense()).min() > 1e-3

    def test_cell_is_ignored(self) -> None:
        """What stands in the cell of an open structure has no influence."""
        system = self.system()
        close(self.energy(replace(system, cell=torch.zeros_like(system.cell))), self.energy(system), 1e-14)


class PeriodicOperatorContract(OperatorContract):
    """Periodic along three axes."""

    pbc = True

    def test_images(self) -> None:
        """Atoms moved by cell vectors, each its own, change nothing."""
        system = self.system()
        shifts = random(8, len(system.positions), 3).mul(2).round()
        moved = system.positions + torch.einsum("ni,nij->nj", shifts, system.cell[system.index])
        agree(self.both(replace(system, positions=moved)), self.both(system), self.tolerance)

    def test_supercell(self) -> None:
        """A 2 x 2 x 2 supercell has eight times the energy and the same potential."""

        def repeated(values: Tensor) -> Tensor:
            return torch.cat([part.repeat(8, 1) for part in values.split(SIZES)])

        large = System.from_ase([frame * (2, 2, 2) for frame in self.frames()])
        energy, felt = self.both(self.system())
        agree(self.both(large, repeated(self.density())), (8 * energy, repeated(felt)), self.tolerance)

    def test_choice_of_cell(self) -> None:
        """Other vectors of the same lattice, left-handed ones included, describe the same crystal."""
        system = self.system()
        swapped, reversed_, sheared = (
            torch.tensor(rows, dtype=torch.float64) @ system.cell
            for rows in (
                [[0, 1, 0], [1, 0, 0], [0, 0, 1]],
                [[1, 0, 0], [0, -1, 0], [0, 0, 1]],
                [[1, 0, 0], [1, 1, 0], [0, -1, 1]],
            )
        )
        for cell in (swapped, reversed_, sheared):
            agree(self.both(replace(system, cell=cell)), self.both(system), self.tolerance)

    def test_smooth_in_the_cell(self) -> None:
        """No jumps and no kinks, even at a coarse accuracy: half the step of a strain quarters the second difference.

        At a kink of the energy it would be halved, at a jump it would stay.
        """
        single = self.system().split()[0]
        coarse, density = replace(self.coulomb, accuracy=1e-3), self.density()[:4]
        direction = torch.tensor([[0.10, 0.04, 0.0], [0.0, 0.07, -0.03], [0.02, 0.0, 0.12]], dtype=torch.float64)

        def roughness(points: int) -> float:
            strain = torch.linspace(0, 1, points, dtype=torch.float64)[:, None, None] * direction
            path = System.join([single] * points).strained(strain)
            return coarse.bind(path, self.basis).energy(density.repeat(points, 1)).diff(n=2).abs().max().item()

        assert roughness(201) > 3 * roughness(401)
