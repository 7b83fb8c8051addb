"""The structures, densities and comparisons that the tests of a Coulomb operator share."""

from abc import ABC
from dataclasses import replace

import torch
from ase import Atoms
from torch import Tensor

from leyden.coulomb import BoundCoulomb, Coulomb
from leyden.density import GaussianBasis
from leyden.system import System
from leyden.testing.numeric import close, random

WIDTHS = {1: 0.55, 8: 0.7, 11: 0.6, 17: 0.85}
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
    """What is under test; supply coulomb, lmax and pbc."""

    coulomb: Coulomb
    lmax: int
    pbc: bool
    tolerance = 1e-10
    """Relative error of the equalities that an exact sum obeys to roundoff."""

    @property
    def basis(self) -> GaussianBasis:
        """One width for each element."""
        return GaussianBasis(WIDTHS, self.lmax)

    def frames(self) -> list[Atoms]:
        """The structures, with the boundary condition under test."""
        return [Atoms(f.numbers, f.positions, cell=f.cell, pbc=self.pbc) for f in FRAMES]

    def system(self) -> System:
        """Both structures as one batch."""
        return System.from_ase(self.frames())

    def density(self) -> Tensor:
        """Charges of both structures, and random dipoles (N, dim)."""
        charges = torch.tensor(CHARGES, dtype=torch.float64)[:, None]
        return torch.cat([charges, 0.3 * random(0, len(charges), self.basis.dim - 1)], 1)

    def bind(self, system: System) -> BoundCoulomb:
        """The operator under test at a geometry."""
        return self.coulomb.bind(system, self.basis)

    def automatic(self, system: System) -> BoundCoulomb:
        """The operator under test where its boundary condition is met, and the usual one elsewhere."""
        suits = bool((system.pbc == self.pbc).all())
        return (self.coulomb if suits else replace(self.coulomb, method="auto")).bind(system, self.basis)

    def energy(self, system: System) -> Tensor:
        """Of the usual density, (S,) eV."""
        return self.bind(system).energy(self.density())

    def both(self, system: System, density: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Energy (S,) and potential (N, dim) of a density, else of the usual one."""
        bound, density = self.bind(system), self.density() if density is None else density
        return bound.energy(density), bound.apply(density)

    def equal_parts(self, parts: list[System]) -> None:
        """Assert that the batch of the parts gives what each part gives alone."""
        whole, sizes = System.join(parts), [len(p.positions) for p in parts]
        of_size = dict(zip(SIZES, self.density().split(SIZES), strict=True))
        densities = [of_size[n] for n in sizes]
        points, index = random(7, 6, 3), torch.arange(6) % len(parts)
        bound, density = self.automatic(whole), torch.cat(densities)
        at = bound.at(density, points, index)
        for number, (part, p) in enumerate(zip(parts, densities, strict=True)):
            alone = self.automatic(part)
            close(bound.energy(density)[number : number + 1], alone.energy(p), self.tolerance)
            close(bound.apply(density).split(sizes)[number], alone.apply(p), self.tolerance)
            here = points[index == number]
            close(at[index == number], alone.at(p, here, torch.zeros(len(here), dtype=torch.long)), self.tolerance)
