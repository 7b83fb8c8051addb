"""Two Gaussians: Boys functions and multipole interactions against high-precision values."""

import functools
import itertools
import math

import mpmath as mp
import pytest
import torch
from ase import Atoms

from leyden import Coulomb, GaussianBasis, System
from leyden.coulomb.pair import SERIES_BELOW, Boys, self_interaction
from leyden.units import COULOMB

NEAR = [SERIES_BELOW * (1 + step) for step in (-1e-3, -1e-12, 0.0, 1e-12, 1e-3)]
X = [0.0, 1e-300, 1e-15, 1e-6, 1e-2, 0.3, 0.99, 1.0, 1.01, 1.5, 2.0, *NEAR, 3.0, 4.0, 6.0, 10.0, 16.0, 25.0, 40.0, 60.0]


def exact_boys(order: int, x: float) -> mp.mpf:
    """F_n(x) by Kummer's function."""
    return mp.hyp1f1(mp.mpf(order) + 0.5, mp.mpf(order) + 1.5, -mp.mpf(x)) / (2 * order + 1)


@pytest.mark.parametrize("order", range(7))
def test_boys(order: int) -> None:
    """All orders from 0 to 6, on both sides of the threshold of the series, to 1e-13."""
    values = Boys.apply(torch.tensor(X, dtype=torch.float64), 6)[order]
    with mp.workdps(40):
        for x, value in zip(X, values.tolist(), strict=True):
            assert abs(value / exact_boys(order, x) - 1) < 1e-13, f"F_{order}({x})"


def test_boys_derivatives() -> None:
    """d^n F_0 / dx^n = (-1)^n F_n, each derivative taken by differentiating the last."""
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    value = Boys.apply(x, 0)[0]
    for order in range(1, 6):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        with mp.workdps(40):
            exact = [(-1) ** order * float(exact_boys(order, entry)) for entry in X]
        torch.testing.assert_close(value.detach(), torch.tensor(exact, dtype=torch.float64), rtol=1e-13, atol=0.0)


def test_boys_single_precision() -> None:
    """float32 agrees on both sides of the threshold."""
    x = torch.tensor(X)
    torch.testing.assert_close(Boys.apply(x, 6).double(), Boys.apply(x.double(), 6), rtol=1e-4, atol=0.0)


ROOT = math.sqrt(3.0)
MULTIPOLES: list[dict[tuple[int, int, int], float]] = [
    {(0, 0, 0): 1.0},
    {(1, 0, 0): 1.0},
    {(0, 1, 0): 1.0},
    {(0, 0, 1): 1.0},
    {(1, 0, 1): 1 / ROOT},
    {(1, 1, 0): 1 / ROOT},
    {(0, 2, 0): 1 / 3, (2, 0, 0): -1 / 6, (0, 0, 2): -1 / 6},
    {(0, 1, 1): 1 / ROOT},
    {(0, 0, 2): 0.5 / ROOT, (2, 0, 0): -0.5 / ROOT},
]
"""Unit multipoles as combinations of derivatives of a Gaussian by its position."""
NEAR_R, FAR_R, OVERLAPPING = (1.1, -0.7, 0.4), (3.0, 4.0, -5.0), (0.02, 0.01, -0.03)


def exact_tensor(r: tuple[float, float, float], first: float, second: float) -> torch.Tensor:
    """Interaction (9, 9) of unit multipoles at r and at the origin: derivatives of k_e erf(a d) / d at 40 digits."""
    with mp.workdps(40):
        square = 2 * (mp.mpf(first) ** 2 + mp.mpf(second) ** 2)

        def kernel(*d: mp.mpf) -> mp.mpf:
            distance = mp.sqrt(sum(x * x for x in d))
            return mp.mpf(COULOMB) * (mp.erf(distance / mp.sqrt(square)) if square else 1) / distance

        @functools.cache
        def derivative(*orders: int) -> float:
            return float(mp.diff(kernel, [mp.mpf(x) for x in r], orders))

        out = torch.zeros(9, 9, dtype=torch.float64)
        for (i, left), (j, right) in itertools.product(enumerate(MULTIPOLES), repeat=2):
            for (a, u), (b, v) in itertools.product(left.items(), right.items()):
                out[i, j] += (-1) ** sum(b) * u * v * derivative(*(x + y for x, y in zip(a, b, strict=True)))
    return out


@pytest.mark.parametrize(
    ("r", "first", "second"),
    [
        (NEAR_R, 0.6, 0.85),
        (OVERLAPPING, 0.6, 0.85),
        (FAR_R, 0.6, 0.85),
        (NEAR_R, 0.0, 0.0),
        (FAR_R, 0.0, 0.0),
        (NEAR_R, 0.0, 0.85),
        (OVERLAPPING, 0.0, 0.85),
    ],
)
def test_multipoles(r: tuple[float, float, float], first: float, second: float) -> None:
    """Charges, dipoles and quadrupoles of different widths, points among them."""
    system = System.from_ase(Atoms("HHe", [r, (0.0, 0.0, 0.0)]))
    block = Coulomb(method="direct").bind(system, GaussianBasis({1: first, 2: second}, 2)).dense()[:9, 9:]
    expected = exact_tensor(r, first, second)
    torch.testing.assert_close(block, expected, rtol=1e-11, atol=1e-12 * expected.abs().max().item())
    assert expected.abs().amax(1).min() > 1e-5


def test_self_interaction() -> None:
    """1/2 p.V.p of one Gaussian: charge, dipole and quadrupole; nothing of a point."""
    widths = torch.tensor([0.3, 0.7, 2.0], dtype=torch.float64)
    half = 0.5 * self_interaction(widths, 2)
    charge = COULOMB / (2 * math.sqrt(math.pi) * widths)
    dipole = COULOMB / (12 * math.sqrt(math.pi) * widths**3)
    quadrupole = COULOMB / (120 * math.sqrt(math.pi) * widths**5)
    rows = [charge, *[dipole] * 3, *[quadrupole] * 5]
    torch.testing.assert_close(half, torch.stack(rows, 1), rtol=1e-13, atol=0.0)
    single = Coulomb(method="direct").bind(System.from_ase(Atoms("H")), GaussianBasis(0.7, 2)).dense()
    torch.testing.assert_close(single, torch.diag(2 * half[1]), rtol=1e-13, atol=1e-13)
    assert self_interaction(widths, 0).shape == (3, 1)
    assert not self_interaction(torch.zeros(2), 2).any()
