"""Spectra of classical oscillators of known frequency and amplitude, against their intensities in SI constants."""

import math

import numpy as np
import pytest
from scipy import constants

from leyden.checks import InputError
from leyden.properties.correlation import WINDOWS, Transform
from leyden.properties.quantum import CORRECTIONS, absorption, correction
from leyden.properties.spectra import (
    Spectrum,
    density_of_states,
    infrared,
    infrared_of_dipoles,
    peaks,
    raman,
)
from leyden.properties.wavenumber import AMU, INTENSITY, LIGHT, wavenumber

DT, FRAMES, TEMPERATURE, NU = 0.5, 12000, 300.0, 1600.0
OMEGA = 2 * math.pi * LIGHT * NU
KT = 8.617333262e-5 * TEMPERATURE
TIME = DT * np.arange(FRAMES)
HOW = Transform(DT, 20.0)
QUANTUM = constants.h * 100 * constants.c * NU / (constants.k * TEMPERATURE)
"""h c nu / k T."""


def oscillator(mass: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (T, 3), Å and Å/fs, of a mass (amu) with the mean energy of the temperature."""
    amplitude = math.sqrt(2 * KT / (mass * AMU)) / OMEGA
    phase = OMEGA * TIME[:, None] + np.array([0.1, 1.3, 2.9])
    return amplitude * np.cos(phase), -OMEGA * amplitude * np.sin(phase)


def area(spectrum: Spectrum, name: str | None = None, nu: float = NU) -> float:
    near = abs(spectrum.wavenumbers - nu) < 150
    column = spectrum.intensity if name is None else spectrum.columns[name]
    return float(np.trapezoid(column[near], spectrum.wavenumbers[near]))


@pytest.mark.parametrize("window", WINDOWS)
def test_infrared_intensity_of_an_oscillator(window: str) -> None:
    """q^2 / m for each direction in km/mol, at its wavenumber, from current and dipoles alike, and no other peak."""
    q, mass = 0.7, 12.0
    x, v = oscillator(mass)
    how = Transform(DT, 20.0, window)
    for found in (infrared(q * v, how, TEMPERATURE), infrared_of_dipoles(q * x + 5.0, how, TEMPERATURE)):
        assert area(found) == pytest.approx(3 * INTENSITY * q**2 / mass, rel=0.01)
        highest = max(peaks(found), key=lambda peak: peak.height)
        assert highest.wavenumber == pytest.approx(NU, abs=0.5)
        assert highest.height == pytest.approx(found.intensity.max(), rel=0.05)
        assert found.unit == "km/mol / cm^-1" and found.transform.window == window and found.correction == "harmonic"


def test_absorption_of_electrons() -> None:
    """pi r_e times their number in a volume: 8.8526e-13 cm for each (the sum rule of oscillator strengths)."""
    mass = constants.m_e / constants.atomic_mass
    _, v = oscillator(mass)
    found = infrared(-v, HOW, TEMPERATURE, volume=2.0)
    assert found.unit == "cm^-1"
    assert area(found) == pytest.approx(math.pi * constants.value("classical electron radius") * 100 / 2e-24, rel=0.01)
    assert area(found) * 2e-24 == pytest.approx(8.8526e-13, rel=0.01)


def test_the_constant_of_intensities() -> None:
    """42.2561 km/mol for (D/Å)^2/amu, 974.86 for e^2/amu, and SI."""
    debye = 1e-21 / constants.c / constants.e / 1e-10
    assert INTENSITY * debye**2 == pytest.approx(42.2561, abs=1e-4)
    in_si = constants.N_A * constants.e**2 / (12 * constants.epsilon_0 * constants.c**2 * constants.atomic_mass)
    assert pytest.approx(in_si / 1e3, rel=1e-7) == INTENSITY
    assert wavenumber(np.array([1.0, -4.0, 0.0])) == pytest.approx([521.4709, -1042.9418, 0.0], rel=1e-6)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_quantum_corrections(name: str) -> None:
    """All are 1 for slow vibrations; all but none obey detailed balance, I(omega) = I(-omega) exp(x)."""
    nu = np.array([1e-9, 200.0, 1600.0])
    x = QUANTUM * nu / NU
    up, down = correction(name, nu, TEMPERATURE), correction(name, -nu, TEMPERATURE)
    assert up[0] == pytest.approx(1.0, abs=1e-9)
    assert np.allclose(up, down * np.exp(x), rtol=1e-5) == (name != "none")
    expected = {
        "none": -np.expm1(-x) / x, "harmonic": np.ones(3), "standard": np.tanh(x / 2) / (x / 2),
        "schofield": np.sinh(x / 2) / (x / 2),
    }  # fmt: skip
    assert absorption(name, nu[1:], TEMPERATURE) == pytest.approx(expected[name][1:], rel=1e-5)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_spectra_name_and_contain_their_correction(name: str) -> None:
    x, v = oscillator(1.0)
    plain, found = (infrared(v, HOW, TEMPERATURE, quantum=quantum) for quantum in ("harmonic", name))
    factor = absorption(name, plain.wavenumbers, TEMPERATURE)
    np.testing.assert_allclose(found.intensity, factor * plain.intensity)
    alpha = x[:, :1, None] * np.eye(3)
    plain, found = (raman(alpha, HOW, TEMPERATURE, quantum=quantum) for quantum in ("none", name))
    factor = correction(name, plain.wavenumbers, TEMPERATURE)
    np.testing.assert_allclose(found.intensity, factor * plain.intensity)
    assert found.correction == name


def scattering(invariant: float, laser: float) -> float:
    """(2 pi)^4 (nu_L - nu)^4 hbar / (2 omega (1 - exp(-x))) times a square of dalpha/dQ in Å^4/amu, 1e-30 cm^2/sr."""
    shift = 2 * math.pi * (1e9 / laser - 100 * NU)
    omega = 2 * math.pi * constants.c * 100 * NU
    mean_square = constants.hbar / (2 * omega * constants.atomic_mass) * 1e-40 * invariant
    return shift**4 * mean_square / -math.expm1(-QUANTUM) * 1e4 / 1e-30


def test_raman_cross_section_of_an_oscillator() -> None:
    """Parallel a^2 + 4/45 gamma^2, perpendicular 1/15 gamma^2, as of a harmonic vibration in quantum mechanics."""
    slope = np.array([[2.0, 0.3, 0.0], [0.3, -0.5, 0.1], [0.0, 0.1, 0.9]])
    coordinate = oscillator(1.0)[0][:, 0]
    alpha = 4.0 * np.eye(3) + slope * coordinate[:, None, None]
    found = raman(alpha, HOW, TEMPERATURE, laser=532.0)
    a = np.trace(slope) / 3
    xx, yy, zz, xy, xz, yz = slope[0, 0], slope[1, 1], slope[2, 2], slope[0, 1], slope[0, 2], slope[1, 2]
    gamma = 0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3 * (xy**2 + xz**2 + yz**2)
    parallel, perpendicular = area(found, "parallel"), area(found, "perpendicular")
    assert parallel == pytest.approx(scattering(a**2 + 4 / 45 * gamma, 532.0), rel=0.01)
    assert perpendicular / parallel == pytest.approx(3 * gamma / (45 * a**2 + 4 * gamma), rel=1e-6)
    assert area(found) == pytest.approx(parallel + perpendicular)
    assert peaks(found)[-1].wavenumber == pytest.approx(NU, abs=1.0)
    assert found.wavenumbers[0] >= HOW.resolution and found.wavenumbers[-1] < 1e7 / 532.0


def test_breathing_is_polarized() -> None:
    alpha = oscillator(1.0)[0][:, :1, None] * np.eye(3)
    found = raman(alpha, HOW, TEMPERATURE)
    assert np.abs(found.columns["perpendicular"]).max() < 1e-20 * found.columns["parallel"].max()


def test_density_of_states() -> None:
    """3 N states, divided among the elements by their kinetic energy, those of each where it vibrates."""
    rng, slow = np.random.default_rng(0), 400.0
    numbers, masses = np.array([8, 1, 1]), np.array([16.0, 1.0, 1.0])
    phases = rng.uniform(0, 2 * np.pi, (3, 3))
    nu = np.array([slow, NU, NU])[:, None]
    v = np.cos(2 * np.pi * LIGHT * TIME[:, None, None] * nu + phases) / np.sqrt(masses)[:, None]
    found = density_of_states(v, masses, numbers, HOW)
    assert np.trapezoid(found.intensity, found.wavenumbers) == pytest.approx(9.0, rel=1e-9)
    assert area(found, "H") == pytest.approx(6.0, rel=0.01) and area(found, "O") == pytest.approx(0.0, abs=0.01)
    assert area(found, "O", slow) == pytest.approx(3.0, rel=0.01)
    assert list(found.columns) == ["total", "H", "O"] and math.isnan(found.temperature)
    assert [peak.wavenumber for peak in peaks(found)] == pytest.approx([slow, NU], abs=1.0)


def test_mistakes() -> None:
    _, v = oscillator(1.0)
    with pytest.raises(InputError, match=r"correction: expected one of none, harmonic, standard, schofield, got 'x'"):
        infrared(v, HOW, TEMPERATURE, quantum="x")
    with pytest.raises(InputError, match=r"temperature: expected more than 0 K, got 0"):
        infrared(v, HOW, 0.0)
    with pytest.raises(InputError, match=r"volume: expected more than 0"):
        infrared(v, HOW, TEMPERATURE, volume=0.0)
    with pytest.raises(InputError, match=r"current: expected shape \(frames, 3\), got \(12000,\)"):
        infrared(v[:, 0], HOW, TEMPERATURE)
    with pytest.raises(InputError, match=r"polarizabilities: expected shape \(frames, 3, 3\)"):
        raman(v, HOW, TEMPERATURE)
    with pytest.raises(InputError, match=r"laser: expected light of more than 20 cm\^-1"):
        raman(np.zeros((FRAMES, 3, 3)), HOW, TEMPERATURE, laser=1e6)
