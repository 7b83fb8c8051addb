"""GMRES: batches of nonsymmetric equations against a direct solve, masks, restarts, and how it ends."""

import pytest
import torch
from torch import Tensor

from leyden.solve import Rows
from leyden.solve.gmres import gmres
from leyden.solve.linear import Linear
from leyden.testing.numeric import close, random

SIZES = [4, 1, 7, 3]
DIM = 2
INDEX = torch.repeat_interleave(torch.arange(4), torch.tensor(SIZES))
ROWS = Rows(INDEX, 4)
COUNT = len(INDEX) * DIM
ENTRY = INDEX.repeat_interleave(DIM)
SAME = ENTRY[:, None] == ENTRY[None]


def operator(dense: Tensor) -> Linear:
    return lambda x: (dense @ x.flatten()).view_as(x)


def blocks(scale: float, seed: int = 0) -> Tensor:
    """1 - G with G random in each structure, not symmetric."""
    return torch.eye(COUNT, dtype=torch.float64) - scale * SAME * random(seed, COUNT, COUNT)


def direct(dense: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.solve(dense, b.flatten()).view_as(b)


def tolerances(value: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.full((4,), value, dtype=dtype)


@pytest.mark.parametrize("scale", [0.2, 3.0], ids=["contracting", "diverging"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)])
def test_against_a_direct_solve(scale: float, dtype: torch.dtype, tolerance: float) -> None:
    dense, b = blocks(scale), random(1, len(INDEX), DIM)
    found = gmres(operator(dense.to(dtype)), b.to(dtype), ROWS, tolerances(tolerance, dtype), 200)
    assert found.x.dtype == found.radius.dtype == dtype
    assert (found.residual <= tolerance).all()
    left = b - operator(dense)(found.x.double())
    assert ROWS.largest(left).max() < 1.5 * tolerance
    norm = torch.linalg.matrix_norm(torch.linalg.inv(dense), 2).item()
    assert (found.x.double() - direct(dense, b)).abs().max() < 4 * norm * tolerance
    assert (found.iterations <= DIM * torch.tensor(SIZES) + 2).all() and (found.iterations > 0).all()


@pytest.mark.parametrize("restart", [3, 5])
def test_restarts(restart: int) -> None:
    """Fewer vectors than unknowns: more iterations, the same solution."""
    dense, b = blocks(0.12), random(1, len(INDEX), DIM)
    whole, parts = (gmres(operator(dense), b, ROWS, tolerances(1e-11), 400, restart=m) for m in (40, restart))
    close(parts.x, direct(dense, b), 1e-9)
    assert parts.iterations[2] > whole.iterations[2]
    assert parts.hessenberg.shape == (4, restart, restart)


def test_radius_is_that_of_the_longest_cycle() -> None:
    """Restarted before the last vector, the second cycle is short and knows less."""
    dense, b = blocks(0.12), random(1, len(INDEX), DIM)
    found, first = (gmres(operator(dense), b, ROWS, tolerances(1e-10), limit, restart=12) for limit in (200, 12))
    assert 12 < found.iterations[2] < 24 and first.iterations[2] == 12
    close(found.radius, first.radius, 1e-12)


def test_roundoff_is_the_end() -> None:
    """Of a tolerance that cannot be met; a basis that spans the space is not continued with noise."""
    dense, b = blocks(0.2), random(1, len(INDEX), DIM)
    found = gmres(operator(dense), b, ROWS, tolerances(0.0), 500)
    unknowns = DIM * torch.tensor(SIZES)
    assert (found.iterations <= 4 * unknowns).all()
    assert found.residual.max() < 1e-14
    assert (found.iterations >= unknowns).all()


def test_a_solved_structure_rests() -> None:
    """Each has its own tolerance and number of iterations, and moves as it would alone."""
    dense, b = blocks(0.2), random(1, len(INDEX), DIM)
    b[INDEX == 3] = 0.0
    tolerance = torch.tensor([1e-3, 1e-11, 1e-11, 1e-11], dtype=torch.float64)
    tolerance[1] = torch.inf
    found = gmres(operator(dense), b, ROWS, tolerance, 200)
    assert found.iterations[[1, 3]].tolist() == [0, 0]
    assert not found.x[(INDEX == 1) | (INDEX == 3)].any()
    assert found.radius[[1, 3]].isnan().all()
    assert 1e-11 < found.residual[0] <= 1e-3 < found.residual[1]
    for s in (0, 2):
        mine, entries = torch.eq(INDEX, s), s == ENTRY
        alone = gmres(
            operator(dense[entries][:, entries]), b[mine], Rows(INDEX[mine] * 0, 1), tolerance[s : s + 1], 200
        )
        close(found.x[mine], alone.x, 1e-12)
        assert found.iterations[s] == alone.iterations[0]
        close(found.radius[s], alone.radius[0], 1e-9)


def test_radius() -> None:
    """Of all eigenvalues, once the basis spans the space."""
    dense, b = blocks(0.4), random(1, len(INDEX), DIM)
    found = gmres(operator(dense), b, ROWS, tolerances(1e-13), 200)
    for s in range(4):
        own = dense[s == ENTRY][:, s == ENTRY]
        values = torch.linalg.eigvals(torch.eye(len(own)) - own)
        close(found.radius[s], values.abs().max(), 1e-8)


def test_preconditioner_stands_to_the_right() -> None:
    """Its inverse in one iteration; the residual is that of the equations themselves."""
    dense, b = blocks(0.4) * torch.logspace(0, 3, COUNT, dtype=torch.float64), random(1, len(INDEX), DIM)
    inverse = operator(torch.linalg.inv(dense))
    found = gmres(operator(dense), b, ROWS, tolerances(1e-9), 200, precondition=inverse)
    assert found.iterations.tolist() == [1] * 4
    close(found.x, direct(dense, b), 1e-9)
    scaled = operator(torch.diag(torch.logspace(0, -3, COUNT, dtype=torch.float64)))
    rough = gmres(operator(dense), b, ROWS, tolerances(1e-9), 200, precondition=scaled)
    close(rough.x, direct(dense, b), 1e-9)
    close(ROWS.largest(b - operator(dense)(rough.x)), rough.residual, 1e-14)


def test_basis_stays_orthogonal() -> None:
    """Eigenvalues over ten decades: as many iterations as unknowns are enough; one pass leaves a residual of 1e-3."""
    n = 40
    turn = torch.linalg.qr(random(2, n, n)).Q
    upper = torch.triu(random(3, n, n), 1)
    dense = turn @ (torch.diag(torch.logspace(0, 10, n, dtype=torch.float64)) + upper) @ turn.T
    b, rows = random(1, n, 1), Rows(torch.zeros(n, dtype=torch.long), 1)
    found = gmres(operator(dense), b, rows, torch.tensor([1e-9], dtype=torch.float64), n)
    assert found.residual < 1e-5
    close(found.radius[0], torch.tensor(1e10 - 1.0, dtype=torch.float64), 1e-9)


def test_the_limit_is_kept_and_the_residual_said() -> None:
    dense, b = blocks(0.4), random(1, len(INDEX), DIM)
    found = gmres(operator(dense), b, ROWS, tolerances(1e-12), 5, restart=3)
    assert found.iterations.tolist() == [5, 2, 5, 5]
    assert found.residual[2] > 1e-3
    close(found.residual, ROWS.largest(b - operator(dense)(found.x)), 1e-15)


def test_a_cycle_without_progress_is_the_end() -> None:
    """A cyclic shift shows nothing before the last vector; the other structure has no solution."""
    shift = torch.roll(torch.eye(6, dtype=torch.float64), 1, 0)
    dense = torch.block_diag(shift, torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64)))
    b = torch.zeros(8, 1, dtype=torch.float64)
    b[0], b[6:] = 1.0, 1.0
    rows = Rows(torch.tensor([0] * 6 + [1] * 2), 2)
    tolerance = torch.tensor([1e-9, 1e-9], dtype=torch.float64)
    found = gmres(operator(dense), b, rows, tolerance, 1000, restart=3)
    assert found.iterations.max() < 10
    assert found.x.isfinite().all()
    close(found.residual, torch.ones(2, dtype=torch.float64), 1e-12)
    assert gmres(operator(dense), b, rows, tolerance, 1000, restart=6).residual[0] < 1e-9


@pytest.mark.parametrize("where", ["matrix", "right-hand side"])
def test_what_is_not_finite_stays_in_its_structure(where: str) -> None:
    dense, b = blocks(0.2), random(1, len(INDEX), DIM)
    expected = direct(dense, b)
    if where == "matrix":
        bad = torch.where(INDEX == 0, torch.nan, 1.0).double()[:, None]
        found = gmres(lambda x: operator(dense)(x) * bad, b, ROWS, tolerances(1e-11), 100)
    else:
        b = torch.where((INDEX == 0)[:, None], torch.nan, b)
        found = gmres(lambda x: operator(dense)(x.nan_to_num()), b, ROWS, tolerances(1e-11), 100)
    assert not found.residual[0] <= 1e-11
    assert found.radius[0].isnan() and found.radius[1:].isfinite().all()
    close(found.x[INDEX > 0], expected[INDEX > 0], 1e-10)
