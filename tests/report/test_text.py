"""Numbers as a reader sees them."""

import math

import pytest

from leyden.report.text import error_unit, fixed, label, number, percent, pretty_unit, quantity


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (51.432, "51.4"), (0.9999, "1.00"), (-0.0123, "−0.0123"), (12345.6, "12\u202f346"), (0.0, "0"), (math.nan, "–"),
        (math.inf, "∞"), (2.4e-15, "2.4\u00a0×\u00a010⁻¹⁵"), (-3.0e8, "−3.0\u00a0×\u00a010⁸"), (9.996, "10.0"),
    ],
)  # fmt: skip
def test_three_significant_digits(value, shown):
    assert number(value) == shown


def test_fixed_percent_and_units():
    assert fixed(math.nan, 2) == "–" and fixed(-1.5, 2) == "−1.50"
    assert (percent(0.052), percent(0.486), percent(1.0)) == ("5.2%", "49%", "100%")
    assert error_unit("eV/Å^3") == (1000.0, "meV/Å^3") and error_unit("e Å") == (1.0, "e Å")
    assert error_unit("meV/atom") == (1.0, "meV/atom")
    assert pretty_unit("e Å^2") == "e Å²" and quantity(1.0, "eV/Å^3") == "1.00\u00a0eV/Å³"
    assert label("born_effective_charges") == "Born effective charges" and label("spin_moment") == "Spin moment"
