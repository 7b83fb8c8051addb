"""Reciprocal: the contract in three periodic directions, a slow exact sum, and the accuracy that was asked for."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import Coulomb, GaussianBasis, System
from leyden.coulomb import reciprocal
from leyden.testing.numeric import random
from leyden.testing.operator import PeriodicOperatorContract
from leyden.testing.operator.case import FRAMES, WIDTHS
from leyden.units import COULOMB


class TestReciprocalCharges(PeriodicOperatorContract):
    coulomb = Coulomb(method="reciprocal")
    lmax = 0


class TestReciprocalDipoles(TestReciprocalCharges):
    lmax = 1


def step(square: Tensor, cutoff: Tensor) -> Tensor:
    """A sharp cutoff."""
    return (square < cutoff * cutoff).to(square)


def ramp(square: Tensor, cutoff: Tensor) -> Tensor:
    """A continuous cutoff with kinks."""
    return ((1.0 - square / cutoff**2) / 0.15).clamp(0.0, 1.0)


@pytest.mark.parametrize("sharp", [step, ramp])
def test_smoothness_is_tested(sharp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract's test of smoothness fails for an energy with jumps, and for one with kinks."""
    monkeypatch.setattr(reciprocal, "taper", sharp)
    with pytest.raises(AssertionError):
        TestReciprocalCharges().test_smooth_in_the_cell()


def naive(atoms: Atoms, density: np.ndarray, widths: np.ndarray, top: int = 9) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy, V p and dE/dr by a plain sum over waves up to `top` in each direction, background included."""
    charges, dipoles = density[:, 0], density[:, 1:] if density.shape[1] > 1 else np.zeros((len(density), 3))
    inverse, volume = np.linalg.inv(atoms.cell.array), abs(np.linalg.det(atoms.cell.array))
    energy, felt, gradient = 0.0, np.zeros((len(atoms), 4)), np.zeros((len(atoms), 3))
    for m in np.ndindex(2 * top + 1, 2 * top + 1, 2 * top + 1):
        if m == (top, top, top):
            continue
        k = 2 * math.pi * inverse @ (np.array(m) - top)
        wave = np.exp(1j * atoms.positions @ k - 0.5 * widths**2 * (k @ k))
        source = (charges + 1j * dipoles @ k) * wave
        green = 4 * math.pi * COULOMB / volume / (k @ k)
        back = green * wave * source.sum().conj()
        energy += 0.5 * green * abs(source.sum()) ** 2
        felt[:, 0] += back.real
        felt[:, 1:] += (1j * back[:, None] * k).real
        gradient += (1j * (charges + 1j * dipoles @ k) * back)[:, None].real * k
    strength, second = -2 * math.pi * COULOMB / volume, (charges * widths**2).sum()
    energy += strength * charges.sum() * second
    felt[:, 0] += strength * (second + charges.sum() * widths**2)
    return energy, felt[:, : density.shape[1]], gradient


@pytest.mark.parametrize("lmax", [0, 1])
@pytest.mark.parametrize("number", [0, 1], ids=["neutral", "charged"])
def test_slow_sum(number: int, lmax: int) -> None:
    """Triclinic cells, different widths: energy, potential and forces of a plain sum over complex exponentials."""
    atoms, contract = Atoms(FRAMES[number], pbc=True), TestReciprocalCharges()
    density = contract.density().split([4, 3])[number]
    if lmax:
        density = torch.cat([density, 0.4 * random(9, len(atoms), 3)], 1)
    widths = np.array([WIDTHS[z] for z in atoms.numbers])
    energy, felt, gradient = naive(atoms, density.numpy(), widths)
    system = System.from_ase(atoms)
    positions = system.positions.clone().requires_grad_()
    bound = Coulomb(1e-13).bind(replace(system, positions=positions), GaussianBasis(WIDTHS, lmax))
    total = bound.energy(density)
    (slope,) = torch.autograd.grad(total.sum(), positions)
    assert total.item() == pytest.approx(energy, rel=1e-10)
    np.testing.assert_allclose(bound.apply(density).detach().numpy(), felt, rtol=0, atol=1e-9)
    np.testing.assert_allclose(slope.numpy(), gradient, rtol=0, atol=1e-9)
    assert np.abs(gradient).max() > 0.1


def ionic() -> tuple[Atoms, list[float]]:
    """32 ions at random, at least 2 Å apart."""
    rng, edge = np.random.default_rng(0), 10.0
    positions = np.empty((0, 3))
    while len(positions) < 32:
        new = rng.uniform(0, edge, 3)
        apart = positions - new
        if not (np.linalg.norm(apart - edge * np.round(apart / edge), axis=1) < 2.0).any():
            positions = np.vstack([positions, new])
    return Atoms("NaCl" * 16, positions, cell=[edge] * 3, pbc=True), [1.0, -1.0] * 16


def water() -> tuple[Atoms, list[float]]:
    """27 molecules, turned at random."""
    rng, edge = np.random.default_rng(1), 9.3
    box = Atoms(cell=[edge] * 3, pbc=True)
    for place in np.ndindex(3, 3, 3):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        molecule = np.array([[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]]) @ turn
        box += Atoms("OH2", molecule + (np.array(place) + 0.5) * edge / 3 + 0.1 * rng.normal(size=3))
    return box, [-0.8, 0.4, 0.4] * 27


@pytest.mark.parametrize("lmax", [0, 1])
@pytest.mark.parametrize("box", [ionic, water])
def test_accuracy(box: object, lmax: int) -> None:
    """The relative force error is what was asked for, within a factor of three, and not a waste of waves either."""
    atoms, charges = box()  # type: ignore[operator]
    system, basis = System.from_ase(atoms), GaussianBasis(lmax=lmax)
    density = torch.tensor(charges, dtype=torch.float64)[:, None]
    density = torch.cat([density, 0.2 * random(1, len(atoms), basis.dim - 1)], 1)

    def forces(accuracy: float) -> Tensor:
        positions = system.positions.clone().requires_grad_()
        energy = Coulomb(accuracy).bind(replace(system, positions=positions), basis).energy(density)
        return torch.autograd.grad(energy.sum(), positions)[0]

    exact = forces(1e-12)
    assert exact.abs().max() > 0.1
    for accuracy in (1e-3, 1e-5, 1e-7):
        error = ((forces(accuracy) - exact).norm() / exact.norm()).item()
        assert accuracy / 30 < error < 3 * accuracy


def test_a_batch_may_mix_elements() -> None:
    """A narrow element elsewhere in the batch does not change how far the sum of a structure goes."""
    wide, narrow = (
        System.from_ase(Atoms(e, [[0, 0, 0], [1.5, 0, 0.3]], cell=[4.0] * 3, pbc=True)) for e in ("Cl2", "H2")
    )
    density, coulomb, basis = torch.tensor([[1.0], [-1.0]]).double(), Coulomb(1e-3), GaussianBasis(WIDTHS)
    together = coulomb.bind(System.join([wide, narrow]), basis).energy(density.repeat(2, 1))
    alone = [coulomb.bind(s, basis).energy(density) for s in (wide, narrow)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-12, atol=0.0)
    assert (alone[0] - Coulomb(1e-12).bind(wide, basis).energy(density)).abs() > 1e-6
