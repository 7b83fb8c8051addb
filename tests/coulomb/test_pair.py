"""Two Gaussians: Boys functions and multipole interactions against high-precision values."""

import math

import mpmath as mp
import pytest
import torch

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


@pytest.mark.parametrize(
    "r", [(1.1, -0.7, 0.4), (0.02, 0.01, -0.03), (3.0, 4.0, -5.0)], ids=["near", "overlapping", "far"]
)
def test_multipoles(r: tuple[float, float, float]) -> None:
    """Charge-charge, charge-dipole and dipole-dipole of different widths: derivatives of k_e erf(a r) / r."""
    first, second = 0.6, 0.85
    with mp.workdps(40):
        a = 1 / mp.sqrt(2 * (mp.mpf(first) ** 2 + mp.mpf(second) ** 2))

        def kernel(*d: mp.mpf) -> mp.mpf:
            distance = mp.sqrt(sum(x * x for x in d))
            return mp.mpf(COULOMB) * mp.erf(a * distance) / distance

        def derivative(*orders: int) -> float:
            return float(mp.diff(kernel, [mp.mpf(x) for x in r], orders))

        unit = [tuple(int(x == axis) for x in range(3)) for axis in range(3)]
        slope = torch.tensor([derivative(*u) for u in unit], dtype=torch.float64)
        curvature = torch.tensor(
            [[derivative(*(x + y for x, y in zip(u, v, strict=True))) for v in unit] for u in unit], dtype=torch.float64
        )
        value = float(kernel(*(mp.mpf(x) for x in r)))
    system = System(
        torch.tensor([r, (0.0, 0.0, 0.0)], dtype=torch.float64), torch.tensor([1, 2]), torch.zeros(1, 3, 3).double(),
        torch.zeros(1, 3, dtype=torch.bool), torch.zeros(2, dtype=torch.long), *torch.zeros(2, 1).double(),
        torch.zeros(1, 3).double(),
    )  # fmt: skip
    block = Coulomb().bind(system, GaussianBasis({1: first, 2: second}, 1)).dense()[:4, 4:]
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[0, 0], expected[0, 1:], expected[1:, 0], expected[1:, 1:] = value, -slope, slope, -curvature
    torch.testing.assert_close(block, expected, rtol=1e-12, atol=1e-12)
    assert expected.abs().min() > 1e-6


def test_self_interaction() -> None:
    """1/2 p.V.p of one Gaussian: q^2 k_e / (2 sqrt(pi) sigma), and mu^2 k_e / (12 sqrt(pi) sigma^3)."""
    widths = torch.tensor([0.3, 0.7, 2.0], dtype=torch.float64)
    half = 0.5 * self_interaction(widths, 4)
    charge = COULOMB / (2 * math.sqrt(math.pi) * widths)
    dipole = COULOMB / (12 * math.sqrt(math.pi) * widths**3)
    torch.testing.assert_close(half, torch.stack([charge, dipole, dipole, dipole], 1), rtol=1e-14, atol=0.0)
    assert self_interaction(widths, 1).shape == (3, 1)
