"""Mesh: what it converges to, its transpose and derivatives, smoothness in the cell, and the accuracy asked for."""

import math

import pytest
import torch
from torch import Tensor

from leyden import segment
from leyden.coulomb import grid as grids
from leyden.coulomb import splines, stencil
from leyden.coulomb.grid import Grid, plan
from leyden.coulomb.spread import gather, spread
from leyden.density.harmonics import derivatives, multi_indices
from leyden.testing.numeric import close, derivatives_of, random

LEFT_HANDED = [[-4.2, 0.3, 0.0], [0.2, 5.5, 0.4], [0.1, 0.2, 4.0]]
CELLS = torch.tensor([[[5.0, 0.0, 0.0], [1.2, 4.5, 0.0], [-0.7, 0.9, 6.0]], LEFT_HANDED], dtype=torch.float64)
S, INDEX, KIND = 2.0 * random(0, 7, 3), torch.tensor([0, 1, 1, 0, 0, 1, 0]), torch.tensor([1, 0, 1, 1, 0, 1, 0])
SPACING = torch.tensor([0.9, 0.8], dtype=torch.float64)


def grid_of(spacing: float, order: int = 8) -> Grid:
    return Grid(CELLS, torch.full((2,), spacing, dtype=torch.float64), order)


def waves(grid: Grid) -> Tensor:
    """All m of a grid, (K, 3)."""
    boxes = [torch.stack(torch.broadcast_tensors(*b.m), 3).flatten(0, 2) for b in grid.batches]
    return torch.cat([m.repeat(b.meshes.stop - b.meshes.start, 1) for m, b in zip(boxes, grid.batches, strict=True)])


def left_out(grid: Grid) -> Tensor:
    """b(m) of all waves, (K,)."""
    shapes = torch.cat([torch.tensor(b.shape).expand(b.waves.stop - b.waves.start, 3) for b in grid.batches])
    return splines.deconvolution(waves(grid) / shapes, grid.order).prod(1)


def exact(c: Tensor, s: Tensor, m: Tensor, order: int) -> Tensor:
    """Terms of the structure factors, (M, K), by the definition."""
    power = [(2j * math.pi * m) ** n for n in range(order + 1)]
    factors = [power[x][:, 0] * power[y][:, 1] * power[z][:, 2] for x, y, z in multi_indices(order)]
    return torch.exp(2j * math.pi * (s @ m.T)) * (c.to(factors[0]) @ torch.stack(factors))


def energies(cell: Tensor, s: Tensor, index: Tensor, c: Tensor, grid: Grid, width: float, order: int) -> Tensor:
    """1/2 sum G |S|^2 of each structure, with one kind."""
    inverse = torch.linalg.inv(cell)
    square = 4 * math.pi**2 * grid.quadratic(inverse.mT @ inverse)
    moving = square > 0
    green = torch.exp(-(width**2) * square) / torch.where(moving, square, 1.0) * grid.multiplicity * moving
    amplitudes = spread(c, s, grid.at(s.detach(), index, torch.zeros_like(index), 1), order)[0]
    return 2 * math.pi * segment.total(green * (amplitudes**2).sum(1), grid.owner, len(cell)) / cell.det().abs()


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("p", [7, 8])
def test_converges(order: int, p: int) -> None:
    """Halving the spacing lowers the error of long waves by about 2^(p - order), for even and odd p."""
    c, errors = random(1, 7, len(multi_indices(order))), []
    for spacing in (0.4, 0.2, 0.1):
        grid = grid_of(spacing, p)
        m = waves(grid)
        each = exact(c, S, m, order) * (INDEX[:, None] == grid.owner)
        reference = torch.view_as_real(segment.total(each, KIND, 2))
        long = m.abs().amax(1) < 3
        found = grid.at(S, INDEX, KIND, 2).spread(c, order) * left_out(grid)[:, None]
        error = (found - reference)[:, long]
        errors.append((error.abs().max() / reference[:, long].abs().max()).item())
    assert errors[2] < errors[0] * 2.0 ** (-1.5 * (p - order))
    assert errors[2] < 1e-6


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_transpose(order: int) -> None:
    """<S', A c> = <A^T S', c>, also where structures have several meshes."""
    grid = Grid(CELLS, torch.linalg.vector_norm(CELLS, dim=2)[:, 2] / torch.tensor([11.9, 9.9]), 6)
    assert len(grid.structure) > 2
    bound, c = grid.at(S, INDEX, KIND, 3), random(1, 7, len(multi_indices(order)))
    back = random(2, 3, len(grid.owner), 2)
    left, right = (back * bound.spread(c, order)).sum(), (bound.gather(back, order) * c).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=0.0)
    assert left.abs() > 1e-3


@pytest.mark.parametrize("order", [0, 1])
def test_derivatives(order: int) -> None:
    """Both maps in coordinates and coefficients, twice."""
    grid = grid_of(1.2)

    def spreads(c: Tensor, s: Tensor) -> Tensor:
        return spread(c, s, grid.at(s.detach(), INDEX, KIND, 2), order)

    def gathers(back: Tensor, s: Tensor) -> Tensor:
        return gather(back, s, grid.at(s.detach(), INDEX, KIND, 2), order)

    derivatives_of(spreads, 0.1 * random(1, 7, len(multi_indices(order))), S)
    derivatives_of(gathers, 0.1 * random(2, 2, len(grid.owner), 2), S)


def test_derivatives_by_the_cell() -> None:
    """Where two sizes share each axis, the shares follow the cell."""
    cell = (11.9 * torch.eye(3, dtype=torch.float64) + 0.1 * random(3, 3, 3))[None]
    c, index = random(1, 7, 1), torch.zeros(7, dtype=torch.long)
    spacing = torch.linalg.vector_norm(cell[0, 0])[None] / 11.9
    assert len(Grid(cell, spacing, 4).structure) > 1

    def energy(cell: Tensor) -> Tensor:
        return energies(cell, S, index, c, Grid(cell, spacing, 4), 0.9, 0)

    derivatives_of(energy, cell)


def test_batch_is_singles() -> None:
    """Energies, and amplitudes of each structure, do not depend on the others; nor on the order of sites."""
    c = random(1, 7, 4)
    together = energies(CELLS, S, INDEX, c, Grid(CELLS, SPACING, 6), 0.8, 1)
    for n in range(2):
        own, cell = torch.nonzero(n == INDEX)[:, 0], CELLS[n : n + 1]
        alone = energies(cell, S[own], INDEX[own] * 0, c[own], Grid(cell, SPACING[n : n + 1], 6), 0.8, 1)
        close(together[n : n + 1], alone, 1e-12)


def test_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Site by site or all at once."""
    monkeypatch.setattr(stencil, "COMPILED", False)
    grid, c = Grid(CELLS, SPACING, 6), random(1, 7, 4)
    bound = grid.at(S, INDEX, KIND, 2)
    monkeypatch.setattr(stencil, "BLOCK", 1)
    single = grid.at(S, INDEX, KIND, 2)
    assert len(bound.stencil.blocks) == 1 and len(single.stencil.blocks) == 7
    amplitudes = bound.spread(c, 1)
    close(single.spread(c, 1), amplitudes, 1e-13)
    close(single.gather(amplitudes, 2), bound.gather(amplitudes, 2), 1e-13)


def test_multiplicity() -> None:
    """With their opposites, waves below the Nyquist frequencies are counted once; the others not at all."""
    grid = Grid(CELLS[:1], torch.tensor([0.7]), 4)
    m, half = waves(grid), grid.sizes[0] // 2
    number = grid.multiplicity / left_out(grid) ** 2
    once, twice = m[(number - 1).abs() < 1e-12], m[(number - 2).abs() < 1e-12]
    assert len(once) + len(twice) == (grid.multiplicity > 0).sum()
    every = torch.cat([once, twice, -twice])
    assert len(every) == len(every.unique(dim=0)) == (2 * half - 1).prod()
    assert (every.abs() < half).all()
    assert not m[0].any() and grid.multiplicity[0] == 1


def test_quadratic() -> None:
    """m.metric.m and its derivative, in skew cells."""
    grid, metric = Grid(CELLS, SPACING, 6), random(3, 2, 3, 3)
    metric = (metric + metric.mT).requires_grad_()
    expected = torch.einsum("ka,kab,kb->k", waves(grid), metric[grid.owner], waves(grid))
    square, back = grid.quadratic(metric), random(4, len(grid.owner))
    close(square, expected, 1e-13)
    actual, wanted = (torch.autograd.grad((back * each).sum(), metric)[0] for each in (square, expected))
    close(actual + actual.mT, wanted + wanted.mT, 1e-13)


def test_optimal() -> None:
    """No other factor b(m) brings S closer to the exact sum: over all positions, <S conj(S_exact)> = <|S|^2>."""
    shifts = torch.arange(8, dtype=torch.float64) / 8
    grid = Grid(6 * torch.eye(3, dtype=torch.float64)[None], torch.ones(1, dtype=torch.float64), 4)
    s = torch.cartesian_prod(shifts, shifts, shifts) / grid.sizes[0]
    kind = torch.arange(len(s))
    one = s.new_ones(len(s), 1)
    approximate = torch.view_as_complex(grid.at(s, kind * 0, kind, len(s)).spread(one, 0)) * left_out(grid)
    overlap = (approximate * exact(one, s, waves(grid), 0).conj()).mean(0).real
    torch.testing.assert_close((approximate.abs() ** 2).mean(0), overlap, rtol=1e-3, atol=0.0)


def stretched(start: float, end: float, steps: int) -> Tensor:
    """Energies of one cell whose first vector grows from start to end, with a mesh as coarse as 1 Å."""
    length = torch.linspace(start, end, steps, dtype=torch.float64)
    cell = torch.diag_embed(torch.stack([length, length * 0 + 5.4, length * 0 + 5.7], 1))
    grid = Grid(cell, torch.ones(steps, dtype=torch.float64), 4)
    index = torch.arange(steps).repeat_interleave(7)
    shares = segment.total(grid.multiplicity * (waves(grid) == 0).all(1), grid.owner, steps)
    torch.testing.assert_close(shares, torch.ones_like(shares), rtol=1e-14, atol=0.0)
    return energies(cell, S.repeat(steps, 1), index, random(1, 7, 1).repeat(steps, 1), grid, 0.9, 0)


def roughness(start: float, end: float) -> float:
    """How second differences shrink with half the step: by 1/4 for a smooth function, 1/2 at a kink, 1 at a jump."""
    coarse, fine = (stretched(start, end, steps).diff().diff().abs().max() for steps in (101, 201))
    return (fine / coarse).item()


@pytest.mark.parametrize(("start", "end"), [(11.6, 12.1), (159.0, 162.5)], ids=["12-16", "160-162-180"])
def test_smooth_in_the_cell(start: float, end: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice differentiable where sizes of the mesh change, even close ones; without the shared window it jumps."""
    assert roughness(start, end) < 0.28
    monkeypatch.setattr(grids, "WINDOW", 1e-9)
    assert roughness(start, end) > 0.9


@pytest.mark.parametrize("accuracy", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("lmax", [0, 1, 2])
def test_accuracy(lmax: int, accuracy: float) -> None:
    """Multipoles of one order at random, charges of both signs: forces against the exact sum."""
    edge, width, count = 8.0, 0.7, 40
    s = torch.rand(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    density = random(5, count, (lmax + 1) ** 2)
    density[:, : lmax**2] = 0.0
    c = density @ derivatives(lmax, density)
    c = c * torch.tensor([edge ** -sum(a) for a in multi_indices(lmax)])
    cell = edge * torch.eye(3, dtype=torch.float64)[None]
    spacing, order = plan(accuracy, torch.tensor([width], dtype=torch.float64), lmax)
    approximate = energies(cell, s, torch.zeros(count, dtype=torch.long), c, Grid(cell, spacing, order), width, lmax)
    top = torch.arange(-10.0, 11.0, dtype=torch.float64)
    m = torch.cartesian_prod(top, top, top)
    m = m[m.any(1)]
    square = (2 * math.pi / edge) ** 2 * (m * m).sum(1)
    green = 2 * math.pi / edge**3 * torch.exp(-(width**2) * square) / square
    reference = (green * exact(c, s, m, lmax).sum(0).abs() ** 2).sum()
    forces, expected = (torch.autograd.grad(e.sum(), s)[0] for e in (approximate, reference))
    error = ((forces - expected).norm() / expected.norm()).item()
    assert accuracy / 30 < error < 3 * accuracy
