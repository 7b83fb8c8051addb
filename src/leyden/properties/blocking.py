"""The error of the mean of correlated samples, by averaging blocks of them (Flyvbjerg & Petersen, J. Chem. Phys. 91,
461).

Blocks of 1, 2, 4, ... samples give errors s / sqrt(blocks) that grow until blocks are independent. Taken is the first
block size B with B^3 > 2 n (error_B / error_1)^4, where bias and noise of the error balance (Lee et al., Phys. Rev. E
83, 066706); where there is none, the largest error, which is a lower bound.
"""

import math
from dataclasses import dataclass

import numpy as np

from leyden.checks import require
from leyden.properties.wavenumber import Array


@dataclass(frozen=True)
class Blocked:
    """Mean, its standard error, how many independent samples would have it, and whether the series is long enough."""

    mean: float
    error: float
    samples: float
    converged: bool


def blocked(series: Array) -> Blocked:
    """Of a series (T,). Raises InputError for less than two samples, or numbers that are not finite."""
    values = np.asarray(series, dtype=float)
    require(values.ndim == 1 and len(values) > 1, f"series: expected two samples or more, got shape {values.shape}.")
    require(bool(np.isfinite(values).all()), "series: expected finite numbers, got NaN or inf; leave those frames out.")
    count, mean, spread = len(values), float(values.mean()), float(values.var(ddof=1))
    if spread == 0.0:
        return Blocked(mean, 0.0, float(count), True)
    errors, size = [], 1
    while len(values) > 1:
        errors.append(math.sqrt(values.var(ddof=1) / len(values)))
        if size**3 > 2 * count * (errors[-1] / errors[0]) ** 4:
            return Blocked(mean, errors[-1], min(float(count), spread / errors[-1] ** 2), True)
        even = values[: len(values) // 2 * 2]
        values, size = 0.5 * (even[::2] + even[1::2]), 2 * size
    return Blocked(mean, max(errors), spread / max(errors) ** 2, False)
