"""The structures, densities and comparisons that the tests of a Coulomb operator share."""

import math
from abc import ABC
from dataclasses import replace

import torch
from ase import Atoms
from torch import Tensor

from leyden.coulomb import BoundCoulomb, Coulomb
from leyden.density import GaussianBasis
from leyden.density.harmonics import rotation
from leyden.system import System
from leyden.testing.numeric import close, random

WIDTHS = {1: 0.6, 8: 0.7, 11: 0.65, 17: 0.8}
SECOND_SHELL = 1.5
"""How much wider the second shell of an element is than the first."""
RECEIVER = 10
FRAMES = [
    Atoms(
        [11, 17, 8, 1],
        [[0.2, 0.1, -0.3], [2.3, 0.4, 0.2], [0.5, 2.2, 1.1], [0.3, 1.9, 2.1]],
        cell=[[4.1, 0.1, 0.3], [-0.6, 4.6, 0.2], [0.4, 0.7, 4.3]],
    ),
    Atoms(
        [17, 8, 11],
        [[0.0, 0.3, 0.1], [1.7, 1.2, -0.4], [3.1, 0.2, 1.9]],
        cell=[[5.2, 0.0, 0.0], [1.4, 4.4, 0.0], [0.3, -0.5, 3.9]],
    ),
]
SIZES = [len(frame) for frame in FRAMES]
CHARGES = [0.9, -0.7, -0.6, 0.4, -0.3, 0.2, 0.8]
"""The first structure is neutral, the second charged."""


def agree(actual: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], tolerance: float) -> None:
    """Assert equal energies and potentials."""
    for a, b in zip(actual, expected, strict=True):
        close(a, b, tolerance)


class OperatorCase(ABC):
    """What is under test; supply coulomb and lmax, and where it matters the rest."""

    coulomb: Coulomb
    lmax: int
    pbc: tuple[bool, bool, bool]
    shells = 1
    widths = WIDTHS
    """Å, of the first shell of each element."""
    tolerance = 1e-10
    """Relative error of the equalities that an exact sum obeys to roundoff."""
    single = 1e-5
    """The same of float32 against float64."""

    @property
    def basis(self) -> GaussianBasis:
        """One or two widths for each element."""
        return self.gaussians(self.lmax)

    def gaussians(self, lmax: int, receiver: float = 1.0, broader: float = 0.0) -> GaussianBasis:
        """The widths under test, or sqrt(width^2 + broader^2), with another lmax, and element RECEIVER besides."""
        rows = {z: [w * SECOND_SHELL**n for n in range(self.shells)] for z, w in self.widths.items()}
        broad = {z: [math.hypot(w, broader) for w in row] for z, row in rows.items()}
        return GaussianBasis({**broad, RECEIVER: [receiver + n for n in range(self.shells)]}, lmax)

    def frames(self) -> list[Atoms]:
        """The structures, with the boundary condition under test."""
        return [Atoms(f.numbers, f.positions, cell=f.cell, pbc=self.pbc) for f in FRAMES]

    def system(self) -> System:
        """Both structures as one batch."""
        return System.from_ase(self.frames())

    def density(self) -> Tensor:
        """The charges of both structures, shared by the shells of an atom, and random multipoles (N, dim)."""
        out = 0.3 * random(0, len(CHARGES), self.shells, self.basis.multipoles)
        out[:, 0, 0] += torch.tensor(CHARGES, dtype=torch.float64) - out[:, :, 0].sum(1)
        return out.flatten(1)

    def turn(self, matrix: Tensor) -> Tensor:
        """How the density turns with positions r -> matrix r, (dim, dim)."""
        return torch.block_diag(*[rotation(matrix, self.lmax)] * self.shells)

    def bind(self, system: System) -> BoundCoulomb:
        """The operator under test at a geometry."""
        return self.coulomb.bind(system, self.basis)

    @property
    def coarse(self) -> Coulomb:
        """A cheaper one, for what holds to roundoff whatever the accuracy."""
        return replace(self.coulomb, accuracy=1e-3)

    def anywhere(self, system: System) -> BoundCoulomb:
        """The cheaper operator, or where it is for open structures only, the usual one elsewhere."""
        only_open = self.coulomb.method == "direct" and bool(system.pbc.any())
        return (replace(self.coarse, method="auto") if only_open else self.coarse).bind(system, self.basis)

    def energy(self, system: System) -> Tensor:
        """Of the usual density, (S,) eV."""
        return self.bind(system).energy(self.density())

    def both(self, system: System, density: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Energy (S,) and potential (N, dim) of a density, else of the usual one."""
        bound, density = self.bind(system), self.density() if density is None else density
        return bound.energy(density), bound.apply(density)

    def equal_parts(self, parts: list[System]) -> None:
        """Assert that the batch of the parts gives what each part gives alone: to roundoff, whatever the accuracy."""
        whole, sizes = System.join(parts), [len(p.positions) for p in parts]
        of_size = dict(zip(SIZES, self.density().split(SIZES), strict=True))
        densities = [of_size[n] for n in sizes]
        points, index = random(7, 2 * len(parts), 3), torch.arange(2 * len(parts)) % len(parts)
        bound, density, receivers = self.anywhere(whole), torch.cat(densities), GaussianBasis(0.7, 1)
        at, felt = bound.at(density, points, index), bound.project(receivers, density, own=False).split(sizes)
        for number, (part, p) in enumerate(zip(parts, densities, strict=True)):
            alone = self.anywhere(part)
            close(bound.energy(density)[number : number + 1], alone.energy(p), 1e-10)
            close(bound.apply(density).split(sizes)[number], alone.apply(p), 1e-10)
            close(felt[number], alone.project(receivers, p, own=False), 1e-10)
            here = points[index == number]
            close(at[index == number], alone.at(p, here, torch.zeros(len(here), dtype=torch.long)), 1e-10)
