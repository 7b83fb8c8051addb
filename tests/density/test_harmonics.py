"""Solid harmonics: unit moments, and how they turn."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from leyden.density.harmonics import (
    derivatives,
    from_second_moments,
    multi_indices,
    rotation,
    second_moments,
    solid_harmonics,
)
from leyden.testing.numeric import close, random


def quadrature() -> tuple[Tensor, Tensor]:
    """Nodes (n, 3) and weights (n,) of a normalised Gaussian of unit width, exact for polynomials to degree 11."""
    x, w = (torch.from_numpy(each) for each in np.polynomial.hermite_e.hermegauss(6))
    weights = torch.cartesian_prod(w, w, w).prod(1)
    return torch.cartesian_prod(x, x, x), weights / weights.sum()


def multipole_densities(r: Tensor) -> Tensor:
    """phi_lm of unit width at r (n, 3) relative to their Gaussian, (9, n): derivatives by the position are Hermite."""
    hermite = [torch.ones_like(r), r, r * r - 1]
    rows = [torch.stack([hermite[a[axis]][:, axis] for axis in range(3)]).prod(0) for a in multi_indices(2)]
    return derivatives(2, r) @ torch.stack(rows)


def test_unit_moments() -> None:
    """int phi_lm C_l'm' is one for the same l and m, else zero."""
    r, weights = quadrature()
    close((multipole_densities(r) * weights) @ solid_harmonics(r, 2), torch.eye(9, dtype=torch.float64), 1e-12)


def test_second_moments() -> None:
    """int phi r r of the l = 2 functions: symmetric, traceless."""
    r, weights = quadrature()
    moments = torch.einsum("mn,ni,nj->mij", multipole_densities(r)[4:] * weights, r, r)
    close(second_moments(r), moments, 1e-12)
    close(moments.diagonal(dim1=1, dim2=2).sum(1), torch.zeros(5).double(), 1e-12)
    assert moments.abs().amax((1, 2)).min() > 0.5


def test_from_second_moments() -> None:
    """The traceless second moments of a density of l = 2 functions give its coefficients back."""
    coefficients = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moments = torch.einsum("nm,mij->nij", coefficients, second_moments(coefficients))
    close(from_second_moments(moments), coefficients, 1e-14)


def test_order() -> None:
    """Charge; x, y, z; xz, xy, yy, yz, zz - xx: at (1, 2, 3), by hand. A lower lmax is a prefix."""
    root = 3.0**0.5
    by_hand = [1.0, 1.0, 2.0, 3.0, 3 * root, 2 * root, 4 - 5.0, 6 * root, root / 2 * 8]
    values = solid_harmonics(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), 2)
    close(values, torch.tensor(by_hand, dtype=torch.float64), 1e-14)
    for lmax, other in product(range(3), random(0, 4, 3)):
        close(solid_harmonics(other, lmax), solid_harmonics(other, 2)[: (lmax + 1) ** 2], 1e-14)


def test_harmonic() -> None:
    """C_lm solve Laplace's equation: the mean over a sphere of a point's surroundings is the value at the point."""
    point, step = random(1, 1, 3), torch.cat([torch.eye(3), -torch.eye(3)]).double()
    close(solid_harmonics(point + step, 2).mean(0), solid_harmonics(point[0], 2), 1e-14)


@pytest.mark.parametrize("lmax", [0, 1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["rotation", "reflection"])
def test_rotation(sign: float, lmax: int) -> None:
    """C(R r) = D C(r); D is orthogonal, and D of a product is the product of D."""
    first, second = (sign * torch.linalg.qr(random(seed, 3, 3)).Q for seed in (2, 3))
    turn, r = rotation(first, lmax), random(4, 7, 3)
    close(solid_harmonics(r @ first.T, lmax), solid_harmonics(r, lmax) @ turn.T, 1e-13)
    close(turn @ turn.T, torch.eye((lmax + 1) ** 2, dtype=torch.float64), 1e-13)
    close(rotation(first @ second, lmax), turn @ rotation(second, lmax), 1e-13)


def test_multi_indices() -> None:
    """All of them, lower orders first."""
    assert [len(multi_indices(order)) for order in range(4)] == [1, 4, 10, 20]
    assert multi_indices(2)[:4] == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert multi_indices(3)[:10] == multi_indices(2)
