"""Errors of means of correlated samples, and dielectric constants, where both are known."""

import math

import numpy as np
import pytest
from scipy import constants
from scipy.signal import lfilter

from leyden.checks import InputError
from leyden.properties.blocking import blocked
from leyden.properties.fluctuations import dielectric_constant

VOLUME, TEMPERATURE, SIGMA = 1000.0, 300.0, 2.0


def correlated(phi: float, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """x_t = phi x_{t-1} + noise, stationary, of unit variance: <x_0 x_t> = phi^t."""
    noise = np.random.default_rng(seed).normal(size=shape) * math.sqrt(1 - phi**2)
    noise[0] /= math.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise, axis=0)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.97])
def test_error_of_correlated_samples(phi: float) -> None:
    """(1 + phi) / (1 - phi) samples count as one; true means lie within two errors as often as they should."""
    count, runs = 16384, 60
    series = correlated(phi, (count, runs))
    found = [blocked(column) for column in series.T]
    expected = math.sqrt((1 + phi) / (1 - phi) / count)
    assert np.mean([each.error for each in found]) == pytest.approx(expected, rel=0.06)
    assert np.mean([1 / each.samples for each in found]) == pytest.approx(expected**2, rel=0.15)
    assert all(each.converged for each in found)
    assert np.mean([abs(each.mean) < 2 * each.error for each in found]) > 0.85


def test_series_that_is_too_short() -> None:
    """A walk never forgets: no block is independent, and the error found is as large as its spread."""
    walk = np.random.default_rng(0).normal(size=500).cumsum()
    found = blocked(walk)
    assert not found.converged and found.error > 0.3 * walk.std() and found.samples < 10


def test_constant_series_and_mistakes() -> None:
    assert blocked(np.full(10, 3.0)).error == 0.0
    with pytest.raises(InputError, match="expected two samples or more"):
        blocked(np.zeros(1))
    with pytest.raises(InputError, match="expected finite numbers"):
        blocked(np.array([1.0, np.nan, 2.0]))


def excess(mean_square: float) -> float:
    """M^2 / (3 eps_0 V k T) in SI constants, of e^2 Å^2 and Å^3."""
    return mean_square * constants.e**2 * 1e10 / (3 * constants.epsilon_0 * VOLUME * constants.k * TEMPERATURE)


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_dielectric_constant_of_gaussian_dipoles(phi: float) -> None:
    """<M^2> = 3 sigma^2; the error of M^2, with the correlation phi^2, and the samples of M, with phi."""
    count, runs = 16384, 20
    exact, values, errors, samples = 2.5 + excess(3 * SIGMA**2), [], [], []
    for run in range(runs):
        moments = SIGMA * correlated(phi, (count, 3), run) + 7.0
        found = dielectric_constant(moments, VOLUME, TEMPERATURE, eps_inf=2.5)
        assert found.warning is None
        assert found.running[-1] == pytest.approx(found.value, rel=1e-9) and found.running[0] == pytest.approx(2.5)
        values.append(found.value)
        errors.append(found.error)
        samples.append(found.samples)
    error = excess(SIGMA**2) * math.sqrt(6 * (1 + phi**2) / (1 - phi**2) / count)
    assert np.mean(errors) == pytest.approx(error, rel=0.08)
    assert np.mean(1 / np.array(samples)) == pytest.approx((1 + phi) / (1 - phi) / count, rel=0.15)
    assert np.mean(values) == pytest.approx(exact, abs=3 * error / math.sqrt(runs))
    assert np.mean(np.abs(np.array(values) - exact) < 2 * np.array(errors)) >= 0.8


def test_too_few_samples_are_said() -> None:
    found = dielectric_constant(SIGMA * correlated(0.99, (400, 3)), VOLUME, TEMPERATURE)
    assert found.samples < 20
    assert found.warning is not None and found.warning.startswith("expected 20 independent dipoles or more, got about ")


def test_mistakes() -> None:
    moments = np.zeros((10, 3))
    with pytest.raises(InputError, match=r"volume: expected a positive number, got 0"):
        dielectric_constant(moments, 0.0, TEMPERATURE)
    with pytest.raises(InputError, match=r"temperature: expected a positive number, got nan"):
        dielectric_constant(moments, VOLUME, math.nan)
    with pytest.raises(InputError, match=r"dipoles: expected shape \(frames, 3\)"):
        dielectric_constant(moments[:, 0], VOLUME, TEMPERATURE)
