"""GaussianBasis: widths, dimension, and what it refuses."""

import pytest
import torch

from leyden import GaussianBasis
from leyden.checks import InputError

NUMBERS = torch.tensor([8, 1, 1, 11])


def test_one_width() -> None:
    widths = GaussianBasis(0.6).widths(NUMBERS, torch.float32)
    assert widths.dtype == torch.float32 and torch.equal(widths, torch.full((4,), 0.6))


def test_width_of_each_element() -> None:
    widths = GaussianBasis({1: 0.5, 8: 0.8, 11: 1.1, 17: 2.0}).widths(NUMBERS, torch.float64)
    assert widths.tolist() == [0.8, 0.5, 0.5, 1.1]


def test_dimension() -> None:
    assert [GaussianBasis(lmax=lmax).dim for lmax in (0, 1)] == [1, 4]


def test_missing_elements_are_named_once() -> None:
    with pytest.raises(InputError, match=r"none for Z = \[1, 11\]; add it to width"):
        GaussianBasis({8: 0.8}).widths(NUMBERS, torch.float64)


@pytest.mark.parametrize(
    "width", [0.0, -1.0, float("nan"), float("inf"), {1: 0.5, 8: -0.1}, {1: 0.5, 8: float("nan")}, {}], ids=str
)
def test_widths_are_positive(width: float | dict[int, float]) -> None:
    with pytest.raises(InputError, match="expected positive widths in Å"):
        GaussianBasis(width)


@pytest.mark.parametrize("lmax", [-1, 2])
def test_lmax(lmax: int) -> None:
    with pytest.raises(InputError, match=f"expected lmax 0 .* or 1 .*, got {lmax}"):
        GaussianBasis(lmax=lmax)
