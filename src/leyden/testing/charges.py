"""Contract of a charge model as a test suite: inherit ChargeModelContract in tests/charges/, supply make, nothing else.

The model stands in a whole potential with a small backbone. Of the density p and the energy E that follow,

    sum_i q_i = Q,    q(R x) = q(x),    mu(R x) = R mu(x),    dipole = -dE/dfield,    Z* = d dipole/dr = dF/dfield,

every derivative, those that training takes of forces and Born charges by the weights included, matches finite
differences, and a batch gives what its structures give one by one, whatever their charges and boundary conditions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from leyden import segment
from leyden.charges.model import ChargeModel
from leyden.density import total_charge
from leyden.derivatives import forces, hessian_vector
from leyden.features import Channels
from leyden.potential import Output, Potential
from leyden.properties import born_charges
from leyden.system import System
from leyden.testing.assembly import HYDROGENS, assembled, batch, molecules
from leyden.testing.backbone import MOLECULE
from leyden.testing.numeric import central, close, derivatives_of, random


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


class ChargeModelContract(ABC):
    """Inherit, name the class Test..., and implement make."""

    conserves = True
    """Whether the charges of a structure sum to its total charge."""
    conjugate = True
    """Whether the dipole of the density is -dE/dfield: the energy is stationary in it, or it does not see the field."""

    @abstractmethod
    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        """A small untrained charge model; the suite seeds torch and adds noise to the weights."""

    def potential(self, dtype: torch.dtype = torch.float64) -> Potential:
        """The model under test with its backbone, the same weights for every test and dtype."""
        return assembled(self.make).to(dtype)

    def evaluate(self, system: System) -> tuple[Output, Tensor]:
        """Output of the model under test, and its density (N, dim)."""
        output = self.potential()(system)
        assert output.density is not None
        return output, output.density

    def moment(self, potential: Potential, system: System) -> Tensor:
        """-dE/dfield, (S, 3)."""
        field = system.field.clone().requires_grad_()
        return -torch.autograd.grad(potential(replace(system, field=field)).energy.sum(), field)[0]

    def charge(self, density: Tensor, system: System) -> Tensor:
        """Of each structure, (S,) e."""
        charges = self.potential().charges
        assert charges is not None
        return total_charge(density, system, charges.basis)

    def test_not_trivial(self) -> None:
        """Shapes; charges and dipoles depend on the surroundings, and the long-range energy on them."""
        system = batch()
        output, density = self.evaluate(system)
        charges = self.potential().charges
        assert charges is not None and density.shape == (len(system.positions), charges.basis.dim)
        assert output.solution is not None
        assert output.solution.iterations.shape == output.solution.residual.shape == (system.count,)
        assert (density[HYDROGENS].std(0) > 1e-3).all()
        assert (density.abs().amax(0) > 1e-2).all()
        assert (output.energy_long.abs() > 1e-3).all()

    def test_total_charge(self) -> None:
        """Charges sum to the total charge of each structure, or, of a model that leaves it free, they do not."""
        system = batch()
        _, density = self.evaluate(system)
        error = (self.charge(density, system) - system.charge).abs()
        assert error.max() < 1e-10 if self.conserves else error.min() > 1e-3

    @pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
    def test_orthogonal(self, sign: int) -> None:
        """Energies and charges are invariant, dipoles of atoms and structures turn along."""
        system, turn = batch(), torch.linalg.qr(random(1, 3, 3)).Q
        turn = turn * torch.linalg.det(turn).sign() * sign
        turned = replace(system, positions=system.positions @ turn.T, cell=system.cell @ turn.T)
        (a, before), (b, after) = self.evaluate(system), self.evaluate(turned)
        assert a.dipole is not None and b.dipole is not None
        close(b.energy, a.energy, 1e-12)
        close(b.dipole, a.dipole @ turn.T, 1e-10)
        large = torch.block_diag(torch.ones(1, 1, dtype=torch.float64), turn)[: before.shape[1], : before.shape[1]]
        close(after, before @ large.T, 1e-10)

    def test_translation(self) -> None:
        """Nothing depends on the origin but the dipole of what is charged."""
        system, step = batch(), torch.tensor([3.0, -2.0, 7.0], dtype=torch.float64)
        moved = replace(system, positions=system.positions + step)
        (a, before), (b, after) = self.evaluate(system), self.evaluate(moved)
        assert a.dipole is not None and b.dipole is not None
        close(b.energy, a.energy, 1e-12)
        close(after, before, 1e-10)
        close(b.dipole, a.dipole + self.charge(before, system)[:, None] * step, 1e-10)

    def test_permutation(self) -> None:
        """Reordering the atoms of a structure reorders its density."""
        order = [3, 0, 6, 1, 5, 2, 4]
        (a, before), (b, after) = (self.evaluate(System.from_ase(atoms)) for atoms in (MOLECULE, MOLECULE[order]))
        close(b.energy, a.energy, 1e-12)
        close(after, before[order], 1e-10)

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
        step = random(4, *system.positions.shape)

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

    def test_batch_equals_singles(self) -> None:
        """Structures do not see each other, whatever their charges and boundary conditions."""
        potential, system = self.potential(), batch()
        whole, parts = potential(system), [potential(single) for single in system.split()]
        assert whole.density is not None
        close(whole.energy_long, torch.cat([part.energy_long for part in parts]), 1e-10)
        close(whole.density, torch.cat([part.density for part in parts]), 1e-12)
        close(whole.dipole, torch.cat([part.dipole for part in parts]), 1e-12)

    def test_single_precision(self) -> None:
        """float32 agrees with float64: density, long-range energy and forces."""
        found = [forces(self.potential(dtype), batch(dtype)) for dtype in (torch.float32, torch.float64)]
        rough, exact = found
        assert rough.output.density is not None and rough.output.density.dtype == torch.float32
        assert rough.output.energy.dtype == torch.float64
        for a, b in (
            (rough.output.density, exact.output.density),
            (rough.output.energy_long, exact.output.energy_long),
            (rough.forces, exact.forces),
        ):
            assert b is not None
            close(a.double(), b, 1e-4)
