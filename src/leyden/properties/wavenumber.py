"""Wavenumbers in cm^-1, and what turns eV, Å, fs and amu into them; constants are those of ase.units (CODATA)."""

import math

import numpy as np
from ase import units
from numpy.typing import NDArray

from leyden.checks import require
from leyden.units import COULOMB

Array = NDArray[np.float64]

LIGHT = units._c * 1e-13
"""Speed of light, cm/fs."""
AMU = units.fs**-2
"""eV fs^2 / Å^2."""
ABSORPTION = math.pi * COULOMB / (3.0 * (LIGHT * 1e8) ** 2)
"""pi k_e / (3 c^2), eV fs^2 / (e^2 Å): with the mean square current, the integral of what a structure absorbs."""
KM_PER_MOL = 1e-13 * units._Nav
"""km/mol of N_A structures that absorb 1 Å cm each: 1e-8 cm/Å, 1e-5 km/cm."""
INTENSITY = KM_PER_MOL * ABSORPTION / AMU
"""km/mol of a mode whose dipole changes by 1 e/sqrt(amu); 42.2561 km/mol for 1 D/(Å sqrt(amu))."""


def wavenumber(curvature: Array) -> Array:
    """sqrt(lambda) / (2 pi c) of curvatures in eV/Å^2/amu; of a negative one, minus that of its absolute value."""
    return np.sign(curvature) * np.sqrt(np.abs(curvature) / AMU) / (2.0 * math.pi * LIGHT)


def quanta(wavenumbers: Array, temperature: float) -> Array:
    """beta hbar omega at a temperature in K. Raises InputError unless it is positive."""
    require(temperature > 0.0, f"temperature: expected more than 0 K, got {temperature:g}.")
    return wavenumbers * units.invcm / (units.kB * temperature)
