"""Distant forces against Gaussian charges summed by hand, over images too; zero where the backbone sees everything."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import Equilibration, Local
from leyden.charges.model import ChargeModel
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties.identifiability import distant_forces, identifiability
from leyden.system import System
from leyden.testing.assembly import assembled, batch, molecules
from leyden.testing.numeric import close, random
from leyden.units import COULOMB

WIDTH = 0.6


def charged(model: type[ChargeModel] = Local, lmax: int = 0) -> Potential:
    """Charges, or charges and dipoles, on a small random backbone."""
    return assembled(lambda c, e: model(c, e, GaussianBasis(WIDTH, lmax), hidden=4))  # type: ignore[call-arg]


def shell(system: System, charges: Tensor, inner: float, outer: float) -> Tensor:
    """Forces (N, 3) between Gaussian charges at distances from inner to outer (Å), pair by pair and image by image."""
    out, a = torch.zeros_like(system.positions), 1 / (2 * WIDTH)
    for i, j, image in images(system):
        r = system.positions[i] - system.positions[j] - image
        d = torch.linalg.vector_norm(r)
        if inner < d <= outer:
            slope = torch.erf(a * d) / d - 2 * a / math.sqrt(math.pi) * torch.exp(-((a * d) ** 2))
            out[i] += COULOMB * charges[i] * charges[j] * slope * r / d**2
    return out


def images(system: System) -> Iterator[tuple[int, int, Tensor]]:
    """Pairs of atoms of one structure with the lattice vectors between them."""
    for i, j in product(range(len(system.index)), repeat=2):
        structure = system.index[i]
        if structure == system.index[j]:
            reach = [range(-4, 5) if periodic else range(1) for periodic in system.pbc[structure].tolist()]
            for n in product(*reach):
                yield i, j, torch.tensor(n, dtype=torch.float64) @ system.cell[structure]


def test_two_ions_beyond_the_reach() -> None:
    """Exactly Coulomb's law of two Gaussians."""
    system = System.from_ase(Atoms("OH", [[0.0, 0.0, 0.0], [2.0, 6.0, 3.0]]), charge=-1)
    potential = charged()
    found = distant_forces(potential, system, 6.0)
    close(found, shell(system, potential(system).charges.detach(), 6.0, 8.0), 1e-10)
    assert found.abs().max() > 1e-3 and not found.requires_grad


def test_nothing_beyond_a_reach_that_holds_all() -> None:
    system = System.from_ase(Atoms("OH", [[0.0, 0.0, 0.0], [2.0, 6.0, 3.0]]), charge=-1)
    assert distant_forces(charged(), system, 7.1).abs().max() < 1e-12
    assert distant_forces(charged(Local, 1), molecules(), 20.0).abs().max() < 1e-12


@pytest.mark.parametrize("model", [Local, Equilibration])
def test_shell_between_two_reaches(model: type[ChargeModel]) -> None:
    """Open and periodic structures in a batch; images within the shell count."""
    potential, system = charged(model), batch()
    found = distant_forces(potential, system, 1.8) - distant_forces(potential, system, 5.0)
    close(found, shell(system, potential(system).charges.detach(), 1.8, 5.0), 1e-9)
    assert found.abs().max() > 1e-2


def test_all_pairs_are_the_coulomb_energy_of_fixed_dipoles() -> None:
    potential, system = charged(Local, 1), batch()
    density = potential(system).density.detach()
    positions = system.positions.clone().requires_grad_()
    energy = potential.coulomb.bind(replace(system, positions=positions), potential.charges.basis).energy(density)
    close(distant_forces(potential, system, 0.1), -torch.autograd.grad(energy.sum(), positions)[0], 1e-12)


def test_ratio_to_the_errors() -> None:
    """Errors of a known size, of a batch in which some structures have nothing beyond the reach."""
    potential, system, noise = charged(), batch(), random(5, len(batch().index), 3)
    reference = forces(potential, system, stress=False).forces - 0.02 * noise
    expected = distant_forces(potential, system, 3.0).norm() / (0.02 * noise.norm())
    assert identifiability(potential, system, reference, 3.0) == pytest.approx(expected.item(), rel=1e-9)
    assert identifiability(potential, system, reference, 6.0) < expected


def test_refused(short_range: Potential) -> None:
    with pytest.raises(InputError, match="distant_forces: expected a model with charges, got a short-range one"):
        distant_forces(short_range, molecules(), 3.0)
    with pytest.raises(InputError, match="reach: expected a distance in Å above 0, got 0"):
        distant_forces(charged(), molecules(), 0.0)
