"""V is symmetric and positive semidefinite, V p = dE/dp, E = 1/2 p.V.p, and receivers feel what atoms feel."""

from dataclasses import replace

import torch
from ase import Atoms

from leyden import segment
from leyden.density import GaussianBasis
from leyden.system import System
from leyden.testing.numeric import close, random
from leyden.testing.operator.case import CHARGES, RECEIVER, SIZES, WIDTHS, OperatorCase


class Consistency(OperatorCase):
    """Energy, potential and matrix are one operator."""

    def test_symmetric(self) -> None:
        """<p|V|p'> = <p'|V|p>; V couples the atoms of a structure, and never two structures."""
        system, p, other = self.system(), self.density(), random(1, *self.density().shape)
        bound = self.bind(system)
        close((p * bound.apply(other)).sum(), (other * bound.apply(p)).sum(), 1e-12)
        felt = bound.apply(p * (torch.arange(len(p)) == 0)[:, None])
        assert not felt[system.index == 1].any()
        assert felt[system.index == 0].abs().amax(1).min() > 1e-3

    def test_positive(self) -> None:
        """No density has a negative energy, neutral ones where the structure is periodic; only zero has none."""
        system, dim, multipoles = self.system(), self.basis.dim, self.basis.multipoles
        bound = self.bind(system)
        matrix, entry = bound.dense(), torch.arange(len(system.positions) * dim)
        close((matrix @ self.density().flatten()).view(-1, dim), bound.apply(self.density()), 1e-12)
        if any(self.pbc):
            charge = torch.zeros(system.count, len(entry), dtype=torch.float64)
            charges = entry[entry % multipoles == 0]
            charge[system.index[charges // dim], charges] = 1.0
            plane = torch.linalg.svd(charge).Vh[system.count :]
            matrix = plane @ matrix @ plane.T
        assert torch.linalg.eigvalsh(matrix).min() > 1e-7

    def test_potential_is_derivative(self) -> None:
        """V p = dE/dp, E = 1/2 p.V.p, and neither is trivially zero."""
        system, density = self.system(), self.density().requires_grad_()
        bound = self.bind(system)
        energy, potential = bound.energy(density), bound.apply(density)
        (slope,) = torch.autograd.grad(energy.sum(), density, retain_graph=True)
        close(potential, slope, 1e-12)
        close(energy, 0.5 * segment.total((density * potential).sum(1), system.index, system.count), 1e-12)
        assert energy.abs().min() > 0.05 and potential.abs().amax(1).min() > 1e-2

    def test_projection(self) -> None:
        """What another basis feels is what its Gaussians without a density would, on the same places."""
        none = [self.density().new_zeros(len(CHARGES), self.shells, 9 - self.basis.multipoles)]
        padded = torch.cat([self.density().unflatten(1, (self.shells, -1)), *none], 2).flatten(1)
        receivers = GaussianBasis([0.7 + n for n in range(self.shells)], 2)
        for frame, p in zip(self.frames(), padded.split(SIZES), strict=True):
            together = System.from_ase(frame + Atoms([RECEIVER] * len(frame), frame.positions))
            expected = self.coulomb.bind(together, self.gaussians(2, 0.7)).apply(torch.cat([p, torch.zeros_like(p)]))
            felt = self.coulomb.bind(System.from_ase(frame), self.gaussians(2)).project(receivers, p)
            close(felt, expected[len(frame) :], self.tolerance)
            assert felt.abs().amax(1).min() > 1e-2

    def test_own_density(self) -> None:
        """own=False leaves out what an atom alone in the world feels of itself, no image and no other shell more."""
        system, receivers = self.system(), GaussianBasis([0.5, 0.9], 2)
        bound = self.bind(system)
        with_own, without = (bound.project(receivers, self.density(), own=own) for own in (True, False))
        count = len(system.positions)
        apart = replace(
            system, index=torch.arange(count), pbc=torch.zeros(count, 3, dtype=torch.bool),
            cell=torch.zeros(count, 3, 3, dtype=torch.float64), charge=torch.zeros(count), spin=torch.ones(count),
            field=torch.zeros(count, 3),
        )  # fmt: skip
        own = replace(self.coulomb, method="direct").bind(apart, self.basis).project(receivers, self.density())
        close(with_own - without, own, 1e-11)
        for shell, width in enumerate([0.5, 0.9]):
            close(
                with_own[:, 9 * shell :][:, :9], bound.project(GaussianBasis(width, 2), self.density()), self.tolerance
            )
        assert without.abs().amax(1).min() > 1e-2

    def test_points(self) -> None:
        """A point on an atom feels what a receiver without width does."""
        system = self.system()
        bound = self.bind(system)
        felt = bound.at(self.density(), system.positions, system.index)
        close(felt, bound.project(GaussianBasis(1e-6), self.density())[:, 0], self.tolerance)
        assert felt.abs().min() > 1e-3

    def test_points_off_atoms(self) -> None:
        """An atom of width s feels what a point feels where each source has sigma^2 + s^2; its dipole, the gradient."""
        place = torch.tensor([[1.4, 1.3, 0.9]], dtype=torch.float64, requires_grad=True)
        index, broad, usual = (
            torch.zeros(1, dtype=torch.long),
            self.gaussians(self.lmax, 1.0, 0.6),
            self.gaussians(self.lmax, 0.6),
        )
        for frame, density in zip(self.frames(), self.density().split(SIZES), strict=True):
            at = self.coulomb.bind(System.from_ase(frame), broad).at(density, place, index)
            (gradient,) = torch.autograd.grad(at.sum(), place)
            both = System.from_ase(frame + Atoms([RECEIVER], place.detach().numpy()))
            felt = self.coulomb.bind(both, usual).apply(torch.cat([density, torch.zeros_like(density[:1])]))[-1]
            close(at[0], felt[0], self.tolerance)
            assert felt[0].abs() > 1e-2
            if self.lmax:
                close(gradient[0], felt[1:4], self.tolerance)

    def test_points_in_any_order(self) -> None:
        """The potential at points does not depend on their order, and a structure may have none."""
        bound, points = self.bind(self.system()), random(1, 5, 3)
        index = torch.tensor([1, 0, 0, 1, 0])
        felt = bound.at(self.density(), points, index)
        order = torch.argsort(index, stable=True)
        close(bound.at(self.density(), points[order], index[order]), felt[order], 1e-10)
        close(bound.at(self.density(), points[:1], index[:1]), felt[:1], self.tolerance)
        assert felt.abs().min() > 1e-3

    def test_widths(self) -> None:
        """Each element has its own width; one number means the same for all."""
        system, density = self.system(), self.density().unflatten(1, (self.shells, -1)).sum(1)
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
            close(rough.double(), exact, self.single)
