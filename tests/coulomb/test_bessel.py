"""Bessel functions against mpmath, with derivatives of high order."""

from collections.abc import Callable

import mpmath
import pytest
import torch
from torch import Tensor

from leyden.coulomb.bessel import bessel_j, bessel_k
from leyden.testing.numeric import derivatives_of

X = torch.cat([torch.logspace(-3, 1, 17), torch.linspace(4.0, 30.0, 27), torch.linspace(40.0, 100.0, 7)]).double()


def reference(function: Callable[..., object], order: int, x: Tensor) -> Tensor:
    return torch.tensor([float(function(order, mpmath.mpf(value))) for value in x.tolist()], dtype=torch.float64)


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize(("dtype", "j", "k"), [(torch.float64, 2e-15, 3e-15), (torch.float32, 1e-6, 1e-6)])
def test_values(dtype: torch.dtype, j: float, k: float, order: int) -> None:
    x = X.to(dtype)
    torch.testing.assert_close(bessel_j(order, x).double(), reference(mpmath.besselj, order, x), rtol=0.0, atol=j)
    x = x[x < 80]
    torch.testing.assert_close(bessel_k(order, x).double(), reference(mpmath.besselk, order, x), rtol=k, atol=0.0)


@pytest.mark.parametrize("order", [0, 1])
def test_derivatives(order: int) -> None:
    """Twice, on both sides of the change from integral to expansion, and at zero."""
    derivatives_of(lambda x: bessel_j(order, x), torch.tensor([0.0, 1e-3, 2.0, 24.9, 25.1, 70.0]).double())
    derivatives_of(lambda x: bessel_k(order, x), torch.tensor([0.3, 2.0, 9.0]).double())


@pytest.mark.parametrize("order", [0, 1])
def test_derivatives_at_zero(order: int) -> None:
    """The even and odd series of J_0 and J_1 to x^5."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    derivative, found = bessel_j(order, x), []
    for _ in range(5):
        derivative = torch.autograd.grad(derivative, x, create_graph=True)[0]
        found.append(derivative.item())
    assert found == pytest.approx([[0, -1 / 2, 0, 3 / 8, 0], [1 / 2, 0, -3 / 8, 0, 5 / 16]][order], abs=1e-14)


def test_underflow() -> None:
    """K and its derivatives are zero far out, not NaN."""
    x = torch.tensor([800.0, 1e30], dtype=torch.float64, requires_grad=True)
    for order in (0, 1):
        value = bessel_k(order, x)
        gradient = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
        curvature = torch.autograd.grad(gradient.sum(), x)[0]
        assert not torch.stack([value, gradient, curvature]).any()
