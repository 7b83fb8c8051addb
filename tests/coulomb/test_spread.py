"""The lattice maps: exact sums, transposes and derivatives of each other, at every order."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from leyden.coulomb import phases, plane_waves
from leyden.coulomb.phases import Phases
from leyden.coulomb.plane_waves import PlaneWaves
from leyden.coulomb.spread import gather, raised, spread
from leyden.density.harmonics import multi_indices
from leyden.testing.numeric import close, derivatives_of, random

CELL = torch.tensor(
    [[[7.0, 0.3, -0.2], [1.1, 5.0, 0.4], [-2.3, 0.9, 4.5]], [[4.0, 0.0, 0.0], [0.0, 6.0, 0.0], [1.0, -2.0, 5.0]]],
    dtype=torch.float64,
)
CUTOFF = torch.tensor([3.0, 3.2], dtype=torch.float64)
WAVES = PlaneWaves(CELL, CUTOFF)
S = 3.0 * random(0, 5, 3)
INDEX, KIND = torch.tensor([1, 0, 1, 1, 0]), torch.tensor([0, 1, 1, 0, 1])  # no site of kind 0 in structure 0


def lattice(s: Tensor, waves: PlaneWaves = WAVES) -> Phases:
    return waves.at(s, INDEX, KIND, 2)


def amplitudes(waves: PlaneWaves = WAVES) -> Tensor:
    return random(2, 2, len(waves.owner), 2)


@pytest.fixture(params=[1, 40, 512])
def waves(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> PlaneWaves:
    """The same waves in four slabs, two, and one."""
    monkeypatch.setattr(plane_waves, "ROWS", request.param)
    waves = PlaneWaves(CELL, CUTOFF)
    assert len(waves.slabs) == {1: 4, 40: 2, 512: 1}[request.param]
    return waves


def test_multi_indices() -> None:
    """Lower orders are a prefix; raising adds one along the axis."""
    assert [len(multi_indices(n)) for n in range(4)] == [1, 4, 10, 20]
    assert multi_indices(2)[:4] == multi_indices(1) == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    for axis, places in enumerate(raised(2)):
        for old, new in zip(multi_indices(2), places, strict=True):
            assert [b - a for a, b in zip(old, multi_indices(3)[new], strict=True)] == [
                int(x == axis) for x in range(3)
            ]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_spread_is_the_sum_over_sites(waves: PlaneWaves, order: int) -> None:
    """S_w(m) = sum_i sum_a c_ia (2 pi i m)^a exp(2 pi i m.s_i), one wave and site after another."""
    c, m, s = random(1, 5, len(multi_indices(order))), waves.m.numpy(), S.numpy()
    expected = np.zeros((2, 2, m.shape[1]), dtype=complex)
    for site, (n, a) in product(range(5), enumerate(multi_indices(order))):
        derivative = np.prod((2j * math.pi * m) ** np.array(a)[:, None], axis=0) * np.exp(2j * math.pi * s[site] @ m)
        expected[KIND[site], INDEX[site]] += float(c[site, n]) * derivative
    close(lattice(S, waves).spread(c, order), torch.view_as_real(torch.tensor(expected)).flatten(1, 2), 1e-13)
    assert np.abs(expected[0, 1]).max() > 1.0 and not expected[0, 0].any()


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_transpose(waves: PlaneWaves, order: int) -> None:
    """<S', A c> = <A^T S', c>."""
    c = random(1, 5, len(multi_indices(order)))
    back, bound = amplitudes(waves), lattice(S, waves)
    left = (back * bound.spread(c, order)).sum()
    torch.testing.assert_close(left, (bound.gather(back, order) * c).sum(), rtol=1e-10, atol=0.0)
    assert left.abs() > 1e-3


@pytest.mark.parametrize("order", [0, 1])
def test_derivatives(order: int) -> None:
    """Both maps in coordinates and coefficients, twice."""
    few = PlaneWaves(CELL, 0.5 * CUTOFF)
    c, back = 0.01 * random(1, 5, len(multi_indices(order))), 0.01 * random(2, 2, len(few.owner), 2)
    derivatives_of(lambda c, s: spread(c, s, lattice(s, few), order), c, S)
    derivatives_of(lambda back, s: gather(back, s, lattice(s, few), order), back, S)


def test_each_wave_once(waves: PlaneWaves) -> None:
    """Counted with their opposites, the waves fill the sphere of each structure, whatever the slabs."""
    box = np.array(list(product(range(-5, 6), repeat=3)))
    for number, (cell, cutoff) in enumerate(zip(CELL, CUTOFF, strict=True)):
        length = np.linalg.norm(2 * math.pi * box @ torch.linalg.inv(cell).mT.numpy(), axis=1)
        expected = [tuple(m) for m in box[length < float(cutoff)]]
        kept = waves.multiplicity[waves.owner == number] > 0
        half = [tuple(m) for m in waves.m.mT[kept].tolist()]
        assert sorted({*half, *(tuple(-x for x in m) for m in half)}) == sorted(expected)
        assert 2 * len(half) - 1 == len(expected) > 50


def test_multiplicity() -> None:
    """2, and 1 for zero, well inside; a smooth function of the cell at the cutoff, and zero beyond it."""
    metric = 4 * math.pi**2 * torch.linalg.inv(CELL @ CELL.mT)
    k = WAVES.quadratic(metric).sqrt() / CUTOFF[WAVES.owner]
    expected = torch.einsum("iw,sij,jw->sw", WAVES.m, metric, WAVES.m).flatten().sqrt() / CUTOFF[WAVES.owner]
    torch.testing.assert_close(k, expected)
    kept, inside = WAVES.multiplicity > 0, k < plane_waves.TAPER_START
    assert not kept[k >= 1.0].any() and (k >= 1.0).any()
    assert WAVES.multiplicity[kept & inside & (k > 0)].unique().tolist() == [2.0]
    assert WAVES.multiplicity[k == 0].unique().tolist() == [0.0, 1.0]
    assert (WAVES.multiplicity[k == 0] == 1.0).sum() == 2
    assert (kept & ~inside).any()
    weights = random(3, len(WAVES.owner))
    derivatives_of(lambda cell: (PlaneWaves(cell, CUTOFF).multiplicity * weights).sum(), CELL)


def test_taper() -> None:
    """From 1 to 0 with first and second derivatives zero at both ends, 1/2 between."""
    cutoff = torch.tensor(2.0, dtype=torch.float64)
    start = (plane_waves.TAPER_START * 2.0) ** 2
    ends = torch.tensor([start + 1e-9, 4.0 - 1e-9], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(plane_waves.taper(ends, cutoff).sum(), ends, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), ends)
    close(plane_waves.taper(ends, cutoff), ends.new_tensor([1.0, 0.0]), 1e-12)
    close(torch.cat([slope, bend]), torch.zeros(4, dtype=torch.float64), 1e-6)
    close(plane_waves.taper(ends.mean(), cutoff), ends.new_tensor(0.5), 1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of groups and of sites limit the memory."""
    c, back = random(1, 5, 4), amplitudes()
    expected = lattice(S).spread(c, 1), lattice(S).gather(back, 1)
    rows = WAVES.slabs[0].rows
    assert len(WAVES.slabs) == 1 and lattice(S).longest == 2
    for block, pieces in ((5 * rows, 2), (2 * rows, 4), (rows, 8), (1, 8)):
        monkeypatch.setattr(phases, "BLOCK", block)
        assert len(lattice(S)._pieces(WAVES.slabs[0])) == pieces
        close(lattice(S).spread(c, 1), expected[0], 1e-13)
        close(lattice(S).gather(back, 1), expected[1], 1e-13)


def test_single_precision() -> None:
    """float32 is as accurate as its coordinates allow."""
    waves, s = PlaneWaves(CELL.float(), CUTOFF.float()), S.float()
    c, back = random(1, 5, 4), amplitudes()
    single, double = lattice(s, waves), lattice(s.double())
    for actual, expected in (
        (single.spread(c.float(), 1), double.spread(c, 1)),
        (single.gather(back.float(), 1), double.gather(back, 1)),
        (waves.multiplicity, WAVES.multiplicity),
    ):
        assert actual.dtype == torch.float32
        close(actual.double() / expected.abs().max(), expected / expected.abs().max(), 1e-5)
