"""The lattice maps: transposes and derivatives of each other, at every order."""

import pytest
import torch

from leyden.coulomb import phases
from leyden.coulomb.phases import Phases, Waves
from leyden.coulomb.spread import Gather, Spread, multi_indices, raised
from leyden.testing.numeric import derivatives_of, random

S, GROUP = (
    torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
    torch.tensor([1, 0, 1, 1, 0]),
)
WAVES = Waves(torch.tensor([[0, 0], [0, 2], [1, -1], [2, 1]]), 2)


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
def test_transpose(order: int) -> None:
    """<S', A c> = <A^T S', c>."""
    lattice = Phases(S, GROUP, 2, WAVES)
    c, back = random(1, 5, len(multi_indices(order))), random(2, 2, 4, 2, 2, 3)
    left, right = (back * lattice.spread(c, order)).sum(), (lattice.gather(back, order) * c).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=0.0)
    assert left.abs() > 1e-3


@pytest.mark.parametrize("order", [0, 1])
def test_derivatives(order: int) -> None:
    """Both maps in coordinates and coefficients, twice."""

    def spread(c: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return Spread.apply(c, s, Phases(s.detach(), GROUP, 2, WAVES), order)

    def gather(back: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return Gather.apply(back, s, Phases(s.detach(), GROUP, 2, WAVES), order)

    derivatives_of(spread, 0.1 * random(1, 5, len(multi_indices(order))), S)
    derivatives_of(gather, 0.1 * random(2, 2, 4, 2, 2, 3), S)


def test_each_wave_once() -> None:
    """Counted with their opposites, the waves fill the box, k = 0 left out."""
    rows = torch.cartesian_prod(torch.arange(2 + 1), torch.arange(-2, 2 + 1))
    waves = Waves(rows[(rows[:, 0] > 0) | (rows[:, 1] >= 0)], 3)
    signed = waves.both_signs[waves.multiplicity > 0]
    everything = {tuple(m) for m in torch.cat([signed, -signed]).tolist()}
    assert len(everything) == 2 * len(signed) == 5 * 5 * 7 - 1
    assert (0, 0, 0) not in everything


def test_long_systems_go_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of atoms limit the memory and change nothing."""
    c, back = random(1, 5, 4), random(2, 2, 4, 2, 2, 3)
    whole = Phases(S, GROUP, 2, WAVES)
    monkeypatch.setattr(phases, "BLOCK", 2 * 2 * len(WAVES.rows))
    blocks = Phases(S, GROUP, 2, WAVES)
    assert [len(whole.blocks), len(blocks.blocks)] == [1, 2]
    torch.testing.assert_close(blocks.spread(c, 1), whole.spread(c, 1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(blocks.gather(back, 1), whole.gather(back, 1), rtol=1e-12, atol=1e-12)
