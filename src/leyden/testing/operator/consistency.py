"""V is symmetric and positive semidefinite, V p = dE/dp, E = 1/2 p.V.p, and points feel what atoms feel."""

from dataclasses import replace

import torch
from ase import Atoms

from leyden import segment
from leyden.density import GaussianBasis
from leyden.system import System
from leyden.testing.numeric import close, random
from leyden.testing.operator.case import SIZES, WIDTHS, OperatorCase

RECEIVER = 10


class Consistency(OperatorCase):
    """Energy, potential and matrix are one operator."""

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
