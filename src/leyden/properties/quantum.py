"""What stands for the quantum correlation function where only the classical one is known (Ramirez et al., J. Chem.
Phys. 121, 3973): I(omega) = Q(x) I_classical(omega), x = beta hbar omega.

    none       Q = 1                    violates detailed balance
    harmonic   Q = x / (1 - exp(-x))    exact for harmonic vibrations; leaves the classical absorption as it is
    standard   Q = 2 / (1 + exp(-x))
    schofield  Q = exp(x / 2)
"""

from collections.abc import Callable

import numpy as np

from leyden.checks import require
from leyden.properties.wavenumber import Array, quanta


def _harmonic(x: Array) -> Array:
    small = np.abs(x) < 1e-8
    return np.where(small, 1.0 + 0.5 * x, x / -np.expm1(-np.where(small, 1.0, x)))


CORRECTIONS: dict[str, Callable[[Array], Array]] = {
    "none": np.ones_like,
    "harmonic": _harmonic,
    "standard": lambda x: 2.0 / (1.0 + np.exp(-x)),
    "schofield": lambda x: np.exp(0.5 * x),
}


def correction(name: str, wavenumbers: Array, temperature: float) -> Array:
    """Q (K,) at wavenumbers (K,) cm^-1 and a temperature in K. Raises InputError."""
    require(name in CORRECTIONS, f"correction: expected one of {', '.join(CORRECTIONS)}, got {name!r}.")
    return CORRECTIONS[name](quanta(wavenumbers, temperature))


def absorption(name: str, wavenumbers: Array, temperature: float) -> Array:
    """(1 - exp(-x)) Q / x: absorption less stimulated emission, over that of classical vibrations."""
    x = quanta(wavenumbers, temperature)
    return correction(name, wavenumbers, temperature) / _harmonic(x)
