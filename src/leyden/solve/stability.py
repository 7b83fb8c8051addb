"""The spectral radius of A = dg/dp of a map p -> g(p), for many structures at once, differentiable.

Arnoldi's method (Quart. Appl. Math. 9, 17) finds the eigenvalue of A of largest modulus with its right and left
eigenvectors x and y, without gradients; it may be complex. Then

    lambda = y.A x / y.x,    d lambda = y.dA x / y.x,

in which errors of x and y count to second order (Parlett, Math. Comp. 28, 679). A training loss that bounds it keeps
cycles stable (with the norm of A: Bai et al., arXiv 2106.14342).
"""

import torch
from torch import Tensor

from leyden.solve.anderson import Map
from leyden.solve.linear import Linear, Rows
from leyden.solve.slope import Slope

VECTORS = 12
"""Of the basis in which A is compressed."""


def spectral_radius(image: Map, density: Tensor, rows: Rows, vectors: int = VECTORS) -> Tensor:
    """Largest |eigenvalue| of dg/dp at a density (N, dim), (S,), differentiable in all that map and density depend on.

    vectors: of the basis; the eigenvalue is exact for as many as there are coefficients. NaN where A is not finite.
    """
    slope, start = Slope(image, density), rows.asymmetric(density)
    start = start / rows.dot(start, start).sqrt()[rows.index, None]
    value, x = _leading(slope.forward, start, rows, vectors, None)
    _, y = _leading(slope.backward, start, rows, vectors, value)
    real, imaginary = x.real.contiguous(), x.imag.contiguous()
    turned = slope.forward(real, create_graph=True), slope.forward(imaginary, create_graph=True)
    over, under = _product(y, turned[0], turned[1], rows), _product(y, real, imaginary, rows)
    square, size = over.square().sum(1), under.square().sum(1)
    some = square != 0
    return torch.where(some, (torch.where(some, square, 1.0) / torch.where(some, size, 1.0)).sqrt(), 0.0)


@torch.no_grad()
def _leading(matrix: Linear, start: Tensor, rows: Rows, vectors: int, near: Tensor | None) -> tuple[Tensor, Tensor]:
    """The eigenvalue (S,) of largest modulus, or the one that is nearest to a given one, and its vector (N, dim)."""
    basis, small = _arnoldi(matrix, start, rows, vectors)
    fine = small.isfinite().all(2).all(1)
    values, inside = torch.linalg.eig(torch.where(fine[:, None, None], small, 0.0).cpu().double())
    wanted = values.abs() if near is None else -(values - near.to(values)[:, None]).abs()
    here, number = torch.arange(len(values)), wanted.argmax(1)
    chosen = inside[here, :, number].to(device=basis.device, dtype=torch.complex(basis, basis).dtype)
    x = torch.einsum("kna,nk->na", basis.to(chosen.dtype), chosen[rows.index])
    return values[here, number], torch.where(fine[rows.index, None], x, torch.nan)


def _arnoldi(matrix: Linear, start: Tensor, rows: Rows, vectors: int) -> tuple[Tensor, Tensor]:
    """An orthonormal basis (m, N, dim) of start, A start, A^2 start, ..., and A in it, (S, m, m).

    Where the space ends, the vectors that are left are zero.
    """
    vectors = max(1, min(vectors, start.numel()))
    basis, small = start.new_zeros(vectors, *start.shape), start.new_zeros(rows.count, vectors + 1, vectors)
    v = start
    for j in range(vectors):
        basis[j] = v
        image = matrix(v)
        whole = rows.dot(image, image).sqrt()
        image, small[:, : j + 1, j] = rows.orthogonal(image, basis[: j + 1])
        norm = rows.dot(image, image).sqrt()
        norm = torch.where(norm <= 10 * torch.finfo(norm.dtype).eps * whole, 0.0, norm)
        small[:, j + 1, j] = norm
        v = image / torch.where(norm == 0, torch.inf, norm)[rows.index, None]
    return basis, small[:, :-1]


def _product(y: Tensor, real: Tensor, imaginary: Tensor, rows: Rows) -> Tensor:
    """y.z of complex vectors, without conjugation: real and imaginary parts, (S, 2)."""
    return torch.stack(
        [
            rows.dot(y.real, real) - rows.dot(y.imag, imaginary),
            rows.dot(y.real, imaginary) + rows.dot(y.imag, real),
        ],
        1,
    )
