"""Forces, stress and Hessian are derivatives of the energy; potentials can be differentiated as often.

They are exact derivatives whatever the accuracy of the energy itself, so that no tolerance depends on it.
"""

from dataclasses import replace

import torch
from torch import Tensor

from leyden.density import GaussianBasis
from leyden.density.harmonics import rotation
from leyden.system import System
from leyden.testing.numeric import central, close, derivatives_of, random
from leyden.testing.operator.case import SIZES, OperatorCase


class Derivatives(OperatorCase):
    """First and second derivatives against finite differences."""

    def total(self, system: System) -> Tensor:
        """Energy of the usual density, (S,) eV."""
        return self.coarse.bind(system, self.basis).energy(self.density())

    def test_forces(self) -> None:
        """dE/dr against finite differences, of each structure."""
        system = self.system()
        positions, step = system.positions.clone().requires_grad_(), random(2, *system.positions.shape)
        energy = self.total(replace(system, positions=positions))
        measured = central(lambda h: self.total(replace(system, positions=system.positions + h * step)))
        for number in range(system.count):
            (slope,) = torch.autograd.grad(energy[number], positions, retain_graph=True)
            close((slope * step).sum(), measured[number], 1e-8)
            assert slope[system.index == number].abs().amax(1).min() > 1e-3
            assert not slope[system.index != number].any()

    def test_stress(self) -> None:
        """dE/dstrain of each structure against finite differences, along a strain that turns as well."""
        system, none, step = self.system(), torch.zeros(2, 3, 3, dtype=torch.float64), random(3, 2, 3, 3)
        slope = torch.autograd.functional.jacobian(lambda strain: self.total(system.strained(strain)), none)
        measured = central(lambda h: self.total(system.strained(h * step)))
        close(torch.einsum("ssij,sij->s", slope, step), measured, 1e-8)
        assert slope[0, 0].abs().max() > 0.1 and slope[1, 1].abs().max() > 0.1
        assert not slope[0, 1].any() and not slope[1, 0].any()

    def test_stress_is_symmetric(self) -> None:
        """Where multipoles turn along with a strain, its antisymmetric part is a rotation, which costs nothing."""
        system, none = self.system(), torch.zeros(2, 3, 3, dtype=torch.float64)
        unit = torch.eye(3, dtype=torch.float64)

        def energy(strain: Tensor) -> Tensor:
            turns = [torch.block_diag(*[rotation(unit + (s.mT - s) / 2, self.lmax)] * self.shells) for s in strain]
            turned = [p @ turn.T for p, turn in zip(self.density().split(SIZES), turns, strict=True)]
            return self.bind(system.strained(strain)).energy(torch.cat(turned))

        slope = torch.autograd.functional.jacobian(energy, none)
        assert (slope - slope.mT).abs().max() < 10 * self.tolerance

    def test_second_derivatives(self) -> None:
        """Energy: first and second derivatives in positions, strain and density together."""
        system, strain = self.system(), 0.02 * random(3, 2, 3, 3)

        def energy(positions: Tensor, strain: Tensor, density: Tensor) -> Tensor:
            bound = self.coarse.bind(replace(system, positions=positions).strained(strain), self.basis)
            return bound.energy(density)

        derivatives_of(energy, system.positions, strain, self.density())

    def test_second_derivatives_of_the_potential(self) -> None:
        """V p, what another basis feels and the potential at points, on one structure: the same."""
        system, strain, points = self.system().split()[1], 0.02 * random(3, 1, 3, 3), random(4, 2, 3)

        def felt(positions: Tensor, strain: Tensor, density: Tensor, points: Tensor) -> Tensor:
            bound = self.coarse.bind(replace(system, positions=positions).strained(strain), self.basis)
            at = bound.at(density, points, torch.tensor([0, 0]))
            other = bound.project(GaussianBasis(0.8, 2), density, own=False)
            return torch.cat([bound.apply(density).flatten(), other.flatten(), at])

        derivatives_of(felt, system.positions, strain, self.density().split(SIZES)[1], points)

    def test_hessian(self) -> None:
        """Hessian times a direction against finite differences of the gradient."""
        system, step = self.system(), random(5, 7, 3)

        def gradient(h: float, create_graph: bool = False) -> tuple[Tensor, Tensor]:
            positions = (system.positions + h * step).requires_grad_()
            total = self.total(replace(system, positions=positions)).sum()
            return torch.autograd.grad(total, positions, create_graph=create_graph)[0], positions

        slope, positions = gradient(0.0, create_graph=True)
        (product,) = torch.autograd.grad(slope, positions, step)
        close(product, central(lambda h: gradient(h)[0]), 1e-8)
        assert product.abs().amax(1).min() > 1e-3
