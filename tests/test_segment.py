"""Reductions over a flat batch against plain loops."""

import pytest
import torch

from leyden import segment
from leyden.testing.numeric import derivatives_of, random

INDEX, COUNT = torch.tensor([0, 0, 2, 2, 2]), 4


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_total_and_mean(shape: tuple[int, ...]) -> None:
    """Structures 1 and 3 have no atoms: zero, not NaN."""
    values = random(0, 5, *shape)
    total, mean = segment.total(values, INDEX, COUNT), segment.mean(values, INDEX, COUNT)
    for structure, rows in enumerate([[0, 1], [], [2, 3, 4], []]):
        torch.testing.assert_close(total[structure], values[rows].sum(0))
        torch.testing.assert_close(mean[structure], values[rows].sum(0) / max(1, len(rows)))
    assert total.shape == mean.shape == (4, *shape)


def test_total_in_any_order() -> None:
    """The index need not ascend."""
    assert segment.total(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1, 0, 1]), 2).tolist() == [2.0, 5.0]


def test_starts() -> None:
    assert segment.starts(INDEX, COUNT).tolist() == [0, 2, 2, 5, 5]
    assert segment.starts(INDEX[:0], 2).tolist() == [0, 0, 0]


def test_derivatives() -> None:
    derivatives_of(lambda v: segment.total(v, INDEX, COUNT) ** 2, random(0, 5, 2))
    derivatives_of(lambda v: segment.mean(v, INDEX, COUNT) ** 2, random(0, 5, 2))
