"""Comparisons that the contract suites share: closeness, finite differences, reproducible random numbers."""

from collections.abc import Callable

import torch
from torch import Tensor


def random(seed: int, *shape: int) -> Tensor:
    """Reproducible normal deviates, float64."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Assert equality to a tolerance relative to the largest expected entry (or one, where that is larger)."""
    scale = max(1.0, expected.detach().abs().max().item() if expected.numel() else 0.0)
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=tolerance * scale)


def central(f: Callable[[float], Tensor], h: float = 2e-4) -> Tensor:
    """f'(0) by the five-point rule, error of order h^4."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def derivatives_of(function: Callable[..., Tensor], *inputs: Tensor) -> None:
    """First and second derivatives of a function against finite differences."""
    free = tuple(x.detach().clone().requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(function, free, atol=1e-6, rtol=1e-6, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, free, atol=1e-5, rtol=1e-5, fast_mode=True)
