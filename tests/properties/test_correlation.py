"""Power spectra: sum rule, lines of known place, height and width, noise of known strength."""

import numpy as np
import pytest

from leyden.checks import InputError
from leyden.properties import correlation
from leyden.properties.correlation import WINDOWS, Transform, autocorrelation
from leyden.properties.wavenumber import LIGHT

DT, NU = 0.5, 1600.0


def line(frames: int, nu: float = NU, amplitude: float = 3.0, dt: float = DT) -> np.ndarray:
    return amplitude * np.cos(2 * np.pi * LIGHT * nu * dt * np.arange(frames) + 0.3)


@pytest.mark.parametrize("window", WINDOWS)
def test_sum_rule(window: str) -> None:
    """The integral over positive wavenumbers is the mean square, of any signal."""
    signal = np.random.default_rng(0).normal(size=(3000, 4, 3)).cumsum(0)
    found = Transform(DT, 90.0, window).power(signal)
    mean_square = (signal**2).sum((1, 2)).mean()
    assert np.trapezoid(found.power, found.wavenumbers) == pytest.approx(mean_square, rel=1e-12)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_line(window: str) -> None:
    """At its wavenumber, with half the square of its amplitude, and the width asked for."""
    found = Transform(DT, 20.0, window).power(line(12000))
    nu, power = found.wavenumbers, found.power
    near = abs(nu - NU) < 100
    assert nu[power.argmax()] == pytest.approx(NU, abs=3)
    assert np.trapezoid(power[near], nu[near]) == pytest.approx(4.5, rel=0.01)
    above = nu[power > 0.5 * power.max()]
    assert np.ptp(above) == pytest.approx(20.0, abs=1.5 * (nu[1] - nu[0]))
    assert (power.min() < -1e-3 * power.max()) == (window == "hann")


@pytest.mark.parametrize("window", WINDOWS)
def test_noise(window: str) -> None:
    """White noise is flat, and deviates from flat as the averages say, whatever the number of frames."""
    signal = np.random.default_rng(1).normal(size=(40000, 1))
    found = Transform(DT, 50.0, window).power(signal)
    inside = found.power[100:-100]
    level = 1.0 / found.wavenumbers[-1]
    assert inside.mean() == pytest.approx(level, rel=0.02)
    assert inside.std() / level == pytest.approx(found.averages**-0.5, rel=0.15)


def test_the_derivative_of_a_line_near_the_highest_wavenumber() -> None:
    """Differences of frames leave a fifth of the intensity there; their response is divided out."""
    how = Transform(DT, 100.0)
    nu = 0.9 * how.highest
    found = how.power_of_derivative(line(4000, nu))
    near = abs(found.wavenumbers - nu) < 400
    expected = 4.5 * (2 * np.pi * LIGHT * nu) ** 2
    assert np.trapezoid(found.power[near], found.wavenumbers[near]) == pytest.approx(expected, rel=0.01)
    assert np.diff(line(4000, nu)).var() / DT**2 < 0.5 * expected


def test_autocorrelation_is_the_sum_over_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every lag over the pairs that have it; the same whatever is transformed at a time."""
    signal = np.random.default_rng(2).normal(size=(37, 2, 3))
    direct = [np.mean([(signal[t] * signal[t + lag]).sum() for t in range(37 - lag)]) for lag in range(19)]
    np.testing.assert_allclose(autocorrelation(signal, 18), direct, atol=1e-13)
    monkeypatch.setattr(correlation, "NUMBERS", 128)
    np.testing.assert_allclose(autocorrelation(signal, 18), direct, atol=1e-13)


@pytest.mark.parametrize("window", WINDOWS)
def test_too_short_for_the_resolution(window: str) -> None:
    """The resolution and the length that the message names are enough, and not much less is."""
    with pytest.raises(
        InputError, match=r"^resolution: expected \d+ cm\^-1 or more from 2000 frames of 0\.5 fs"
    ) as said:
        Transform(DT, 5.0, window).power(line(2000))
    words = str(said.value).split()
    enough, length = float(words[2]), float(words[words.index("simulate") + 1])
    Transform(DT, enough, window).power(line(2000))
    Transform(DT, 5.0, window).power(line(round(1000 * length / DT) + 200))
    with pytest.raises(InputError, match="resolution"):
        Transform(DT, 0.97 * enough, window).power(line(2000))
    with pytest.raises(InputError, match="resolution"):
        Transform(DT, 5.0, window).power(line(round(970 * length / DT)))


def test_mistakes() -> None:
    with pytest.raises(InputError, match=r"window: expected one of gaussian, hann, got 'box'\."):
        Transform(DT, 10.0, "box")
    with pytest.raises(InputError, match=r"resolution: expected a positive number, got 0\."):
        Transform(DT, 0.0)
    with pytest.raises(InputError, match=r"timestep: expected a positive number, got nan\."):
        Transform(float("nan"))
    broken = line(3000)
    broken[7] = np.nan
    with pytest.raises(InputError, match="expected finite numbers"):
        Transform(DT, 100.0).power(broken)
