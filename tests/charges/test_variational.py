"""Variational: the contract of a charge model; equality with Equilibration without bends; convexity; one minimum."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from leyden.charges import Equilibration
from leyden.charges.convex import ConvexEnergy
from leyden.charges.equilibration import SOFTEST, isolated
from leyden.charges.model import ChargeModel
from leyden.charges.variational import Variational
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.features import Channels
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.solve import Plane, Settings, Status, Unconverged
from leyden.testing.assembly import assembled, batch, molecules
from leyden.testing.charges import ChargeModelContract
from leyden.testing.numeric import close, derivatives_of, random


class TestCharges(ChargeModelContract):
    size_consistent = False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return Variational(channels, elements, GaussianBasis(0.6), hidden=4, terms=3)


class TestDipoles(ChargeModelContract):
    size_consistent = False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return Variational(channels, elements, GaussianBasis(0.6, 1), hidden=4, terms=3)


def variational(lmax: int, settings: Settings | None = None) -> Potential:
    """Charges, or charges and dipoles, in a whole potential."""
    return assembled(lambda c, e: Variational(c, e, GaussianBasis(0.6, lmax), 4, 3, settings))


def straight(lmax: int) -> tuple[Potential, Potential]:
    """Equilibration, and Variational with the same quadratic part and no bends."""
    quadratic = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6, lmax), hidden=4))
    bent = variational(lmax)
    bent.backbone.load_state_dict(quadratic.backbone.state_dict())
    local = bent.charges.local
    local.quadratic.load_state_dict(quadratic.charges.state_dict())
    with torch.no_grad():
        local.bends.bias[:, :3] = -1e4
        if lmax:
            local.polar.bias[:, 0] = -1e4
    return quadratic, bent


@pytest.mark.parametrize("lmax", [0, 1])
def test_without_bends_it_is_equilibration(lmax: int) -> None:
    """Energies, densities, forces, stress, Born charges; and with bends none of them."""
    quadratic, bent = straight(lmax)
    one, two, other = (forces(potential, batch()) for potential in (quadratic, bent, variational(lmax)))
    for a, b, c in (
        (one.output.energy_long, two.output.energy_long, other.output.energy_long),
        (one.output.density, two.output.density, other.output.density),
        (one.forces, two.forces, other.forces),
        (one.stress[[1, 3]], two.stress[[1, 3]], other.stress[[1, 3]]),
    ):
        close(b, a, 1e-9)
        assert (c - a).abs().max() > 1e-3
    close(born_charges(bent, molecules()), born_charges(quadratic, molecules()), 1e-9)


def energies(lmax: int, count: int = 40) -> tuple[ConvexEnergy, Tensor]:
    """Random convex energies of atoms, some strongly bent, and densities."""
    dim = (lmax + 1) ** 2
    root = random(1, count, dim, dim)
    if lmax:
        root[:, 0, 1:] = root[:, 1:, 0] = 0.0
    stiffness = root @ root.mT + SOFTEST * torch.eye(dim, dtype=torch.float64)
    dipole = (10 * random(5, count, 1).abs(), 0.1 + random(6, count, 1).abs()) if lmax else None
    weight, steepness, offset = 10 * random(3, count, 5).abs(), 4 * random(4, count, 5), random(7, count, 5)
    local = ConvexEnergy(random(2, count, dim), stiffness, weight, steepness, offset, dipole)
    return local, random(8, count, dim)


@pytest.mark.parametrize("lmax", [0, 1])
def test_force_and_curvature_are_the_derivatives_of_the_energy(lmax: int) -> None:
    local, density = energies(lmax)
    derivatives_of(local.energy, density)
    p = density.clone().requires_grad_()
    (slope,) = torch.autograd.grad(local.energy(p).sum(), p, create_graph=True)
    close(local.force(density), slope.detach(), 1e-12)
    columns = [torch.autograd.grad(slope[:, a].sum(), p, retain_graph=True)[0] for a in range(p.shape[1])]
    close(local.curvature(density), torch.stack(columns, 1), 1e-12)


@pytest.mark.parametrize("lmax", [0, 1])
@pytest.mark.parametrize("size", [1e-2, 1.0, 1e3])
def test_energy_of_an_atom_is_convex(lmax: int, size: float) -> None:
    """Eigenvalues of the curvature are not below those of J, near and far; far away J alone is left."""
    local, density = energies(lmax)
    curvature, lowest = local.curvature(size * density), torch.linalg.eigvalsh(local.stiffness)[:, 0]
    assert lowest.min() >= SOFTEST - 1e-9
    assert (torch.linalg.eigvalsh(curvature)[:, 0] > lowest - 1e-9).all()
    more = (curvature - local.stiffness).abs().amax((1, 2)).median()
    assert more > 1.0 if size < 1e3 else more < 0.1


@pytest.mark.parametrize("lmax", [0, 1])
def test_lowest_of_all_densities_with_the_charge(lmax: int) -> None:
    """Any other density on the plane has a higher energy, and the solution does not depend on the start."""
    potential, system = variational(lmax), molecules()
    output = potential(system)
    charges, shape = potential.charges, output.density.shape
    for seed in range(3):
        again = potential(system, start=3 * random(seed, *shape))
        close(again.density, output.density, 1e-9)
        close(again.energy, output.energy, 1e-12)
    assert potential(system, start=output.density.detach()).solution.iterations.max() == 0
    assert output.solution.status == (Status.CONVERGED,) * 2 and output.solution.curvature.min() > SOFTEST
    assert charges.terms == 3


@pytest.mark.parametrize("lmax", [0, 1])
def test_first_density_is_that_of_isolated_atoms(lmax: int) -> None:
    """On the plane, with chi + J p the same for all charges of a structure and zero for dipoles."""
    local, _ = energies(lmax, 7)
    plane = Plane((0,), torch.tensor([0] * 5 + [1] * 2), torch.tensor([1.0, -1.0]).double(), torch.tensor([True, True]))
    density = isolated(local.chi, local.stiffness, plane)
    force = local.chi + torch.einsum("nab,nb->na", local.stiffness, density)
    close(plane.tangent(force), torch.zeros_like(force), 1e-12)
    close(plane.charge(density), plane.total, 1e-12)


@pytest.mark.parametrize("lmax", [0, 1])
def test_response_is_not_linear(lmax: int) -> None:
    """Dipoles in strong fields: equilibration answers in proportion, bends do not."""
    system = molecules()

    def uneven(potential: Potential) -> Tensor:
        dipole = [
            potential(replace(system, field=torch.full_like(system.field, size))).dipole for size in (-4.0, 0.0, 4.0)
        ]
        assert (dipole[2] - dipole[1]).abs().max() > 0.1
        return (dipole[0] + dipole[2] - 2 * dipole[1]).abs().max()

    quadratic, _ = straight(lmax)
    assert uneven(quadratic) < 1e-8 and uneven(variational(lmax)) > 1e-3


def test_too_few_iterations_are_said() -> None:
    with pytest.raises(Unconverged, match="allow more iterations"):
        variational(0, Settings(iterations=1))(batch())
    reported = variational(0, Settings(iterations=1, unconverged="report"))(batch()).solution
    assert Status.LIMIT in reported.status and reported.failed.any()


def test_weights_that_are_not_finite_are_said() -> None:
    potential = variational(0)
    with torch.no_grad():
        potential.charges.local.bends.bias[0, 0] = torch.nan
    with pytest.raises(Unconverged, match="not finite"):
        potential(batch())


def test_what_cannot_be_built_is_said() -> None:
    with pytest.raises(InputError, match="at least one term"):
        Variational(Channels(4, 0, 0), (1,), GaussianBasis(), terms=0)
    with pytest.raises(InputError, match="vector features"):
        Variational(Channels(4, 0, 0), (1,), GaussianBasis(lmax=1))
