"""GaussianBasis: widths, shells, dimension, and what it refuses."""

import pytest
import torch

from leyden import GaussianBasis
from leyden.checks import InputError
from leyden.testing.numeric import random

NUMBERS = torch.tensor([8, 1, 1, 11])


def test_one_width() -> None:
    basis = GaussianBasis(0.6)
    widths = basis.widths(NUMBERS, torch.float32)
    assert widths.dtype == torch.float32 and torch.equal(widths, torch.full((4, 1), 0.6))
    assert (basis.shells, basis.narrowest, basis.widest) == (1, 0.6, 0.6)


def test_width_of_each_element() -> None:
    widths = GaussianBasis({1: 0.5, 8: 0.8, 11: 1.1, 17: 2.0}).widths(NUMBERS, torch.float64)
    assert widths.tolist() == [[0.8], [0.5], [0.5], [1.1]]


def test_shells() -> None:
    """Several widths, the same for all elements or one row each; a point may be one of them."""
    for width in ([0.5, 1.0], (0.5, 1.0)):
        assert GaussianBasis(width).widths(NUMBERS, torch.float64).tolist() == [[0.5, 1.0]] * 4
    basis = GaussianBasis({1: [0.5, 0.9], 8: [0.0, 1.2], 11: [2.0, 0.4]})
    assert basis.widths(NUMBERS, torch.float64).tolist() == [[0.0, 1.2], [0.5, 0.9], [0.5, 0.9], [2.0, 0.4]]
    assert (basis.shells, basis.narrowest, basis.widest) == (2, 0.0, 2.0)


def test_dimension() -> None:
    assert [GaussianBasis(lmax=lmax).dim for lmax in (0, 1, 2)] == [1, 4, 9]
    assert [GaussianBasis([0.5, 0.8, 1.3], lmax).dim for lmax in (0, 1, 2)] == [3, 12, 27]


@pytest.mark.parametrize("lmax", [0, 1, 2])
def test_atomic_moments(lmax: int) -> None:
    """Shell by shell, all multipoles of one after all of the other, add up."""
    density = random(0, 4, 3 * (lmax + 1) ** 2)
    expected = sum(density.split((lmax + 1) ** 2, dim=1))
    assert torch.equal(GaussianBasis([0.5, 0.8, 1.3], lmax).atomic(density), expected)
    assert torch.equal(GaussianBasis(0.5, lmax).atomic(expected), expected)


def test_missing_elements_are_named_once() -> None:
    for width in (0.8, [0.8, 1.0]):
        with pytest.raises(InputError, match=r"none for Z = \[1, 11\]; add it to width"):
            GaussianBasis({8: width}).widths(NUMBERS, torch.float64)


@pytest.mark.parametrize(
    "width", [-1.0, float("nan"), float("inf"), [], [0.5, -0.1], {1: 0.5, 8: -0.1}, {1: 0.5, 8: float("nan")}, {}],
    ids=str,
)  # fmt: skip
def test_widths_are_not_negative(width: object) -> None:
    with pytest.raises(InputError, match="expected widths in Å, positive or 0 for point multipoles, got"):
        GaussianBasis(width)  # type: ignore[arg-type]


def test_elements_have_equal_numbers_of_shells() -> None:
    with pytest.raises(InputError, match="as many widths for one element as for another"):
        GaussianBasis({1: [0.5, 1.0], 8: 0.7})


@pytest.mark.parametrize("width", [[0.0, 0.0], {1: [0.3, 0.5], 8: [0.0, 0.0]}], ids=str)
def test_one_point_on_an_atom(width: object) -> None:
    with pytest.raises(InputError, match="at most one shell of width 0 on an atom"):
        GaussianBasis(width)  # type: ignore[arg-type]


@pytest.mark.parametrize("lmax", [-1, 3, 1.5])
def test_lmax(lmax: int) -> None:
    with pytest.raises(InputError, match=rf"expected lmax 0 .*, 1 .* or 2 .*, got {lmax}"):
        GaussianBasis(lmax=lmax)
