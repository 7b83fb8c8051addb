"""Derivatives of the energy E of a charge model in a whole potential,

    dipole = -dE/dfield,    Z* = d dipole/dr = dF/dfield,

and every other, those that training takes of forces and Born charges by the weights included, match finite differences.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from leyden import segment
from leyden.derivatives import forces, hessian_vector
from leyden.potential import Potential
from leyden.properties import born_charges, polarizability
from leyden.testing.assembly import batch, molecules
from leyden.testing.charges.case import ChargeModelCase
from leyden.testing.numeric import central, close, derivatives_of, random
from leyden.units import COULOMB


@contextmanager
def shifted(module: torch.nn.Module, steps: list[Tensor], h: float) -> Iterator[None]:
    """The module with weights w + h step inside the context."""
    kept = [weight.detach().clone() for weight in module.parameters()]
    with torch.no_grad():
        for weight, step in zip(module.parameters(), steps, strict=True):
            weight.add_(h * step)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, old in zip(module.parameters(), kept, strict=True):
                weight.copy_(old)


class Derivatives(ChargeModelCase):
    """By positions, cells, fields and weights."""

    def test_forces(self) -> None:
        """Forces of the whole potential against finite differences."""
        potential, system = self.potential(), batch()
        step = random(2, *system.positions.shape)
        found = forces(potential, system, stress=False).forces
        measured = central(lambda h: potential(replace(system, positions=system.positions + h * step)).energy)
        close(segment.total((-found * step).sum(1), system.index, system.count), measured, 1e-7)

    def test_stress(self) -> None:
        """Stress of the whole potential against finite differences; NaN where the structure is open."""
        potential, system = self.potential(), batch()
        step = random(3, system.count, 3, 3)
        step = step + step.mT
        found = forces(potential, system).stress
        assert found is not None and found[[0, 2]].isnan().all()
        measured = central(lambda h: potential(system.strained(h * step)).energy)[[1, 3]]
        close((found * step).sum((1, 2))[[1, 3]], measured / system.volume[[1, 3]], 1e-7)

    def test_hessian_vector(self) -> None:
        """Second derivatives of the whole potential along a direction against finite differences of the forces."""
        potential, system = self.potential(), batch()
        step = random(6, *system.positions.shape)

        def found(h: float) -> Tensor:
            return forces(potential, replace(system, positions=system.positions + h * step), stress=False).forces

        product = hessian_vector(potential, system, step)
        close(product, -central(found), 1e-7)
        assert product.abs().min() > 1e-3

    def test_second_derivatives(self) -> None:
        """Energies of an open and a periodic structure by positions, strain and field, to second order."""
        potential, system = self.potential(), batch().select(torch.tensor([2, 3]))[0]

        def energy(positions: Tensor, strain: Tensor, field: Tensor) -> Tensor:
            along = torch.stack([field, torch.zeros_like(field)])
            return potential(replace(system, positions=positions, field=along).strained(strain)).energy_long

        derivatives_of(energy, system.positions, 0.02 * random(5, 2, 3, 3), 0.1 * random(6, 3))

    def test_field(self) -> None:
        """dE/dfield = -dipole and dF/dfield = Born charges, in a field."""
        potential, system = self.potential(), molecules()
        field = 0.3 * random(7, 2, 3)
        positions, along = system.positions.clone().requires_grad_(), field.requires_grad_()
        inside = replace(system, positions=positions, field=along)
        output = potential(inside)
        slope, gradient = torch.autograd.grad(output.energy.sum(), [along, positions], create_graph=True)
        step = random(10, 2, 3)
        measured = central(lambda h: potential(replace(system, field=field.detach() + h * step)).energy)
        close((slope * step).sum(1), measured, 1e-7)
        assert output.dipole is not None
        if self.conjugate:
            close(-slope, output.dipole, 1e-10)
        else:
            assert (slope + output.dipole).abs().max() > 1e-2
        born = born_charges(potential, replace(inside, field=field.detach()))
        for axis in range(3):
            (turned,) = torch.autograd.grad(-gradient[:, axis].sum(), along, retain_graph=True)
            close(segment.total(born[:, :, axis], system.index, 2), turned, 1e-9)
        assert born.abs().amax(0).min() > 1e-3

    def test_born_charges(self) -> None:
        """Rows are polarizations, columns displacements: against finite differences; they sum to the charge."""
        potential, system = self.potential(), molecules()
        step = random(8, *system.positions.shape)
        born = born_charges(potential, system)
        measured = central(lambda h: self.moment(potential, replace(system, positions=system.positions + h * step)))
        close(segment.total(torch.einsum("nab,nb->na", born, step), system.index, 2), measured, 1e-8)
        _, density = self.evaluate(system)
        charge = self.charge(density, system)[:, None, None] * torch.eye(3, dtype=torch.float64)
        close(segment.total(born, system.index, 2), charge, 1e-10)

    def test_polarizability(self) -> None:
        """d(-dE/dfield)/dfield in a field, in Å^3: against finite differences, and symmetric."""
        potential, system = self.potential(), molecules()
        field, step = 0.3 * random(7, 2, 3), random(11, 2, 3)
        found = polarizability(potential, replace(system, field=field))
        measured = central(lambda h: self.moment(potential, replace(system, field=field + h * step)))
        close(torch.einsum("sab,sb->sa", found, step), COULOMB * measured, 1e-7)
        close(found, found.mT, 1e-10)
        assert bool((found.abs().amax((1, 2)) > 1e-3).all()) == self.responds

    def test_maxwell_relation(self) -> None:
        """d(-dE/dfield)/dQ = -dmu/dfield with mu = dE/dQ, both against finite differences of first derivatives."""
        potential, system = self.potential(), molecules()
        step = random(12, 2, 3)

        def level(h: float) -> Tensor:
            inside = replace(system, field=system.field + h * step)
            found = forces(potential, inside, stress=False, chemical_potential=True).chemical_potential
            assert found is not None
            return found

        added = central(lambda h: self.moment(potential, replace(system, charge=system.charge + h)))
        close((added * step).sum(1), -central(level), 1e-6)
        assert added.abs().amax(1).min() > 1e-3

    def test_force_training(self) -> None:
        """Derivative of a loss of forces by the weights of the backbone and of the charge model."""
        system = batch()

        def loss(potential: Potential, create_graph: bool = False) -> Tensor:
            return forces(potential, system, create_graph=create_graph).forces.square().sum()

        self.weights_follow(loss)

    def test_born_training(self) -> None:
        """Derivative of a loss of Born charges by the weights of the backbone and of the charge model."""
        system = molecules()

        def loss(potential: Potential, create_graph: bool = False) -> Tensor:
            return born_charges(potential, system, create_graph=create_graph).square().sum()

        self.weights_follow(loss)

    def weights_follow(self, loss: Callable[..., Tensor]) -> None:
        """Assert that d loss/d weights matches finite differences along a direction, and does not vanish."""
        potential = self.potential()
        for part in (potential.backbone, potential.charges):
            assert part is not None
            weights = list(part.parameters())
            steps = [random(9 + n, *weight.shape) for n, weight in enumerate(weights)]
            gradients = torch.autograd.grad(loss(potential, create_graph=True), weights, allow_unused=True)
            along = sum((g * step).sum() for g, step in zip(gradients, steps, strict=True) if g is not None)

            def moved(h: float, part: torch.nn.Module = part, steps: list[Tensor] = steps) -> Tensor:
                with shifted(part, steps, h):
                    return loss(potential).detach()

            measured = central(moved, 1e-4)
            assert abs(measured) > 1e-3
            close(torch.as_tensor(along), measured, 1e-6)
