"""From one accuracy, the relative force error, to cutoffs; and from measured costs to the cheapest method."""

import math

import torch
from torch import Tensor

from leyden.density.basis import GaussianBasis

TAPER_START = 0.92
"""The smooth truncation of plane waves begins at this fraction of the cutoff."""
PAIR_TAPER_START = 0.9
"""The same for the distances of the pair part."""
NARROW = 0.4
SPLIT = (0.6, 0.75, 0.9)
"""Å, of lmax 0, 1, 2; where a basis has widths below NARROW, the lattice sum takes them for SPLIT, and close pairs add
the rest. Narrower is faster, but higher multipoles of narrower Gaussians have more roundoff."""


def reciprocal_cutoff(accuracy: float, source: Tensor, receiver: Tensor, lmax: int) -> Tensor:
    """Largest wave number (S,) in 1/Å, of Gaussians of widths source and receiver (S,) Å.

    The error falls as exp(-k^2 (s_i^2 + s_j^2) / 2).
    """
    margin = (1.0 + 0.06 * lmax) / math.sqrt(TAPER_START)
    return margin * (-2.0 * math.log(accuracy) / (source**2 + receiver**2)).sqrt()


def widened(basis: GaussianBasis) -> float:
    """Width (Å) below which the lattice sum does not go; 0 where no width of the basis is narrow."""
    return SPLIT[basis.lmax] if basis.narrowest < NARROW else 0.0


def pair_cutoff(accuracy: float, width: float, lmax: int) -> float:
    """Distance (Å) beyond which two Gaussians of a width are points: the error falls as exp(-r^2 / 4 sigma^2).

    Higher multipoles see derivatives of the taper, too.
    """
    return 2.0 * width * math.sqrt(3.0 * lmax - math.log(accuracy)) / PAIR_TAPER_START


def reach(accuracy: float, width: Tensor, lmax: int) -> Tensor:
    """Distance (S,) in Å within which two Gaussians of the widest width (S,) do not act as points."""
    return 2.0 * width * math.sqrt(-math.log(accuracy)) * (1.0 + 0.1 * lmax) + width


def pair_taper(square: Tensor, cutoff: float, count: int) -> list[Tensor]:
    """D^n t of a switch t(r^2) from 1 to 0 below the cutoff, D = -2 d/d(r^2), n < count; all of them twice smooth."""
    start, stop = (PAIR_TAPER_START * cutoff) ** 2, cutoff**2
    x = ((square - start) / (stop - start)).clamp(0.0, 1.0)
    polynomial, out = _switch(count + 1), []
    for _ in range(count):
        value = torch.full_like(x, polynomial[-1])
        for coefficient in reversed(polynomial[:-1]):
            value = torch.addcmul(x.new_tensor(coefficient), value, x)
        out.append(value)
        polynomial = [-2.0 / (stop - start) * n * c for n, c in enumerate(polynomial)][1:]
    return out


def _switch(smooth: int) -> list[float]:
    """Coefficients of 1 - x^(m + 1) sum_k C(m + k, k) C(2 m + 1, m - k) (-x)^k, with m flat derivatives at 0 and 1."""
    m = smooth
    rise = [math.comb(m + k, k) * math.comb(2 * m + 1, m - k) * (-1.0) ** k for k in range(m + 1)]
    return [1.0, *[0.0] * m, *(-c for c in rise)]
