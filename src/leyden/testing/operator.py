"""Contract of a Coulomb operator as a test suite: inherit that of a boundary condition, supply coulomb and lmax.

V is symmetric and positive semidefinite, V p = dE/dp, E = 1/2 p.V.p. Energy, potential, forces and stress are
derivatives of one function, to any order; E does not depend on the origin, the orientation, the order of atoms, the
choice of cell or the company in a batch; and it has neither jumps nor kinks as the cell changes.
"""

from abc import ABC
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from ase import Atoms
from torch import Tensor

from leyden import segment
from leyden.coulomb import BoundCoulomb, Coulomb
from leyden.density import GaussianBasis
from leyden.system import System
from leyden.testing.backbone import central, close

WIDTHS = {1: 0.55, 8: 0.7, 11: 0.6, 17: 0.85}
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


def random(seed: int, *shape: int) -> Tensor:
    """Reproducible normal deviates, float64."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def derivatives_of(function: Callable[..., Tensor], *inputs: Tensor) -> None:
    """First and second derivatives of a function against finite differences."""
    free = tuple(x.detach().clone().requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(function, free, atol=1e-6, rtol=1e-6, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, free, atol=1e-5, rtol=1e-5, fast_mode=True)


def agree(actual: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], tolerance: float) -> None:
    """Assert equal energies and potentials."""
    for a, b in zip(actual, expected, strict=True):
        close(a, b, tolerance)


class OperatorContract(ABC):
    """What holds in every boundary condition; supply coulomb and lmax, the contracts below supply pbc."""

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

    def energy(self, system: System) -> Tensor:
        """Of the usual density, (S,) eV."""
        return self.bind(system).energy(self.density())

    def both(self, system: System, density: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Energy (S,) and potential (N, dim) of a density, else of the usual one."""
        bound, density = self.bind(system), self.density() if density is None else density
        return bound.energy(density), bound.apply(density)

    def test_symmetric(self) -> None:
        """V equals its transpose, couples the atoms of a structure, and never two structures."""
        system, dim = self.system(), self.basis.dim
        matrix = self.bind(system).dense()
        close(matrix, matrix.T, 1e-12)
        atom = torch.arange(len(system.index)).repeat_interleave(dim)
        same = system.index[atom][:, None] == system.index[atom]
        assert not matrix[~same].any()
        assert (matrix[same & (atom[:, None] != atom)].abs() > 1e-4).all()

    def test_positive_semidefinite(self) -> None:
        """No density of neutral structures has a negative energy, and only the zero density has none."""
        system, dim = self.system(), self.basis.dim
        charge = torch.zeros(system.count, len(system.positions) * dim, dtype=torch.float64)
        charge[system.index, torch.arange(len(system.index)) * dim] = 1.0
        plane = torch.linalg.svd(charge).Vh[system.count :]
        eigenvalues = torch.linalg.eigvalsh(plane @ self.bind(system).dense() @ plane.T)
        assert eigenvalues.min() > 1e-3

    def test_potential_is_derivative(self) -> None:
        """V p = dE/dp, E = 1/2 p.V.p, and neither is trivially zero."""
        system, density = self.system(), self.density().requires_grad_()
        bound = self.bind(system)
        energy, potential = bound.energy(density), bound.apply(density)
        (slope,) = torch.autograd.grad(energy.sum(), density, retain_graph=True)
        close(potential, slope, 1e-12)
        close(energy, 0.5 * segment.total((density * potential).sum(1), system.index, system.count), 1e-12)
        close((bound.dense() @ density.flatten()).view_as(potential), potential, 1e-12)
        assert energy.abs().min() > 0.1 and potential.abs().min() > 1e-3

    def test_receiver(self) -> None:
        """An atom of width s feels what a point feels where each source has sigma^2 + s^2; its dipole, the gradient."""
        own, tight = 0.4, replace(self.coulomb, accuracy=1e-12)
        wide = GaussianBasis({z: (w * w + own * own) ** 0.5 for z, w in WIDTHS.items()}, self.lmax)
        with_receiver = GaussianBasis({**WIDTHS, RECEIVER: own}, self.lmax)
        place = torch.tensor([[1.4, 1.3, 0.9]], dtype=torch.float64, requires_grad=True)
        for frame, density in zip(self.frames(), self.density().split(SIZES), strict=True):
            at = tight.bind(System.from_ase(frame), wide).at(density, place, torch.zeros(1, dtype=torch.long))
            (gradient,) = torch.autograd.grad(at.sum(), place)
            both = System.from_ase(frame + Atoms([RECEIVER], place.detach().numpy()))
            felt = tight.bind(both, with_receiver).apply(torch.cat([density, torch.zeros_like(density[:1])]))[-1]
            close(at[0], felt[0], 1e-9)
            assert felt[0].abs() > 1e-2
            if self.lmax:
                close(gradient[0], felt[1:4], 1e-9)

    def test_points_in_any_order(self) -> None:
        """The potential at points does not depend on their order, and a structure may have none."""
        bound, points = self.bind(self.system()), random(1, 5, 3)
        index = torch.tensor([1, 0, 0, 1, 0])
        felt = bound.at(self.density(), points, index)
        order = torch.argsort(index, stable=True)
        close(bound.at(self.density(), points[order], index[order]), felt[order], 1e-12)
        close(bound.at(self.density(), points[:1], index[:1]), felt[:1], 1e-12)
        assert felt.abs().min() > 1e-3

    def test_forces(self) -> None:
        """dE/dr against finite differences, of each structure."""
        system = self.system()
        positions, step = system.positions.clone().requires_grad_(), random(2, *system.positions.shape)

        def energy(h: float) -> Tensor:
            return self.energy(replace(system, positions=system.positions + h * step))

        for number in range(system.count):
            (slope,) = torch.autograd.grad(self.energy(replace(system, positions=positions))[number], positions)
            close((slope * step).sum(), central(energy)[number], 1e-8)
            assert slope[system.index == number].abs().min() > 1e-4
            assert not slope[system.index != number].any()

    def test_stress(self) -> None:
        """All nine components of dE/dstrain against finite differences; symmetric if dipoles turn along."""
        system, none = self.system(), torch.zeros(2, 3, 3, dtype=torch.float64)

        def energy(strain: Tensor) -> Tensor:
            return self.energy(system.strained(strain))

        def turning(strain: Tensor) -> Tensor:
            charges, dipoles = self.density().split([1, self.basis.dim - 1], dim=1)
            bent = torch.einsum("na,nab->nb", dipoles, strain[system.index]) if self.lmax else dipoles
            return self.both(system.strained(strain), torch.cat([charges, dipoles + bent], 1))[0]

        slope = torch.autograd.functional.jacobian(energy, none)
        for component in range(9):
            step = torch.eye(9, dtype=torch.float64)[component].view(1, 3, 3).expand(2, 3, 3)
            measured = central(partial(lambda step, h: energy(none + h * step), step))
            close(torch.einsum("ssij,sij->s", slope, step), measured, 1e-8)
        whole = torch.autograd.functional.jacobian(turning, none)
        close(whole, whole.mT, 1e-10)
        assert slope[0, 0].abs().max() > 0.1 and slope[1, 1].abs().max() > 0.1

    def test_second_derivatives(self) -> None:
        """Energy: first and second derivatives in positions, strain and density together."""
        system, strain = self.system(), 0.02 * random(3, 2, 3, 3)

        def energy(positions: Tensor, strain: Tensor, density: Tensor) -> Tensor:
            return self.both(replace(system, positions=positions).strained(strain), density)[0]

        derivatives_of(energy, system.positions, strain, self.density())

    def test_second_derivatives_of_the_potential(self) -> None:
        """V p and the potential at points: the same."""
        system, strain, points = self.system(), 0.02 * random(3, 2, 3, 3), random(4, 3, 3)

        def felt(positions: Tensor, strain: Tensor, density: Tensor) -> Tensor:
            return self.bind(replace(system, positions=positions).strained(strain)).apply(density)

        def at(positions: Tensor, strain: Tensor, density: Tensor, points: Tensor) -> Tensor:
            bound = self.bind(replace(system, positions=positions).strained(strain))
            return bound.at(density, points, torch.tensor([0, 1, 0]))

        derivatives_of(felt, system.positions, strain, self.density())
        derivatives_of(at, system.positions, strain, self.density(), points)

    def test_hessian(self) -> None:
        """Hessian times a direction against finite differences of the gradient."""
        system, step = self.system(), random(5, 7, 3)

        def gradient(h: float, create_graph: bool = False) -> tuple[Tensor, Tensor]:
            positions = (system.positions + h * step).requires_grad_()
            total = self.energy(replace(system, positions=positions)).sum()
            return torch.autograd.grad(total, positions, create_graph=create_graph)[0], positions

        slope, positions = gradient(0.0, create_graph=True)
        (product,) = torch.autograd.grad(slope, positions, step)
        close(product, central(lambda h: gradient(h)[0]), 1e-8)
        assert product.abs().min() > 1e-3

    def test_translation(self) -> None:
        """Energies and potentials do not depend on the origin, be it many cells away."""
        system = self.system()
        moved = system.positions + torch.tensor([12.3, -45.6, 7.8], dtype=torch.float64)
        agree(self.both(replace(system, positions=moved)), self.both(system), self.tolerance)

    def test_rotation(self) -> None:
        """Rotations and reflections of atoms and cell: energies to 1e-10 eV; dipoles and what they feel turn along."""
        system, turn = self.system(), torch.linalg.qr(random(6, 3, 3)).Q
        energy, felt = self.both(system)
        for matrix in (turn, -turn):
            turned = replace(system, positions=system.positions @ matrix.T, cell=system.cell @ matrix.T)
            large = torch.block_diag(torch.ones(1, 1, dtype=torch.float64), matrix)[: self.basis.dim, : self.basis.dim]
            after = self.both(turned, self.density() @ large.T)
            assert (after[0] - energy).abs().max() < max(1e-10, self.tolerance)
            close(after[1], felt @ large.T, self.tolerance)

    def test_permutation(self) -> None:
        """Reordering the atoms of the structures reorders what they feel."""
        system, order = self.system(), torch.tensor([2, 0, 3, 1, 6, 4, 5])
        other = replace(system, positions=system.positions[order], numbers=system.numbers[order])
        energy, felt = self.both(system)
        agree(self.both(other, self.density()[order]), (energy, felt[order]), self.tolerance)

    def test_batch_equals_singles(self) -> None:
        """Structures of different atoms and cells do not see each other."""
        self.equal_parts(self.system().split())

    def test_mixed_boundaries(self) -> None:
        """In one batch, open and periodic structures each keep their boundary condition."""
        batches = [System.from_ase([Atoms(f, pbc=pbc) for f in FRAMES]) for pbc in (False, True)]
        open_, periodic = (self.automatic(batch).energy(self.density()) for batch in batches)
        assert (open_ - periodic).abs().min() > 0.1
        (a, b), (c, d) = (batch.split() for batch in batches)
        self.equal_parts([c, b, a, d])

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

    def automatic(self, system: System) -> BoundCoulomb:
        """The operator under test where its boundary condition is met, and the usual one elsewhere."""
        suits = bool((system.pbc == self.pbc).all())
        return (self.coulomb if suits else replace(self.coulomb, method="auto")).bind(system, self.basis)

    def test_widths(self) -> None:
        """Each element has its own width; one number means the same for all."""
        system, density = self.system(), self.density()
        same = self.coulomb.bind(system, GaussianBasis(dict.fromkeys(WIDTHS, 0.7), self.lmax)).energy(density)
        close(self.coulomb.bind(system, GaussianBasis(0.7, self.lmax)).energy(density), same, 1e-12)
        assert (self.energy(system) - same).abs().min() > 1e-2

    def test_single_precision(self) -> None:
        """float32 agrees with float64: energies, potentials and forces."""
        results = []
        for dtype in (torch.float64, torch.float32):
            system, density = self.system().to(dtype=dtype), self.density().to(dtype)
            positions = system.positions.clone().requires_grad_()
            bound = self.bind(replace(system, positions=positions))
            energy = bound.energy(density)
            (slope,) = torch.autograd.grad(energy.sum(), positions)
            results.append((energy, bound.apply(density), slope))
        for exact, rough in zip(*results, strict=True):
            assert rough.dtype == torch.float32
            close(rough.double(), exact, 1e-5)


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
