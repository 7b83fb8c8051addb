"""Normal modes of charges on springs, where they are known, and Hessians against finite differences of forces."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.optimize import BFGS
from torch import Tensor

from leyden.backbones.backbone import Backbone
from leyden.baseline import Baseline
from leyden.calculators import LeydenCalculator
from leyden.charges import Equilibration, Local
from leyden.checks import InputError
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.features import Channels, Features
from leyden.neighbors import Graph
from leyden.potential import Potential
from leyden.properties import born_charges, dipole
from leyden.properties.correlation import Transform
from leyden.properties.spectra import infrared
from leyden.properties.vibrations import (
    NormalModes,
    hessian,
    infrared_intensities,
    modes,
    normal_modes,
    raman_activities,
)
from leyden.properties.wavenumber import AMU, INTENSITY, LIGHT, wavenumber
from leyden.system import System
from leyden.testing.assembly import assembled, batch
from leyden.testing.backbone import MOLECULE
from leyden.testing.numeric import central, close
from leyden.units import COULOMB

STIFFNESS, LENGTH, WIDTH = 30.0, 1.2, 0.5
KT = 8.617333262e-5 * 300.0


class Springs(Backbone):
    """Bonds of one length between atoms closer than the cutoff; charges see how close the others are."""

    elements, channels = (1, 6, 8), Channels(1, 0, 0)

    def __init__(self, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff

    def forward(self, graph: Graph) -> Features:
        energy = graph.gather(STIFFNESS / 4 * (graph.lengths - LENGTH) ** 2)
        scalars = graph.gather(torch.exp(-(graph.lengths**2)))[:, None]
        vectors = scalars.new_zeros(len(energy), 3, 0)
        return Features(energy, scalars, vectors, vectors[:, None])


def springs(charges: dict[int, float], cutoff: float = 1.8, slope: float = 0.0) -> Potential:
    """Charges of elements, which change with the distances by a slope."""
    torch.manual_seed(0)
    model = Local(Springs.channels, Springs.elements, GaussianBasis(WIDTH), "free", self_interaction=False, hidden=4)
    model.double()
    with torch.no_grad():
        model.charge.bias.copy_(torch.tensor([charges.get(z, 0.0) for z in Springs.elements], dtype=torch.float64))
        model.charge.layers[2].weight.mul_(slope)
    return Potential(Springs(cutoff), model, Coulomb(), Baseline({}))


def pair(distance: float) -> System:
    direction = np.array([1.0, 2.0, -0.5]) / np.linalg.norm([1.0, 2.0, -0.5])
    return System.from_ase(Atoms("CO", [[0.3, 0.1, 0.0], [0.3, 0.1, 0.0] + distance * direction]))


def masses_of(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def test_two_charges_on_a_spring() -> None:
    """sqrt(k / mu) with the curvature of the spring and of the Coulomb energy; intensity q^2 / mu."""
    q, distance, mu = 0.4, 1.17, 12.0 * 16.0 / 28.0
    potential, system = springs({6: q, 8: -q}), pair(distance)

    def slope(h: float) -> Tensor:
        r = torch.tensor(distance + h, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(-(q**2) * COULOMB * torch.erf(r / (2 * WIDTH)) / r, r)[0]

    found = normal_modes(potential, system, masses_of(12.0, 16.0))
    curvature = (STIFFNESS + central(slope, 1e-3)).item()
    assert abs(curvature - STIFFNESS) > 0.1
    assert found.wavenumbers.shape == (1,)
    exact = math.sqrt(curvature / (mu * AMU)) / (2 * math.pi * LIGHT)
    assert found.wavenumbers[0] == pytest.approx(exact, rel=1e-8)
    intensity = infrared_intensities(found, born_charges(potential, system))
    assert intensity == pytest.approx([INTENSITY * q**2 / mu], rel=1e-8)


def test_linear_molecule_of_three_atoms() -> None:
    """Two bends without stiffness, sqrt(k / m_O) without intensity, sqrt(k (1/m_O + 2/m_C)) with (2 q)^2 / mu."""
    line = System.from_ase(Atoms("OCO", [[0, 0, -LENGTH], [0, 0, 0], [0, 0, LENGTH]]))
    neutral, charged = springs({}), springs({6: 0.6, 8: -0.3})
    found = normal_modes(neutral, line, masses_of(16.0, 12.0, 16.0))
    exact = wavenumber(np.array([0.0, 0.0, STIFFNESS / 16, STIFFNESS * (1 / 16 + 2 / 12)]))
    assert found.wavenumbers == pytest.approx(exact, abs=1e-4) and found.warning is None
    mu = 32.0 * 12.0 / 44.0
    intensities = infrared_intensities(found, born_charges(charged, line))
    assert intensities[2] == pytest.approx(0.0, abs=1e-9)
    assert intensities[3] == pytest.approx(INTENSITY * 0.36 / mu, rel=1e-8)


def test_imaginary_modes_are_negative() -> None:
    """A spring pressed across its axis pushes outwards: the bend of a line under pressure."""
    pressed = System.from_ase(Atoms("OCO", [[0, 0, -1.1], [0, 0, 0], [0, 0, 1.1]]))
    found = normal_modes(springs({}), pressed)
    assert len(found.wavenumbers) == 4
    assert (found.wavenumbers[:2] < -100).all() and (found.wavenumbers[2:] > 100).all()
    assert found.warning is not None and found.warning.startswith("expected forces below 0.01 eV/Å, got 3")


@pytest.fixture(scope="module")
def water() -> tuple[Potential, System, NormalModes]:
    """Charges that change with the distances; relaxed."""
    potential = springs({1: 0.3, 8: -0.6}, cutoff=6.0, slope=5.0)
    atoms = Atoms("OH2", [[0.0, 0.0, 0.0], [0.96, 0.2, 0.1], [-0.24, 0.93, 0.0]])
    atoms.calc = LeydenCalculator(potential)
    BFGS(atoms, logfile=None).run(fmax=1e-7)
    system = System.from_ase(atoms)
    return potential, system, normal_modes(potential, system)


def test_translations_and_rotations_have_no_curvature_at_rest(water: tuple[Potential, System, NormalModes]) -> None:
    """So that projecting them out leaves what the whole matrix has besides six zeros."""
    _, system, found = water
    root = found.masses.sqrt().repeat_interleave(3)
    whole = wavenumber(torch.linalg.eigvalsh(found.hessian / (root[:, None] * root)).numpy())
    assert np.abs(whole[:6]).max() < 0.5 and found.wavenumbers.shape == (3,)
    np.testing.assert_allclose(found.wavenumbers, whole[6:], rtol=1e-6)
    assert found.wavenumbers.min() > 1000 and found.force < 1e-6
    weighted = found.masses.sqrt()[:, None]
    unit = torch.eye(3, dtype=torch.float64)
    gram = torch.einsum("kna,lna->kl", found.directions, found.directions)
    close(gram, unit, 1e-12)
    assert (weighted * found.directions).sum(1).abs().max() < 1e-12
    turned = torch.linalg.cross(system.positions.expand_as(found.directions), weighted * found.directions)
    assert turned.sum(1).abs().max() < 1e-10


def test_intensities_are_slopes_of_the_dipole(water: tuple[Potential, System, NormalModes]) -> None:
    potential, system, found = water
    born = born_charges(potential, system)
    intensities = infrared_intensities(found, born)
    for move, intensity in zip(found.displacements, intensities, strict=True):
        slope = central(
            lambda h, move=move: dipole(potential, replace(system, positions=system.positions + h * move)).detach()
        )
        assert intensity == pytest.approx(INTENSITY * slope.square().sum().item(), rel=1e-6)
    assert intensities.max() > 10.0


def test_a_classical_spectrum_has_these_bands(water: tuple[Potential, System, NormalModes]) -> None:
    """Modes that swing with k T each absorb, by the current of their trajectory, what their intensities say."""
    potential, system, found = water
    born = born_charges(potential, system)
    time = 0.25 * np.arange(20000)
    omega = 2 * math.pi * LIGHT * found.wavenumbers
    rates = math.sqrt(2 * KT / AMU) * np.cos(omega * time[:, None] + np.arange(3))
    current = np.einsum("nab,knb,tk->ta", born.numpy(), found.displacements.numpy(), rates)
    spectrum = infrared(current, Transform(0.25, 25.0), 300.0)
    for nu, intensity in zip(found.wavenumbers, infrared_intensities(found, born), strict=True):
        near = abs(spectrum.wavenumbers - nu) < 80
        band = np.trapezoid(spectrum.intensity[near], spectrum.wavenumbers[near])
        assert band == pytest.approx(intensity, rel=0.03, abs=0.5)


@pytest.mark.parametrize("charges", [Local, Equilibration])
def test_hessian_is_the_derivative_of_the_forces(charges: type) -> None:
    """Through the charges, solved ones too; the same for any number of copies at a time."""
    potential = assembled(lambda c, e: charges(c, e, GaussianBasis(0.6), hidden=4))
    system = System.from_ase(MOLECULE, charge=1)
    found = hessian(potential, system, atoms=50)
    close(found, found.mT, 1e-8)
    for atom, axis in ((0, 1), (5, 2)):
        step = torch.zeros_like(system.positions)
        step[atom, axis] = 1.0
        row = central(
            lambda h, step=step: -forces(potential, replace(system, positions=system.positions + h * step)).forces
        )
        close(found[3 * atom + axis], row.flatten(), 1e-7)
    one = hessian(potential, system, atoms=1) if charges is Local else found
    close(one, found, 1e-9)
    assert normal_modes(potential, system).wavenumbers.shape == (15,)


def test_crystal_keeps_its_rotations(potential: Potential) -> None:
    system = batch().split()[1]
    found = normal_modes(potential, system)
    assert found.wavenumbers.shape == (3 * len(system.positions) - 3,)


def test_single_precision() -> None:
    exact, system = normal_modes(springs({6: 0.4, 8: -0.4}), pair(1.17)), pair(1.17).to(dtype=torch.float32)
    rough = normal_modes(springs({6: 0.4, 8: -0.4}).float(), system)
    assert rough.directions.dtype == torch.float32 and len(rough.wavenumbers) == 1
    np.testing.assert_allclose(rough.wavenumbers, exact.wavenumbers, rtol=1e-4)


def test_one_atom_has_no_modes() -> None:
    values, directions = modes(torch.zeros(3, 3), torch.ones(1, 3), torch.ones(1))
    assert values.shape == (0,) and directions.shape == (0, 1, 3)


def test_raman_activity_of_a_pair() -> None:
    """alpha = c r r along the bond: a' = 2 c r / 3, gamma' = 2 c r, so 48 (c r)^2 / mu; copies in any number."""
    c, r, mu = 0.8, LENGTH, 12.0 * 16.0 / 28.0
    found = normal_modes(springs({}), pair(r), masses_of(12.0, 16.0))

    def polarizability(system: System) -> Tensor:
        bond = system.positions.view(-1, 2, 3).diff(dim=1)[:, 0]
        return 2.0 * torch.eye(3, dtype=torch.float64) + c * bond[:, :, None] * bond[:, None]

    assert raman_activities(found, polarizability) == pytest.approx([48 * (c * r) ** 2 / mu], rel=1e-9)
    three = normal_modes(springs({}), System.from_ase(Atoms("OCO", [[0, 0, -r], [0, 0, 0], [0, 0, r]])))

    def breathing(system: System) -> Tensor:
        spread = system.positions.view(-1, 3, 3).square().sum((1, 2))
        return spread[:, None, None] * torch.eye(3, dtype=torch.float64)

    many, few = (raman_activities(three, breathing, atoms=atoms) for atoms in (1000, 1))
    np.testing.assert_allclose(many, few, atol=1e-10)
    slope = 2 * r * math.sqrt(2 / three.masses[0].item())
    assert many == pytest.approx([0.0, 0.0, 45 * slope**2, 0.0], abs=1e-6)


def test_mistakes(potential: Potential) -> None:
    with pytest.raises(InputError, match="hessian: expected one structure, got 4"):
        hessian(potential, batch())
    with pytest.raises(InputError, match=r"masses: expected shape \(2\), got \(3,\)"):
        normal_modes(potential, pair(1.2), torch.ones(3))
