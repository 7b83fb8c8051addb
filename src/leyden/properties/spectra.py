"""Vibrational spectra of trajectories, from the power spectra P of correlation.py.

    infrared  alpha(nu) n(nu) = pi k_e / (3 V c^2 k T) (1 - exp(-x)) Q(x) / x P_J(nu),    x = h c nu / k T
    Raman     d sigma / d Omega dnu = (2 pi)^4 (nu_L - nu)^4 Q(x) P(nu) / (2 (2 pi c nu)^2)
    power     D(nu) = 3 N P_v(nu) / <sum m v^2>

Infrared (McQuarrie, Statistical Mechanics, ch. 21): of the current J = sum_i Z*_i v_i, or of the dipole's derivative;
n is the refractive index. Without a volume: N_A V alpha, the absorption of a mole of structures, whose integral over a
band is its intensity. Raman (Thomas et al., Phys. Chem. Chem. Phys. 15, 6608): Stokes lines, from the derivative of the
polarizability with isotropic part a = tr alpha / 3 and anisotropy gamma^2 = 3/2 tr (alpha - a)^2; P = P_a +
4/45 P_gamma parallel to the polarization of the laser, 1/15 P_gamma perpendicular. Q is the correction of quantum.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase import units
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.signal import find_peaks

from leyden.checks import require
from leyden.properties.correlation import Power, Transform
from leyden.properties.quantum import absorption, correction
from leyden.properties.wavenumber import ABSORPTION, KM_PER_MOL, LIGHT, Array

PROMINENCE = 0.05
"""Of a peak, relative to the most prominent."""
ANGSTROM_TO_CM = 1e-8
NANOMETRE = 1e7
"""Wavenumber (cm^-1) of light of one nanometre."""
CROSS_SECTION = 1e-18
"""Å^6 cm^-4 in 1e-30 cm^2."""


@dataclass(frozen=True)
class Spectrum:
    """Columns (K,), of which the first is the whole, at wavenumbers (K,) cm^-1, and how they were made.

    averages: inverse relative variance of the first column at each wavenumber, were its components independent;
    correction "classical": a density of states has none; temperature in K, NaN where none is needed.
    """

    kind: str
    wavenumbers: Array
    columns: Mapping[str, Array]
    unit: str
    formula: str
    transform: Transform
    correction: str
    temperature: float
    averages: float

    @property
    def intensity(self) -> Array:
        """The whole, (K,)."""
        return next(iter(self.columns.values()))


@dataclass(frozen=True)
class Peak:
    """A maximum: where (cm^-1), and how high in the unit of the spectrum."""

    wavenumber: float
    height: float


def peaks(spectrum: Spectrum, most: int = 6) -> list[Peak]:
    """The highest maxima of those that stand out, by a twentieth of what the most prominent does; by wavenumber, and
    between grid points by a parabola through three."""
    nu, y = spectrum.wavenumbers, spectrum.intensity
    at, found = find_peaks(y, prominence=0.0)
    if len(at) == 0:
        return []
    at = at[found["prominences"] >= PROMINENCE * found["prominences"].max()]
    highest = np.sort(at[np.argsort(-y[at], kind="stable")[:most]])
    slope, bend = 0.5 * (y[highest + 1] - y[highest - 1]), y[highest + 1] - 2.0 * y[highest] + y[highest - 1]
    shift = -slope / bend
    places = nu[highest] + shift * (nu[1] - nu[0])
    heights = y[highest] + 0.5 * slope * shift
    return [Peak(float(place), float(height)) for place, height in zip(places, heights, strict=True)]


def infrared(
    current: Array,
    transform: Transform,
    temperature: float,
    volume: float | None = None,
    quantum: str = "harmonic",
) -> Spectrum:
    """Absorption from the current (T, 3), e Å/fs, at a temperature (K): with a volume (Å^3) alpha n in cm^-1, without
    one that of a mole of structures, km/mol for each cm^-1."""
    return _infrared(transform.power(_vectors("current", current)), transform, temperature, volume, quantum)


def infrared_of_dipoles(
    dipoles: Array,
    transform: Transform,
    temperature: float,
    volume: float | None = None,
    quantum: str = "harmonic",
) -> Spectrum:
    """The same from dipoles (T, 3), e Å, that go on without jumps."""
    power = transform.power_of_derivative(_vectors("dipoles", dipoles))
    return _infrared(power, transform, temperature, volume, quantum)


def raman(
    polarizabilities: Array,
    transform: Transform,
    temperature: float,
    laser: float = 532.0,
    quantum: str = "harmonic",
) -> Spectrum:
    """Stokes scattering of a structure from polarizabilities (T, 3, 3), Å^3, of laser light (nm), from the resolution
    to the wavenumber of the light, in 1e-30 cm^2 sr^-1 for each cm^-1."""
    alpha = np.asarray(polarizabilities, dtype=float)
    require(alpha.shape[1:] == (3, 3), f"polarizabilities: expected shape (frames, 3, 3), got {alpha.shape}.")
    trace = alpha.trace(axis1=1, axis2=2) / 3.0
    isotropic = transform.power_of_derivative(trace[:, None])
    anisotropic = transform.power_of_derivative(alpha - trace[:, None, None] * np.eye(3))
    light, every = NANOMETRE / laser, isotropic.wavenumbers
    inside = (every >= transform.resolution) & (every < light)
    require(bool(inside.any()), f"laser: expected light of more than {transform.resolution:g} cm^-1, got {laser:g} nm.")
    nu = every[inside]
    scale = CROSS_SECTION * (2.0 * math.pi * (light - nu)) ** 4 / (2.0 * (2.0 * math.pi * LIGHT * nu) ** 2)
    scale *= correction(quantum, nu, temperature)
    a, gamma = scale * isotropic.power[inside], scale * 1.5 * anisotropic.power[inside]
    parallel, perpendicular = a + 4.0 / 45.0 * gamma, gamma / 15.0
    columns = {
        "total": parallel + perpendicular, "parallel": parallel, "perpendicular": perpendicular, "isotropic": a,
        "anisotropic": gamma,
    }  # fmt: skip
    return Spectrum(
        "raman", nu, columns, "1e-30 cm^2 sr^-1 / cm^-1",
        f"(2 pi)^4 (nu_L - nu)^4 Q(x) P(nu) / (2 (2 pi c nu)^2), nu_L = {light:.1f} cm^-1; total = parallel +"
        " perpendicular", transform, quantum, temperature, isotropic.averages,
    )  # fmt: skip


def density_of_states(velocities: Array, masses: Array, numbers: NDArray[np.int64], transform: Transform) -> Spectrum:
    """Vibrational density of states from velocities (T, N, 3) of atoms with masses (N,) and atomic numbers (N,): 3 N
    states in all, translation and rotation with them, and the part of each element."""
    count = len(masses)
    weighted = np.asarray(velocities, dtype=float) * np.sqrt(masses)[:, None]
    parts = {z: transform.power(weighted[:, numbers == z]) for z in np.unique(numbers).tolist()}
    first = next(iter(parts.values()))
    scale = 3.0 * count / (weighted**2).sum((1, 2)).mean()
    each = {chemical_symbols[z]: scale * part.power for z, part in parts.items()}
    columns = {"total": np.sum(list(each.values()), axis=0), **each}
    return Spectrum(
        "power", first.wavenumbers, columns, "states / cm^-1", "3 N P(nu) / <sum m v^2> of sqrt(m) v", transform,
        "classical", math.nan, first.averages * 3 * count,
    )  # fmt: skip


def _infrared(power: Power, transform: Transform, temperature: float, volume: float | None, quantum: str) -> Spectrum:
    nu = power.wavenumbers
    shape = power.power * absorption(quantum, nu, temperature) * ABSORPTION / (units.kB * temperature)
    factor = "pi k_e / (3 V c^2 k T) (1 - exp(-x)) Q(x) / x P_J(nu)"
    if volume is None:
        scale, unit, formula = KM_PER_MOL, "km/mol / cm^-1", f"N_A V alpha = N_A V {factor}"
    else:
        require(volume > 0.0, f"volume: expected more than 0 Å^3, got {volume:g}.")
        scale, unit, formula = 1.0 / (volume * ANGSTROM_TO_CM**2), "cm^-1", f"alpha n = {factor}"
    return Spectrum(
        "ir", nu, {"absorption": scale * shape}, unit, formula, transform, quantum, temperature, 3 * power.averages
    )


def _vectors(name: str, signal: Array) -> Array:
    signal = np.asarray(signal, dtype=float)
    require(signal.ndim == 2 and signal.shape[1] == 3, f"{name}: expected shape (frames, 3), got {signal.shape}.")
    return signal
