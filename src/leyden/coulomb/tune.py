"""From one accuracy to cutoffs: the relative force error of a lattice sum falls as exp(-k^2 (s_i^2 + s_j^2) / 2)."""

import math

from torch import Tensor

TAPER_START = 0.92
"""The smooth truncation begins at this fraction of the cutoff."""


def reciprocal_cutoff(accuracy: float, source: Tensor, receiver: Tensor, lmax: int) -> Tensor:
    """Largest wave number (S,) in 1/Å for a relative force error, of Gaussians of widths source and receiver (S,) Å."""
    margin = (1.0 + 0.06 * lmax) / math.sqrt(TAPER_START)
    return margin * (-2.0 * math.log(accuracy) / (source**2 + receiver**2)).sqrt()
