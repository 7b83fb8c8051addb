"""The spectral radius of a map: dense eigenvalues, real and complex, its derivatives, batches, and what has none."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from leyden.solve import Rows
from leyden.solve.stability import spectral_radius
from leyden.testing.numeric import central, close, random

INDEX = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2])
DIM = 2
SAME = (INDEX[:, None] == INDEX[None]).repeat_interleave(DIM, 0).repeat_interleave(DIM, 1)
ROWS = Rows(INDEX, 3)
MATRIX, BIAS = 0.3 * SAME * random(0, 16, 16), random(1, 8, DIM)


def curved(matrix: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """A map whose slope depends on the density."""
    return lambda p: bias + torch.sin((matrix @ p.flatten()).view_as(p))


def dense(matrix: Tensor, p: Tensor) -> Tensor:
    slope = torch.autograd.functional.jacobian(curved(matrix, BIAS), p).reshape(16, 16)
    rows = [INDEX.repeat_interleave(DIM) == s for s in range(3)]
    return torch.stack([torch.linalg.eigvals(slope[row][:, row]).abs().max() for row in rows])


def turned() -> Tensor:
    """A matrix whose largest eigenvalues are a complex pair in every structure."""
    small = torch.tensor([[0.1, -0.9], [0.7, 0.1]], dtype=torch.float64)
    return torch.block_diag(*[(1.0 + 0.1 * n) * small for n in range(8)]) + 0.03 * SAME * random(2, 16, 16)


@pytest.mark.parametrize("matrix", [MATRIX, MATRIX + MATRIX.T, turned()], ids=["general", "symmetric", "complex"])
def test_value_and_derivative(matrix: Tensor) -> None:
    """Those of dense eigenvalues, along a change of the matrix and of the density."""
    density, step, move = random(3, 8, DIM), SAME * random(4, 16, 16), random(5, 8, DIM)

    def along(h: float) -> Tensor:
        return dense(matrix + h * step, density + h * move)

    h = torch.zeros((), dtype=torch.float64, requires_grad=True)
    radius = spectral_radius(curved(matrix + h * step, BIAS), density + h * move, ROWS)
    close(radius.detach(), dense(matrix, density), 1e-9)
    slopes = torch.stack([torch.autograd.grad(one, h, retain_graph=True)[0] for one in radius])
    close(slopes, central(along, 1e-4), 1e-7)
    assert slopes.abs().min() > 1e-2


def test_two_eigenvalues_of_one_size() -> None:
    """Of eigenvalues r and -r, right and left vectors belong to the same one, whichever it is."""
    index, size = torch.arange(30), 0.5 + random(8, 30).abs()
    basis = torch.eye(2).double() + 0.5 * random(9, 30, 2, 2)
    matrix = basis @ torch.diag_embed(torch.stack([size, -size], 1)) @ torch.linalg.inv(basis)

    def image(p: Tensor) -> Tensor:
        return torch.einsum("nab,nb->na", matrix, p)

    close(spectral_radius(image, torch.zeros(30, 2, dtype=torch.float64), Rows(index, 30)), size, 1e-8)


def test_few_vectors_are_close() -> None:
    """An eigenvalue that stands apart, by 8 vectors of 40: errors of the vectors count to second order."""
    index = torch.zeros(40, dtype=torch.long)
    matrix = torch.cat([torch.tensor([-1.2]), torch.linspace(-0.8, 0.8, 39)]).double().diag() + 0.02 * random(6, 40, 40)
    exact = torch.linalg.eigvals(matrix).abs().max()
    found = spectral_radius(lambda p: matrix @ p, torch.zeros(40, 1, dtype=torch.float64), Rows(index, 1), 8)
    assert abs(found - exact) < 1e-2


def test_a_map_that_is_constant() -> None:
    """Zero, without a derivative that is not finite; so is that of a structure beside one that is not constant."""
    there = (INDEX != 1).double().repeat_interleave(DIM)
    matrix = (there[:, None] * MATRIX).requires_grad_()
    radius = spectral_radius(curved(matrix, BIAS), random(3, 8, DIM), ROWS)
    assert radius[1] == 0 and radius[[0, 2]].min() > 0.05
    (slope,) = torch.autograd.grad(radius.sum(), matrix)
    assert slope.isfinite().all() and slope.any()


def test_batch_equals_singles() -> None:
    p = random(3, 8, DIM)
    whole = spectral_radius(curved(MATRIX, BIAS), p, ROWS)
    for s in range(3):
        rows = torch.eq(INDEX, s)
        entries = rows.repeat_interleave(DIM)
        image = curved(MATRIX[entries][:, entries], BIAS[rows])
        one = spectral_radius(image, p[rows], Rows(torch.zeros(int(rows.sum()), dtype=torch.long), 1))
        close(one, whole[s : s + 1], 1e-9)


def test_not_finite() -> None:
    """NaN for the structure that is not finite, and for no other."""
    blocks = random(7, 8, DIM, DIM)
    blocks[0, 0, 0] = torch.nan
    radius = spectral_radius(lambda p: torch.einsum("nab,nb->na", blocks, p), random(3, 8, DIM), ROWS)
    assert radius[0].isnan()
    close(radius[2], torch.linalg.eigvals(blocks[7]).abs().max(), 1e-12)


def test_single_precision() -> None:
    rough = spectral_radius(curved(MATRIX.float(), BIAS.float()), random(3, 8, DIM).float(), ROWS)
    assert rough.dtype == torch.float32
    close(rough.double(), dense(MATRIX, random(3, 8, DIM)), 1e-5)
