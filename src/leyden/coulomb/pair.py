"""Two Gaussians: T(r) = k_e erf(a r) / r and its derivatives, a = 1 / sqrt(2 (sigma_i^2 + sigma_j^2)).

B_0 = erf(a r) / r and B_{n+1} = -(1/r) dB_n/dr are Boys functions, B_n = 2/sqrt(pi) 2^n a^(2n+1) F_n(a^2 r^2), finite
and smooth at r = 0. With r = r_i - r_j, the coupling of charges and dipoles is (Stone, The Theory of Intermolecular
Forces, ch. 3)

    q_i q_j B_0 + (q_i mu_j.r - q_j mu_i.r) B_1 + mu_i.mu_j B_1 - (mu_i.r)(mu_j.r) B_2.
"""

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from leyden.units import COULOMB

SERIES_BELOW = 2.5
"""Below this x = a^2 r^2 the upward recursion cancels, and a series is used instead."""
SERIES_TERMS = 28


class Boys(torch.autograd.Function):
    """F_0 ... F_n of x (P,) >= 0, F_n(x) = int_0^1 t^2n exp(-x t^2) dt: result (n + 1, P). dF_n/dx = -F_{n+1}."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, order: int) -> Tensor:
        """Evaluate orders 0 to `order`."""
        ctx.order = order  # type: ignore[attr-defined]
        ctx.save_for_backward(x)
        return _boys(x, order)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        """Minus the next order, which is differentiable again."""
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        higher = Boys.apply(x, ctx.order + 1)[1:]  # type: ignore[attr-defined]
        return -(gradients[0] * higher).sum(0), None


def _boys(x: Tensor, order: int) -> Tensor:
    safe = x.clamp(min=SERIES_BELOW)
    root, decay = safe.sqrt(), torch.exp(-safe)
    rows = [0.5 * math.sqrt(math.pi) * torch.erf(root) / root]
    for n in range(order):
        rows.append(((2 * n + 1) * rows[-1] - decay) / (2 * safe))
    out = torch.stack(rows)
    near = (x < SERIES_BELOW).nonzero().squeeze(1)
    if len(near):
        out[:, near] = _boys_series(x[near], order)
    return out


def _boys_series(x: Tensor, order: int) -> Tensor:
    """F_n = exp(-x) sum_k (2x)^k / ((2n+1)(2n+3)...(2n+2k+1)) for the highest n, others by downward recursion."""
    decay = torch.exp(-x)
    term = torch.full_like(x, 1.0 / (2 * order + 1))
    total = term.clone()
    for k in range(1, SERIES_TERMS + 1):
        term = term * (2 * x) / (2 * order + 2 * k + 1)
        total = total + term
    rows = [decay * total]
    for n in range(order - 1, -1, -1):
        rows.append((2 * x * rows[-1] + decay) / (2 * n + 1))
    return torch.stack(rows[::-1])


def kernels(square: Tensor, exponent: Tensor, count: int) -> list[Tensor]:
    """B_0 ... B_{count-1} (P,) in eV / e^2 Å^-2n, of squared distances (P,) and exponents a (P,) in 1/Å."""
    boys = Boys.apply(exponent * exponent * square, count - 1)
    prefactor = 2.0 / math.sqrt(math.pi) * COULOMB * exponent
    out = []
    for n in range(count):
        out.append(prefactor * boys[n])
        prefactor = prefactor * 2.0 * exponent * exponent
    return out


def exponents(first: Tensor, second: Tensor) -> Tensor:
    """a = 1 / sqrt(2 (sigma_i^2 + sigma_j^2)) in 1/Å, of widths in Å."""
    return torch.rsqrt(2.0 * (first * first + second * second))


def potential(source: Tensor, r: Tensor, b: list[Tensor], dim: int) -> Tensor:
    """Potential (P, dim) at r_i = r_j + r of the densities source (P, source dim) at r_j: value, then its gradient."""
    value = source[:, 0] * b[0]
    if source.shape[1] > 1:
        along = (source[:, 1:4] * r).sum(1)
        value = value + along * b[1]
    if dim == 1:
        return value[:, None]
    gradient = -(source[:, 0] * b[1])[:, None] * r
    if source.shape[1] > 1:
        gradient = gradient + b[1][:, None] * source[:, 1:4] - (along * b[2])[:, None] * r
    return torch.cat([value[:, None], gradient], 1)


def self_interaction(widths: Tensor, dim: int) -> Tensor:
    """Diagonal of T at r = 0 for Gaussians of widths (N,) Å: (N, dim), eV/e^2 for charges, eV/(e Å)^2 for dipoles."""
    b = kernels(torch.zeros_like(widths), exponents(widths, widths), 2 if dim > 1 else 1)
    return torch.stack([b[0], *b[1:] * 3], 1)
