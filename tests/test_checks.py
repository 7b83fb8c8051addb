"""Checks: messages say what was expected, what came, and where."""

import pytest
import torch

from leyden.checks import InputError, finite, nearest, require, shaped


def test_require() -> None:
    require(True, "never shown")
    with pytest.raises(InputError, match=r"^expected an apple\.$"):
        require(False, "expected an apple.")


def test_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)


def test_shaped() -> None:
    tensor = torch.zeros(2, 3)
    assert shaped("x", tensor, 2, 3) is tensor
    assert shaped("x", tensor, None, 3) is tensor
    assert (
        shaped(
            "x",
            torch.zeros(()),
        ).shape
        == ()
    )
    for wanted, message in (
        ((2,), r"\(2\)"),
        ((3, 3), r"\(3, 3\)"),
        ((None, 4), r"\(any, 4\)"),
        ((2, 3, 1), r"\(2, 3, 1\)"),
    ):
        with pytest.raises(InputError, match=rf"x: expected shape {message}, got \(2, 3\)"):
            shaped("x", tensor, *wanted)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_finite(bad: float) -> None:
    tensor = torch.zeros(2, 3)
    assert finite("x", tensor) is tensor
    tensor[1, 2] = bad
    with pytest.raises(InputError, match=rf"x: expected finite numbers, got {bad} at index \(1, 2\)"):
        finite("x", tensor)


def test_nearest() -> None:
    known = ["forces", "energy", "stress"]
    assert nearest("force", known) == " (did you mean 'forces'?)"
    assert nearest("zzz", known) == ""
    assert nearest("force", iter(known)) == " (did you mean 'forces'?)"
