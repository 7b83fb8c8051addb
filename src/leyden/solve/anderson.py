"""Anderson mixing for p = g(p) (J. ACM 12, 547; Walker & Ni, SIAM J. Numer. Anal. 49, 1715).

With f = g(p) - p and differences dP, dF of the last steps,

    p <- p - dP c + b K (f - dF c),    c = argmin |f - dF c|^2,

b the mixing and K a preconditioner, such as that of Kerker, k^2 / (k^2 + k_TF^2), for metals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden import segment
from leyden.solve.linear import Linear, Rows

Map = Callable[[Tensor], Tensor]
"""A map of densities (N, dim), differentiable in them and in all else that it depends on."""

GROWTH = 10.0
"""When the residual exceeds its smallest one by this factor, mixing starts again from there, with half the step."""
TIKHONOV = {torch.float32: 1e-6, torch.float64: 1e-10}
"""Added to the diagonal of the normal equations, whose columns are of unit length; the square root of it bounds what
differences that are parallel to roundoff can do."""


@dataclass(frozen=True)
class Mixed:
    """x (N, dim); iterations (S,); residual (S,): largest of g(x) - x; converged (S,) bool."""

    x: Tensor
    iterations: Tensor
    residual: Tensor
    converged: Tensor


@torch.no_grad()
def anderson(
    image: Map,
    start: Tensor,
    rows: Rows,
    tolerance: Tensor,
    limit: int,
    depth: int = 6,
    mixing: float = 0.5,
    precondition: Linear | None = None,
) -> Mixed:
    """Mix until the largest residual of each structure is below its tolerance (S,), without gradients."""
    x, f = start, image(start) - start
    best, past = torch.stack([x, f]), x.new_zeros(2, depth, *x.shape)
    residual = lowest = rows.largest(f)
    iterations = torch.zeros(rows.count, dtype=torch.long, device=x.device)
    length, going = torch.full_like(residual, mixing), residual > tolerance
    while bool(going.any()) and int(iterations.max()) < limit:
        share = _combination(past[1], f, rows, going)[rows.index]
        back, known = torch.einsum("bkna,nk->bna", past, share)
        rest = f - known if precondition is None else precondition(f - known)
        step = torch.where(going[rows.index, None], length[rows.index, None] * rest - back, 0.0)
        new = torch.where(going[rows.index, None], image(x + step) - (x + step), f)
        past[:, int(iterations.max()) % depth] = torch.stack([step, new - f])
        x, f, residual = x + step, new, rows.largest(new)
        iterations += going
        grown = ~(residual <= GROWTH * lowest)
        again = grown[rows.index, None]
        past, (x, f) = torch.where(again, 0.0, past), torch.where(again, best, torch.stack([x, f]))
        length, residual = torch.where(grown, 0.5 * length, length), torch.where(grown, lowest, residual)
        best = torch.where((residual < lowest)[rows.index, None], torch.stack([x, f]), best)
        lowest = torch.minimum(lowest, residual)
        going = going & (residual > tolerance)
    return Mixed(best[0], iterations, lowest, lowest <= tolerance)


def _combination(differences: Tensor, f: Tensor, rows: Rows, going: Tensor) -> Tensor:
    """c (S, depth) that minimises |f - dF c|^2, dF (depth, N, dim); 0 for differences that are zero."""
    products = torch.einsum("kna,lna->nkl", differences, torch.cat([differences, f[None]]))
    gram = segment.total(products, rows.index, rows.count)
    one = torch.eye(len(differences), dtype=f.dtype, device=f.device)
    gram = torch.where(going[:, None, None], gram, 0.0)
    length = gram.diagonal(dim1=1, dim2=2).sqrt()
    length = torch.where(length > 0, length, 1.0)
    gram, right = gram[:, :, :-1] / (length[:, :, None] * length[:, None]), gram[:, :, -1] / length
    used = gram.diagonal(dim1=1, dim2=2) > 0
    matrix = gram + torch.where(used[:, :, None], TIKHONOV[f.dtype], 1.0) * one
    return torch.linalg.solve(matrix, right) / length
