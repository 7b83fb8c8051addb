"""Power spectra of trajectories by the theorem of Wiener and Khinchin.

    P(nu) = 2 c int C(t) w(t) cos(2 pi c nu t) dt,    C(t) = <A(0).A(t)>,    int_0^inf P dnu = C(0) = <A^2>

over positive wavenumbers nu. The sum rule holds to roundoff, as w(0) = 1. C comes from zero-padded fast Fourier
transforms, each lag averaged over the pairs of frames that have it. w broadens a line to the resolution, which is its
full width at half maximum:

    hann      w = cos^2(pi t / 2 L),         L = 1 / (c resolution),                      zero beyond L
    gaussian  w = exp(-t^2 / 2 tau^2),       tau = sqrt(2 ln 2) / (pi c resolution),      cut at 4 tau

The transform of the second has no negative lobes. P has the relative standard deviation (int w^2 dt / length)^(1/2) for
one component of A (Blackman & Tukey, The Measurement of Power Spectra, 1958).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from leyden.checks import InputError, require
from leyden.properties.wavenumber import LIGHT, Array

NUMBERS = 1 << 24
"""Numbers in a Fourier transform at a time."""
POINTS = 5
"""Of the spectrum within its resolution, at least."""
SAMPLES = 2.0
"""Lengths of the window that a trajectory has, at least."""


def _hann(lags: Array, resolution: float) -> Array:
    return np.cos(0.5 * math.pi * lags * LIGHT * resolution) ** 2


def _gaussian(lags: Array, resolution: float) -> Array:
    return np.exp(-0.5 * (lags * math.pi * LIGHT * resolution) ** 2 / (2.0 * math.log(2.0)))


@dataclass(frozen=True)
class Window:
    """w of lags (fs) at a resolution (cm^-1), and where it ends, in 1 / (c resolution)."""

    weight: Callable[[Array, float], Array]
    reach: float


WINDOWS = {"gaussian": Window(_gaussian, 4.0 * math.sqrt(2.0 * math.log(2.0)) / math.pi), "hann": Window(_hann, 1.0)}


@dataclass(frozen=True)
class Power:
    """P (K,) at wavenumbers (K,) in cm^-1; averages: inverse variance of P relative to P^2, for one component."""

    wavenumbers: Array
    power: Array
    averages: float


@dataclass(frozen=True)
class Transform:
    """How a power spectrum is made: time between frames (fs), resolution (cm^-1), window (gaussian or hann)."""

    timestep: float
    resolution: float = 10.0
    window: str = "gaussian"

    def __post_init__(self) -> None:
        require(self.window in WINDOWS, f"window: expected one of {', '.join(WINDOWS)}, got {self.window!r}.")
        for name in ("timestep", "resolution"):
            value = getattr(self, name)
            require(0.0 < value < math.inf, f"{name}: expected a positive number, got {value:g}.")

    @property
    def highest(self) -> float:
        """The wavenumber of which there are two frames a period; faster vibrations fold back below it."""
        return 1.0 / (2.0 * LIGHT * self.timestep)

    def power(self, signal: Array) -> Power:
        """P of a signal (T, ...), summed over its components.

        Raises InputError for fewer frames than the resolution takes, and for numbers that are not finite.
        """
        window, (frames, spacing) = WINDOWS[self.window], (len(signal), self.timestep)
        lags = math.ceil(window.reach / (LIGHT * self.resolution * spacing))
        if frames < SAMPLES * lags:
            finest = SAMPLES * window.reach / (LIGHT * frames * spacing)
            longer = SAMPLES * lags * spacing / 1000
            raise InputError(
                f"resolution: expected {math.ceil(finest)} cm^-1 or more from {frames} frames of {spacing:g} fs with"
                f" the window {self.window}, got {self.resolution:g}; simulate {longer:.1f} ps or more, or"
                " ask for less."
            )
        weight: Array = window.weight(np.arange(float(lags + 1)) * spacing, self.resolution)
        damped = weight * autocorrelation(signal, lags)
        size = 2 * next_fast_len(max(lags + 1, math.ceil(POINTS * self.highest / self.resolution)), real=True)
        even = np.zeros(size)
        even[: lags + 1], even[size - lags :] = damped, damped[:0:-1]
        area = spacing * (2.0 * (weight**2).sum() - 1.0)
        return Power(
            np.arange(size // 2 + 1) / (size * spacing * LIGHT),
            2.0 * LIGHT * spacing * rfft(even).real,
            float(frames * spacing / area),
        )

    def power_of_derivative(self, signal: Array) -> Power:
        """P of dA/dt (1/fs^2) of a signal (T, ...), from differences, whose response (2 / dt) sin(omega dt / 2) in
        place of omega is divided out."""
        found = self.power(np.diff(signal, axis=0) / self.timestep)
        response = np.sinc(LIGHT * found.wavenumbers * self.timestep) ** 2
        return Power(found.wavenumbers, found.power / response, found.averages)


def autocorrelation(signal: Array, lags: int) -> Array:
    """<A(0).A(t)> of a signal (T, ...) at 0 to `lags` frames, (lags + 1,), summed over its components."""
    frames = len(signal)
    columns = np.reshape(signal, (frames, -1))
    require(
        bool(np.isfinite(columns).all()), "trajectory: expected finite numbers, got NaN or inf; leave out those frames."
    )
    size = next_fast_len(frames + lags, real=True)
    width, total = max(1, NUMBERS // size), np.zeros(size // 2 + 1)
    for first in range(0, columns.shape[1], width):
        amplitude = rfft(columns[:, first : first + width], size, axis=0)
        total += (amplitude.real**2 + amplitude.imag**2).sum(1)
    return irfft(total, size)[: lags + 1] / (frames - np.arange(lags + 1))
