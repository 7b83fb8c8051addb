"""Errors and correlations of a property."""

import math

import numpy as np
import pytest

from leyden.train.metrics import Parity


def parity(reference: object, predicted: object) -> Parity:
    values = np.asarray(reference, dtype=float)
    return Parity("energy", "eV", values, np.asarray(predicted, dtype=float), np.arange(len(values)))


def test_by_hand() -> None:
    found = parity([0.0, 1.0, 2.0], [1.0, 1.0, 5.0])
    assert found.rmse == pytest.approx(math.sqrt(10 / 3))
    assert found.mae == pytest.approx(4 / 3)
    assert found.slope == pytest.approx(2.0)
    assert found.r2 == pytest.approx(0.75)


def test_against_numpy() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=50)
    found = parity(reference, 0.5 * reference + 3.0 + 0.1 * rng.normal(size=50))
    assert found.slope == pytest.approx(np.polyfit(reference, found.predicted, 1)[0])
    assert found.r2 == pytest.approx(np.corrcoef(reference, found.predicted)[0, 1] ** 2)


def test_nothing_varies() -> None:
    constant = parity([1.0, 1.0], [1.0, 2.0])
    assert math.isnan(constant.r2) and math.isnan(constant.slope)
    assert parity([1.0, 2.0], [3.0, 3.0]).slope == 0.0
