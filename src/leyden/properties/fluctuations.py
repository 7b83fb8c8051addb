"""The static dielectric constant from the fluctuation of the dipole M of a cell in conducting surroundings,

    eps = eps_inf + 4 pi k_e (<M^2> - <M>^2) / (3 V k T)

(Neumann, Mol. Phys. 50, 841). Its error is that of the mean of |M - <M>|^2 by blocks; with n independent samples of M
the fluctuation comes out too small by a factor 1 - 1/n, which is not corrected.
"""

import math
from dataclasses import dataclass

import numpy as np
from ase import units

from leyden.checks import require
from leyden.properties.blocking import blocked
from leyden.properties.wavenumber import Array
from leyden.units import COULOMB

FEW = 20.0
"""Independent samples below which an error bar is not to be trusted."""


@dataclass(frozen=True)
class DielectricConstant:
    """Value and standard error; independent samples of the dipole; running (T,): the value after each frame.

    warning: a sentence where samples are too few, otherwise None.
    """

    value: float
    error: float
    samples: float
    running: Array
    temperature: float
    volume: float
    eps_inf: float
    warning: str | None


def dielectric_constant(dipoles: Array, volume: float, temperature: float, eps_inf: float = 1.0) -> DielectricConstant:
    """From dipoles (T, 3), e Å, that go on without jumps, of a cell of a volume (Å^3) at a temperature (K).

    Raises InputError for another shape, fewer than two frames, or a volume or temperature that is not positive.
    """
    moment = np.asarray(dipoles, dtype=float)
    fits = moment.ndim == 2 and moment.shape[1] == 3 and len(moment) > 1
    require(fits, f"dipoles: expected shape (frames, 3) with two frames or more, got {moment.shape}.")
    for name, value in (("volume", volume), ("temperature", temperature)):
        require(0.0 < value < math.inf, f"{name}: expected a positive number, got {value:g}.")
    factor = 4.0 * math.pi * COULOMB / (3.0 * volume * units.kB * temperature)
    away = moment - moment.mean(0)
    fluctuation, axes = blocked((away**2).sum(1)), [blocked(axis) for axis in away.T]
    samples = float(np.mean([axis.samples for axis in axes]))
    long_enough = fluctuation.converged and all(axis.converged for axis in axes) and samples >= FEW
    frames = np.arange(1, len(away) + 1)
    means = np.cumsum(away, 0) / frames[:, None]
    running = np.cumsum((away**2).sum(1)) / frames - (means**2).sum(1)
    return DielectricConstant(
        eps_inf + factor * fluctuation.mean, factor * fluctuation.error, samples, eps_inf + factor * running,
        temperature, volume, eps_inf, None if long_enough else _warning(samples, len(moment)),
    )  # fmt: skip


def _warning(samples: float, frames: int) -> str:
    few = f"expected {FEW:.0f} independent dipoles or more, got about {samples:.1f} in {frames} frames"
    grows = f"expected an error that no longer grows with the length of blocks, got one that does in {frames} frames"
    return f"{few if samples < FEW else grows}: value and error are not to be trusted; simulate longer."
