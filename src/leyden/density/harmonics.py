"""Real solid harmonics C_lm, l <= 2, as polynomials: they turn multipole moments into derivatives of a Gaussian.

phi_lm(r) = (-1)^l C_lm(d/dr) g(r) / (2l - 1)!! has the unit moment int phi_lm C_lm = 1, and its Fourier transform is
(-ik)^l C_lm(k/|k|) |k|^l exp(-sigma^2 k^2 / 2) / (2l - 1)!!. C_lm are normalised as by Racah, C_10 = z; l = 1 in the
order (x, y, z), l = 2 in the order xz, xy, yy, yz, zz - xx:

    sqrt(3) xz,  sqrt(3) xy,  y^2 - (x^2 + z^2) / 2,  sqrt(3) yz,  sqrt(3)/2 (z^2 - x^2).
"""

import math
from functools import cache
from itertools import product

import torch
from torch import Tensor

_ROOT = math.sqrt(3.0)
_POLYNOMIALS: list[dict[tuple[int, int, int], float]] = [
    {(0, 0, 0): 1.0},
    {(1, 0, 0): 1.0},
    {(0, 1, 0): 1.0},
    {(0, 0, 1): 1.0},
    {(1, 0, 1): _ROOT},
    {(1, 1, 0): _ROOT},
    {(0, 2, 0): 1.0, (2, 0, 0): -0.5, (0, 0, 2): -0.5},
    {(0, 1, 1): _ROOT},
    {(0, 0, 2): _ROOT / 2, (2, 0, 0): -_ROOT / 2},
]
_DOUBLE_FACTORIAL = (1.0, 1.0, 3.0)


@cache
def multi_indices(order: int) -> list[tuple[int, int, int]]:
    """All (a_x, a_y, a_z) with sum at most `order`, lower orders first, so that a shorter list is a prefix."""
    degrees = range(order + 1)
    every = [(x, y, z) for x, y, z in product(degrees, degrees, degrees) if x + y + z <= order]
    return sorted(every, key=lambda a: (sum(a), tuple(-n for n in a)))


def derivatives(lmax: int, like: Tensor) -> Tensor:
    """D ((lmax + 1)^2, number of multi-indices up to lmax): phi_lm = sum_a D[lm, a] d^a g, by the atom's position."""
    places = {a: n for n, a in enumerate(multi_indices(lmax))}
    out = like.new_zeros((lmax + 1) ** 2, len(places))
    for row in range(len(out)):
        for powers, factor in _POLYNOMIALS[row].items():
            out[row, places[powers]] = factor / _DOUBLE_FACTORIAL[sum(powers)]
    return out


def solid_harmonics(vectors: Tensor, lmax: int) -> Tensor:
    """C_lm of vectors (..., 3): (..., (lmax + 1)^2)."""
    x, y, z = vectors.unbind(-1)
    rows = [sum(f * x**a * y**b * z**c for (a, b, c), f in p.items()) for p in _POLYNOMIALS[: (lmax + 1) ** 2]]
    return torch.stack([r * torch.ones_like(x) for r in rows], -1)


def second_moments(like: Tensor) -> Tensor:
    """T (5, 3, 3): the moments int rho r r of the five l = 2 functions, symmetric and traceless."""
    out = like.new_zeros(5, 3, 3)
    for m in range(5):
        for powers, factor in _POLYNOMIALS[4 + m].items():
            i, j = [axis for axis in range(3) for _ in range(powers[axis])]
            out[m, i, j] += factor / 3.0
            out[m, j, i] += factor / 3.0
    return out


def from_second_moments(moments: Tensor) -> Tensor:
    """Coefficients (N, 5) of the l = 2 functions with symmetric traceless second moments (N, 3, 3)."""
    return 1.5 * torch.einsum("nij,mij->nm", moments, second_moments(moments))


def rotation(matrix: Tensor, lmax: int) -> Tensor:
    """How density coefficients turn with positions r -> matrix r: block-diagonal ((lmax + 1)^2, (lmax + 1)^2)."""
    blocks = [matrix.new_ones(1, 1), matrix][: lmax + 1]
    if lmax > 1:
        t = second_moments(matrix)
        blocks.append(torch.einsum("mij,ik,jl,nkl->mn", t, matrix, matrix, t) * 1.5)
    return torch.block_diag(*blocks)
