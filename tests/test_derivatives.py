"""Derivatives of the potential: forces, stress, Hessian; finite differences of long and short range apart."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from leyden.charges import (
    Equilibration,
    Local,
    Response,
    SpinEquilibration,
    SplitChargeEquilibration,
    SymmetricResponse,
    Variational,
)
from leyden.charges.model import ChargeModel
from leyden.density import GaussianBasis
from leyden.derivatives import forces, hessian_vector
from leyden.neighbors import neighbor_list
from leyden.potential import Potential
from leyden.system import System
from leyden.testing.assembly import assembled, batch
from leyden.testing.backbone import MOLECULE
from leyden.testing.charges.derivatives import shifted
from leyden.testing.numeric import central, close, random

PERIODIC, OPEN = [1, 3], [0, 2]
MODELS = [
    Local, Equilibration, SpinEquilibration, SplitChargeEquilibration, Variational, SymmetricResponse, Response,
]  # fmt: skip


def with_charges(model: type[ChargeModel]) -> Potential:
    return assembled(lambda channels, elements: model(channels, elements, GaussianBasis(0.6), hidden=4))  # type: ignore[call-arg]


def test_every_component_of_the_force(potential: Potential) -> None:
    system = System.from_ase(MOLECULE, charge=-1)
    found = forces(potential, system).forces
    for atom in range(7):
        for axis in range(3):
            step = torch.zeros_like(system.positions)
            step[atom, axis] = 1.0
            slope = central(
                lambda h, step=step: potential(replace(system, positions=system.positions + h * step)).energy
            )
            close(-found[atom, axis], slope[0], 1e-7)


def test_every_component_of_the_stress(potential: Potential) -> None:
    """Symmetric, per volume, and not that of the short range alone; NaN for the open structures of the batch."""
    system = batch()
    found = forces(potential, system).stress
    assert found[OPEN].isnan().all() and torch.isfinite(found[PERIODIC]).all()
    close(found[PERIODIC], found[PERIODIC].mT, 1e-14)
    long_range = torch.zeros(4, 3, 3, dtype=torch.float64)
    for a in range(3):
        for b in range(a + 1):
            step = torch.zeros(4, 3, 3, dtype=torch.float64)
            step[:, a, b] += 0.5
            step[:, b, a] += 0.5

            def parts(h: float, step: Tensor = step) -> Tensor:
                output = potential(system.strained(h * step))
                return torch.stack([output.energy, output.energy_long])

            whole, part = central(parts) / system.volume
            close(found[PERIODIC, a, b], whole[PERIODIC], 1e-7)
            long_range[:, a, b] = part
    assert long_range[PERIODIC].abs().amax((1, 2)).min() > 1e-4


def test_stress_is_the_derivative_of_the_energy_by_the_volume(potential: Potential) -> None:
    """Trace: dE/dV at fixed fractional coordinates."""
    system = batch().split()[1]

    def energy(volume: float) -> Tensor:
        scale = torch.full((1, 1, 1), (1 + volume / system.volume.item()) ** (1 / 3) - 1, dtype=torch.float64)
        return potential(system.strained(scale * torch.eye(3, dtype=torch.float64))).energy[0]

    stress = forces(potential, system).stress
    close(stress[0].trace() / 3, central(energy, 1e-2), 1e-8)


def test_short_range_model(short_range: Potential) -> None:
    system = batch()
    found = forces(short_range, system)
    assert found.forces.abs().max() > 1e-2 and found.stress[PERIODIC].abs().max() > 1e-5
    assert found.output.density is None and found.output.solution is None


def test_forces_sum_to_zero(potential: Potential) -> None:
    system = batch()
    total = torch.zeros(4, 3, dtype=torch.float64).index_add(0, system.index, forces(potential, system).forces)
    assert total.abs().max() < 1e-10


def test_without_stress(potential: Potential) -> None:
    system = batch()
    without = forces(potential, system, stress=False)
    assert without.stress is None
    close(without.forces, forces(potential, system).forces, 1e-12)


def test_given_pairs(potential: Potential) -> None:
    system = batch()
    pairs = neighbor_list(system, potential.backbone.cutoff)
    assert torch.equal(forces(potential, system, pairs).forces, forces(potential, system).forces)


def test_results_carry_a_graph_only_when_asked(potential: Potential) -> None:
    system = batch()
    plain, training = forces(potential, system), forces(potential, system, create_graph=True)
    for tensor in (
        plain.forces,
        plain.stress,
        plain.output.energy,
        plain.output.density,
        plain.output.solution.density,
    ):
        assert not tensor.requires_grad
    for tensor in (training.forces, training.stress, training.output.energy, training.output.dipole):
        assert tensor.requires_grad
    close(plain.forces, training.forces, 1e-13)
    assert not system.positions.requires_grad


def test_hessian_is_symmetric_and_free_of_translations(potential: Potential) -> None:
    system = System.from_ase(MOLECULE, charge=1)
    count = system.positions.numel()
    columns = [hessian_vector(potential, system, unit.view(-1, 3)).flatten() for unit in torch.eye(count).double()]
    hessian = torch.stack(columns)
    close(hessian, hessian.T, 1e-10)
    assert hessian.view(count, 7, 3).sum(1).abs().max() < 1e-9 * hessian.abs().max()
    assert hessian.abs().max() > 0.1


@pytest.mark.parametrize("model", MODELS)
def test_chemical_potential(model: type[ChargeModel]) -> None:
    """dE/dQ of charged and neutral structures, and its derivative by the weights of backbone and charge model."""
    potential, system = with_charges(model), batch()

    def found(create_graph: bool = False) -> Tensor:
        return forces(potential, system, create_graph=create_graph, chemical_potential=True).chemical_potential

    def energy(h: float) -> Tensor:
        return potential(replace(system, charge=system.charge + h)).energy

    mu = found()
    close(mu, central(energy, 1e-3), 1e-7)
    assert mu.abs().min() > 1e-3
    for part in (potential.backbone, potential.charges):
        weights = list(part.parameters())
        steps = [random(9 + n, *weight.shape) for n, weight in enumerate(weights)]
        slopes = torch.autograd.grad(found(create_graph=True).square().sum(), weights, allow_unused=True)
        along = sum((g * step).sum() for g, step in zip(slopes, steps, strict=True) if g is not None)

        def moved(h: float, part: torch.nn.Module = part, steps: list[Tensor] = steps) -> Tensor:
            with shifted(part, steps, h):
                return found().square().sum()

        measured = central(moved, 1e-4)
        assert measured.abs() > 1e-3
        close(along, measured, 1e-6)


@pytest.mark.parametrize("model", [Equilibration, Variational])
def test_the_multiplier_is_the_chemical_potential_at_fixed_features(model: type[ChargeModel]) -> None:
    """Equal but for that of the reference, where features do not know the charge, and only there."""
    potential, system = with_charges(model), batch()
    charging = potential.baseline.charging
    one = forces(potential, system, chemical_potential=True)
    assert (one.chemical_potential - charging - one.output.solution.potential).abs().min() > 1e-2
    potential.conditioned = False
    two = forces(potential, system, chemical_potential=True)
    close(two.chemical_potential, charging + two.output.solution.potential, 1e-8)
    assert charging > 1.0


def test_without_chemical_potential(potential: Potential) -> None:
    assert forces(potential, batch()).chemical_potential is None
