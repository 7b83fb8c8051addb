"""Conjugate gradients with their preconditioners: nested ones, dense ones, and those of a whole charge model."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from leyden.charges import Equilibration, problem
from leyden.density import GaussianBasis
from leyden.segment import Padding
from leyden.solve import Blocks, Plane, Rows, Whole
from leyden.solve.linear import Found, Linear, conjugate_gradients
from leyden.solve.nested import Nested
from leyden.testing.assembly import assembled, batch
from leyden.testing.numeric import close, random

SIZES = (30, 1, 12)
DIM = 2
INDEX = torch.repeat_interleave(torch.arange(3), torch.tensor(SIZES))
ROWS = Rows(INDEX, 3)
PLANE = Plane((0,), INDEX, torch.zeros(3, dtype=torch.float64), torch.tensor([True, True, False]))
SHAPE = (len(INDEX), DIM)
TIGHT = torch.full((3,), 1e-10, dtype=torch.float64)


def coupled(seed: int, scale: float = 1.0) -> Tensor:
    """Symmetric matrix (N dim, N dim) of each structure."""
    entry = INDEX.repeat_interleave(DIM)
    root = random(seed, len(entry), len(entry)) * (entry[:, None] == entry)
    return scale * (root @ root.T)


def hard() -> Tensor:
    """Positive definite, with eigenvalues over three decades."""
    return coupled(1) + 0.1 * torch.eye(len(INDEX) * DIM, dtype=torch.float64)


def operator(dense: Tensor) -> Linear:
    return lambda x: (dense @ x.flatten()).view_as(x)


def blocks(dense: Tensor) -> Tensor:
    """Those of each atom."""
    atom = torch.arange(len(INDEX))
    return dense.view(len(INDEX), DIM, len(INDEX), DIM)[atom, :, atom, :]


def padded(dense: Tensor) -> Tensor:
    """One matrix for each structure, without the blocks of its atoms."""
    padding, count = Padding.of(INDEX, 3), len(INDEX)
    rest = dense.view(count, DIM, count, DIM).clone()
    rest[torch.arange(count), :, torch.arange(count), :] = 0.0
    rows = padding.pack(rest.flatten(1)).view(3, -1, count, DIM)
    out = rows.new_zeros(3, rows.shape[1], padding.slots, DIM)
    for n, (start, size) in enumerate(zip((0, *torch.tensor(SIZES).cumsum(0).tolist()), SIZES, strict=False)):
        out[n, :, :size] = rows[n, :, start : start + size]
    return out.flatten(2)


def solved(dense: Tensor, b: Tensor, precondition: Linear, tolerance: Tensor = TIGHT) -> Found:
    return conjugate_gradients(lambda x: PLANE.tangent(operator(dense)(x)), b, precondition, ROWS, tolerance, 400)


def direct(dense: Tensor, b: Tensor) -> Tensor:
    """x with C x = 0 and A x - b normal to the plane."""
    sums = torch.zeros(2, *SHAPE, dtype=torch.float64)
    sums[INDEX[INDEX < 2], torch.arange(len(INDEX))[INDEX < 2], 0] = 1.0
    sums = sums.flatten(1)
    whole = torch.cat([torch.cat([dense, sums.T], 1), torch.cat([sums, sums.new_zeros(2, 2)], 1)])
    return torch.linalg.solve(whole, torch.cat([b.flatten(), b.new_zeros(2)]))[:-2].view_as(b)


def counted(precondition: Linear) -> tuple[Linear, list[Tensor]]:
    """The same, and what it was applied to."""
    seen: list[Tensor] = []

    def apply(r: Tensor) -> Tensor:
        seen.append(r)
        return precondition(r)

    return apply, seen


def test_conjugate_gradients() -> None:
    """The solution on the plane; one preconditioning a step, and none of structures that are done."""
    dense, b = hard(), PLANE.tangent(random(2, *SHAPE))
    precondition, seen = counted(Blocks(blocks(dense), PLANE))
    found = solved(dense, b, precondition)
    close(found.x, direct(dense, b), 1e-8)
    assert ROWS.largest(PLANE.tangent(b - operator(dense)(found.x))).max() < 2e-10
    assert len(seen) == found.iterations.max() > 2 * found.iterations[2] > found.iterations[1]
    done = int(found.iterations[2])
    assert seen[done - 1][INDEX == 2].abs().max() > 0 and seen[done][INDEX == 2].abs().max() == 0
    assert solved(dense, 0 * b, precondition).iterations.tolist() == [0, 0, 0] and len(seen) == found.iterations.max()


def test_preconditioner_that_is_not_linear() -> None:
    """Directions for linear preconditioners would not end."""
    dense, b = hard(), PLANE.tangent(random(2, *SHAPE))
    exact = Whole(padded(dense), blocks(dense), INDEX, PLANE)

    def uneven(r: Tensor) -> Tensor:
        z = exact(r)
        return z + 0.1 * PLANE.tangent(z.abs())

    found = solved(dense, b, uneven)
    close(found.x, direct(dense, b), 1e-8)
    assert 1 < found.iterations.max() < 30


@pytest.mark.parametrize("error", [0.0, 0.02])
def test_nested(error: float) -> None:
    """As accurate as the equations inside: few steps, however hard these are to solve."""
    dense, b = hard(), PLANE.tangent(random(2, *SHAPE))
    near = Blocks(blocks(dense), PLANE)
    root, change = torch.linalg.cholesky(dense), coupled(3)
    approximate = dense + error * root @ change @ root.T / torch.linalg.matrix_norm(change, 2)
    nested, seen = counted(Nested(operator(approximate), near, PLANE, ROWS))
    found, slow = solved(dense, b, nested), solved(dense, b, near)
    close(found.x, direct(dense, b), 1e-8)
    assert found.iterations.max() <= 8 and slow.iterations.max() > 30
    for r in list(seen):
        z = nested(r)
        assert PLANE.charge(z)[:2].abs().max() < 1e-12 * max(1.0, z.abs().max().item())
        assert (ROWS.largest(PLANE.tangent(r - operator(approximate)(z))) <= 0.0101 * ROWS.largest(r)).all()


def test_nested_without_a_minimum() -> None:
    """An A that is not positive leaves its own preconditioner."""
    dense, b = hard(), PLANE.tangent(random(2, *SHAPE))
    near = Blocks(blocks(dense), PLANE)
    close(Nested(operator(-dense), near, PLANE, ROWS)(b), near(b), 1e-12)


@pytest.mark.parametrize("negative", [0.0, 50.0], ids=["positive", "positive on the plane"])
def test_whole(negative: float) -> None:
    """With the curvature itself one step is enough, even where it is negative for charged structures."""
    charges = torch.zeros(*SHAPE, dtype=torch.float64)
    charges[INDEX == 0, 0] = 1.0
    dense, b = hard() - negative * torch.outer(charges.flatten(), charges.flatten()), PLANE.tangent(random(2, *SHAPE))
    assert (torch.linalg.eigvalsh(dense)[0] < 0) == (negative > 0)
    precondition = Whole(padded(dense), blocks(dense), INDEX, PLANE)
    found = solved(dense, b, precondition)
    assert found.iterations.tolist() == [1, 1, 1]
    close(found.x, direct(dense, b), 1e-8)
    close(precondition(b + charges), precondition(b), 1e-8)


def test_whole_without_a_minimum() -> None:
    """A structure whose matrix is not positive on the plane keeps its diagonal; the others do not notice."""
    dense, b = hard(), PLANE.tangent(random(2, *SHAPE))
    bad = torch.where(INDEX.repeat_interleave(DIM)[:, None] == 0, -dense, dense)
    mixed, good = (Whole(padded(m), blocks(m), INDEX, PLANE)(b) for m in (bad, dense))
    close(mixed[INDEX > 0], good[INDEX > 0], 1e-12)
    diagonal = dense.diagonal().view(SHAPE)
    close(mixed[INDEX == 0], Blocks(torch.diag_embed(diagonal), PLANE)(b)[INDEX == 0], 1e-10)


@pytest.mark.parametrize("lmax", [0, 1])
def test_of_a_charge_model(lmax: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dense or nested, open or periodic, charged or not: the same density, energies, forces and derivatives."""
    potential = assembled(lambda channels, elements: Equilibration(channels, elements, GaussianBasis(0.6, lmax), 4))
    used: list[str] = []
    for name in ("Whole", "Nested"):
        monkeypatch.setattr(problem, name, _recorded(getattr(problem, name), used))
    found = []
    for largest in (1000, 0):
        monkeypatch.setattr(problem, "LARGEST_OPEN", largest)
        monkeypatch.setattr(problem, "LARGEST_PERIODIC", largest)
        system = batch()
        system.positions.requires_grad_()
        output = potential(system)
        assert output.density is not None and output.solution is not None
        (by_density,) = torch.autograd.grad(output.density.square().sum(), system.positions, retain_graph=True)
        (force,) = torch.autograd.grad(output.energy.sum(), system.positions)
        found.append((output.density.detach(), output.energy.detach(), force, by_density))
        assert output.solution.residual.max() < 1e-8 and output.solution.iterations.max() <= 12
    assert used == ["Whole", "Nested"]
    for dense, nested in zip(*found, strict=True):
        close(nested, dense, 1e-9)
        assert dense.abs().max() > 0.01


def _recorded(kind: Callable[..., Linear], used: list[str]) -> Callable[..., Linear]:
    def make(*arguments: object) -> Linear:
        used.append(kind.__name__)
        return kind(*arguments)

    return make
