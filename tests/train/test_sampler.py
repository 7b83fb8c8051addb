"""Order of the training frames."""

from itertools import chain

import pytest

from leyden.train.dataset import steps_per_epoch
from leyden.train.sampler import EpochShuffle


def order(epoch: int, seed: int = 0, count: int = 11, rank: int = 0, world: int = 1) -> list[int]:
    sampler = EpochShuffle(count, seed, rank, world)
    sampler.set_epoch(epoch)
    assert len(list(sampler)) == len(sampler)
    return list(sampler)


def test_depends_on_seed_and_epoch_alone() -> None:
    assert order(3) == order(3)
    assert len({tuple(order(epoch, seed)) for epoch in range(3) for seed in range(3)}) == 9


def test_earlier_epochs_do_not_matter() -> None:
    sampler = EpochShuffle(11, 0)
    for epoch in range(4):
        sampler.set_epoch(epoch)
        last = list(sampler)
    assert last == order(3)


@pytest.mark.parametrize(("count", "world"), [(11, 1), (12, 2), (11, 2), (7, 3), (2, 5)])
def test_processes_share_the_frames(count: int, world: int) -> None:
    """Every frame once; where the count does not divide, as few as possible twice; the same number for each process."""
    parts = [order(1, 0, count, rank, world) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    assert set(chain(*parts)) == set(range(count))
    assert sum(map(len, parts)) - count < world
    joined = [frame for batch in zip(*parts, strict=True) for frame in batch]
    assert joined[:count] == order(1, 0, count)


@pytest.mark.parametrize(
    ("frames", "batch", "world", "steps"), [(10, 3, 1, 4), (9, 3, 1, 3), (10, 3, 2, 2), (11, 3, 2, 2), (1, 8, 4, 1)]
)
def test_steps_per_epoch(frames: int, batch: int, world: int, steps: int) -> None:
    assert steps_per_epoch(frames, batch, world) == steps
