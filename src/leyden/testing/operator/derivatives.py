"""Forces, stress and Hessian are derivatives of the energy; potentials can be differentiated as often."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from leyden.testing.numeric import central, close, derivatives_of, random
from leyden.testing.operator.case import OperatorCase


class Derivatives(OperatorCase):
    """First and second derivatives against finite differences."""

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
