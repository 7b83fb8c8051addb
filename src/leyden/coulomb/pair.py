"""Two Gaussians: T(r) = k_e erf(a r) / r and its derivatives, a = 1 / sqrt(2 (sigma_i^2 + sigma_j^2)).

B_0 = erf(a r) / r and B_{n+1} = -(1/r) dB_n/dr are Boys functions, B_n = 2/sqrt(pi) 2^n a^(2n+1) F_n(a^2 r^2), finite
and smooth at r = 0. With r = r_i - r_j and a source of charge q, dipole mu and second-order coefficients Q (symmetric
and traceless, density Q_ab d_a d_b g), the potential at r_i is (Stone, The Theory of Intermolecular Forces, ch. 3)

    phi = q B_0 + (mu.r) B_1 + (r.Q.r) B_2,

and dipoles and second-order coefficients feel its first and second derivatives.
"""

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from leyden.units import COULOMB

SERIES_BELOW = 2.5
"""Below this x = a^2 r^2 the upward recursion cancels, and a series is used instead."""
SERIES_TERMS = 28
POINT = 0.02
"""Å; Gaussians of this width are points to machine precision for distances over CLOSEST."""
CLOSEST = 0.25
FIRST, SECOND, SHARE = [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2], [1.0, 0.5, 0.5, 1.0, 0.5, 1.0]
"""Rows and columns of the second-order coefficients, and which part of one belongs to the entry of the matrix."""
SELF = (1.0, 1.0 / 3.0, 1.0 / 15.0)
"""1 / ((2 l + 1) (2 l - 1)!!)."""


class Boys(torch.autograd.Function):
    """F_0 ... F_n of x (P,) >= 0, F_n(x) = int_0^1 t^2n exp(-x t^2) dt: result (n + 1, P). dF_n/dx = -F_{n+1}."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, order: int) -> Tensor:
        """Evaluate orders 0 to `order`."""
        values = _boys(x, order + 1)
        ctx.order = order  # type: ignore[attr-defined]
        ctx.save_for_backward(x, values[1:])
        return values[:-1]

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        """Minus the next order, which is differentiable again where that is asked for."""
        x, higher = ctx.saved_tensors  # type: ignore[attr-defined]
        if torch.is_grad_enabled():
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


def point_kernels(square: Tensor, count: int) -> list[Tensor]:
    """The same of two points, B_n = k_e (2n - 1)!! / r^(2n + 1); 0 at r = 0."""
    apart = square > 0
    inverse = torch.where(apart, 1.0 / torch.where(apart, square, torch.ones_like(square)), torch.zeros_like(square))
    out = [COULOMB * torch.where(apart, torch.where(apart, inverse, torch.ones_like(inverse)).sqrt(), inverse)]
    for n in range(count - 1):
        out.append((2 * n + 1) * inverse * out[-1])
    return out


def exponents(first: Tensor, second: Tensor) -> Tensor:
    """a = 1 / sqrt(2 (sigma_i^2 + sigma_j^2)) in 1/Å, of widths in Å; two points count as Gaussians of POINT each."""
    return torch.rsqrt(2.0 * (first * first + second * second).clamp(min=2.0 * POINT * POINT))


def potential(source: Tensor, r: Tensor, b: list[Tensor], order: int) -> Tensor:
    """Potential at r_i = r_j + r of coefficients (P, 1, 4 or 10) at r_j, and its derivatives up to `order`.

    Second derivatives are given without the part proportional to the unit matrix, which traceless quadrupoles do not
    feel. b holds B_0 ... of both orders together.
    """
    terms = _expansion(source, r)
    value = _total(terms, b, 0)
    if order == 0:
        return value[:, None]
    along = _total(terms, b, 1)
    gradient = -along[:, None] * r
    if source.shape[1] > 1:
        gradient = gradient + b[1][:, None] * source[:, 1:4]
    if source.shape[1] > 4:
        turned = _turned(source, r)
        gradient = gradient + 2.0 * b[2][:, None] * turned
    felt = torch.cat([value[:, None], gradient], 1)
    if order == 1:
        return felt
    curvature = _total(terms, b, 2)[:, None] * r[:, FIRST] * r[:, SECOND]
    if source.shape[1] > 1:
        dipole = source[:, 1:4]
        curvature = curvature - b[2][:, None] * (r[:, FIRST] * dipole[:, SECOND] + dipole[:, FIRST] * r[:, SECOND])
    if source.shape[1] > 4:
        mixed = r[:, FIRST] * turned[:, SECOND] + turned[:, FIRST] * r[:, SECOND]
        curvature = curvature + 2.0 * b[2][:, None] * _matrix(source) - 2.0 * b[3][:, None] * mixed
    return torch.cat([felt, curvature], 1)


def _expansion(source: Tensor, r: Tensor) -> list[Tensor]:
    """q, mu.r and r.Q.r of each pair, as far as the source goes."""
    terms = [source[:, 0]]
    if source.shape[1] > 1:
        terms.append((source[:, 1:4] * r).sum(1))
    if source.shape[1] > 4:
        terms.append((_turned(source, r) * r).sum(1))
    return terms


def _total(terms: list[Tensor], b: list[Tensor], shift: int) -> Tensor:
    """sum_l terms_l B_{l + shift}, (P,)."""
    out = terms[0] * b[shift]
    for n, term in enumerate(terms[1:], 1):
        out = torch.addcmul(out, term, b[n + shift])
    return out


def _matrix(source: Tensor) -> Tensor:
    """Q_ab for the six a <= b, (P, 6): coefficients of mixed derivatives count for Q_ab and Q_ba."""
    return source[:, 4:10] * source.new_tensor(SHARE)


def _turned(source: Tensor, r: Tensor) -> Tensor:
    """Q r, (P, 3)."""
    xx, xy, xz, yy, yz, zz = _matrix(source).unbind(1)
    x, y, z = r.unbind(1)
    return torch.stack([xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z], 1)


def self_interaction(widths: Tensor, lmax: int) -> Tensor:
    """T at r = 0 for Gaussians of widths (M,) Å: (M, (lmax + 1)^2), eV/e^2 Å^-2l; 0 for points.

    B_l = 2/sqrt(pi) a (2 a^2)^l / (2 l + 1) at r = 0, and <phi_lm|V|phi_lm> = B_l / (2 l - 1)!!.
    """
    a = exponents(widths, widths)
    b = 2.0 / math.sqrt(math.pi) * COULOMB * a * (widths > 0)
    rows = [b * (2.0 * a * a) ** degree * SELF[degree] for degree in range(lmax + 1) for _ in range(2 * degree + 1)]
    return torch.stack(rows, 1)


def on_coefficients(own: Tensor) -> Tensor:
    """The same for coefficients of derivatives, (M, 1, 4 or 10): at r = 0, Q feels 2 B_2 Q."""
    if own.shape[1] <= 4:
        return own
    return torch.cat([own[:, :4], 6.0 * own[:, 4:5] * own.new_tensor(SHARE)], 1)
