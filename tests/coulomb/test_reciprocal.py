"""Reciprocal: the contract of a Coulomb operator, a slow exact sum, and a batch of different elements."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import Coulomb, GaussianBasis, System
from leyden.coulomb import plane_waves
from leyden.density.harmonics import solid_harmonics
from leyden.testing.operator import (
    BulkOperatorContract,
    OpenOperatorContract,
    SlabOperatorContract,
    WireOperatorContract,
)
from leyden.testing.operator.case import FRAMES, WIDTHS
from leyden.units import COULOMB

WAVES = Coulomb(1e-9, "reciprocal")
NARROW = {1: 0.2, 8: 0.3, 11: 0.65, 17: 0.8}


class TestBulkCharges(BulkOperatorContract):
    coulomb, tolerance = WAVES, 1e-9
    lmax = 0


class TestBulkQuadrupoles(BulkOperatorContract):
    coulomb, tolerance = WAVES, 1e-9
    lmax, shells = 2, 2


class TestSlabDipoles(SlabOperatorContract):
    coulomb, tolerance = WAVES, 1e-9
    lmax, shells = 1, 2


class TestSlabNarrow(SlabOperatorContract):
    """With the sum over close pairs that narrow Gaussians need."""

    coulomb, tolerance = WAVES, 3e-8
    lmax, widths = 2, NARROW


class TestWire(WireOperatorContract):
    coulomb, tolerance = Coulomb(1e-7, "reciprocal"), 3e-7
    lmax = 1


class TestOpen(OpenOperatorContract):
    coulomb, tolerance = Coulomb(1e-5, "reciprocal"), 3e-5
    lmax = 2


def step(square: Tensor, cutoff: Tensor) -> Tensor:
    """A sharp cutoff."""
    return (square < cutoff * cutoff).to(square)


def ramp(square: Tensor, cutoff: Tensor) -> Tensor:
    """A continuous cutoff with kinks."""
    return ((1.0 - square / cutoff**2) / 0.15).clamp(0.0, 1.0)


@pytest.mark.parametrize("sharp", [step, ramp])
def test_smoothness_is_tested(sharp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract's test of smoothness fails for an energy with jumps, and for one with kinks."""
    monkeypatch.setattr(plane_waves, "taper", sharp)
    with pytest.raises(AssertionError):
        TestBulkCharges().test_smooth_in_the_cell()


def naive(atoms: Atoms, density: np.ndarray, widths: np.ndarray, top: int = 9) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy, V p and dE/dr by a plain sum over waves up to `top` in each direction, background included.

    The Fourier transform of a multipole is (ik)^l C_lm(k) / (2l - 1)!!, with the signs of exp(ik.r).
    """
    volume = abs(np.linalg.det(atoms.cell.array))
    m = np.array([n for n in np.ndindex(*[2 * top + 1] * 3) if n != (top, top, top)]) - top
    k = 2 * math.pi * m @ np.linalg.inv(atoms.cell.array).T
    square, degree = (k * k).sum(1), np.array([0, 1, 1, 1, 2, 2, 2, 2, 2])[: density.shape[1]]
    harmonics = solid_harmonics(torch.as_tensor(k), 2).numpy()[:, : len(degree)]
    form = 1j**degree * harmonics / np.array([1, 1, 3])[degree]
    wave = np.exp(1j * k @ atoms.positions.T - 0.5 * widths**2 * square[:, None])
    green = 4 * math.pi * COULOMB / volume / square
    source = form @ density.T * wave
    back = (green * source.sum(1).conj())[:, None] * wave
    energy = 0.5 * (green * abs(source.sum(1)) ** 2).sum()
    felt = np.einsum("kn,ka->na", back, form).real
    gradient = np.einsum("kn,kn,kx->nx", 1j * (form @ density.T), back, k).real
    strength, second = -2 * math.pi * COULOMB / volume, (density[:, 0] * widths**2).sum()
    felt[:, 0] += strength * (second + density[:, 0].sum() * widths**2)
    return energy + strength * density[:, 0].sum() * second, felt, gradient


@pytest.mark.parametrize("lmax", [0, 2])
@pytest.mark.parametrize("number", [0, 1], ids=["neutral", "charged"])
def test_slow_sum(number: int, lmax: int) -> None:
    """Triclinic cells, different widths: energy, potential and forces of a plain sum over complex exponentials."""
    contract = TestOpen()
    atoms = Atoms(FRAMES[number], pbc=True)
    density = contract.density().split([4, 3])[number][:, : (lmax + 1) ** 2]
    widths = np.array([WIDTHS[z] for z in atoms.numbers])
    energy, felt, gradient = naive(atoms, density.numpy(), widths)
    system = System.from_ase(atoms)
    positions = system.positions.clone().requires_grad_()
    bound = Coulomb(1e-12, "reciprocal").bind(replace(system, positions=positions), GaussianBasis(WIDTHS, lmax))
    total = bound.energy(density)
    (slope,) = torch.autograd.grad(total.sum(), positions)
    assert total.item() == pytest.approx(energy, rel=1e-9)
    np.testing.assert_allclose(bound.apply(density).detach().numpy(), felt, rtol=0, atol=1e-8)
    np.testing.assert_allclose(slope.numpy(), gradient, rtol=0, atol=1e-8)
    assert np.abs(gradient).max() > 0.1


def test_a_batch_may_mix_elements() -> None:
    """A narrow element elsewhere in the batch does not change how far the sum of a structure goes."""
    wide, narrow = (
        System.from_ase(Atoms(e, [[0, 0, 0], [1.5, 0, 0.3]], cell=[4.0] * 3, pbc=True)) for e in ("Cl2", "H2")
    )
    density, coulomb, basis = torch.tensor([[1.0], [-1.0]]).double(), Coulomb(1e-3, "reciprocal"), GaussianBasis(WIDTHS)
    together = coulomb.bind(System.join([wide, narrow]), basis).energy(density.repeat(2, 1))
    alone = [coulomb.bind(s, basis).energy(density) for s in (wide, narrow)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-12, atol=0.0)
    assert (alone[0] - Coulomb(1e-12, "reciprocal").bind(wide, basis).energy(density)).abs() > 1e-6
