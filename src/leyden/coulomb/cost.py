"""What each method costs for each structure: time, to choose the cheapest, and memory, to refuse what cannot fit.

Seconds are of one core of the machine that benchmarks/coulomb.py ran on; only their ratios matter.
"""

import math
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leyden.checks import InputError

PAIR = 110e-9
"""Seconds for energy and forces of one pair of charges in a direct sum."""
WAVE = 1.6e-9
"""Seconds for one site and one plane wave."""
NODE = {True: 2e-9, False: 6e-9}
"""Seconds for one site and one node of its splines, in compiled loops or not."""
TRANSFORM = 2.5e-9
"""Seconds for one node of the mesh and one bit of its number."""
START = {"direct": 0.5e-3, "reciprocal": 2.3e-3, "mesh": 1.9e-3}
"""Seconds for an empty sum."""
INEXACT = 1.5
"""How much cheaper a mesh must be: plane waves are invariant to translations to roundoff, a mesh to the accuracy."""
PAIR_NUMBERS, WAVE_NUMBERS, NODE_NUMBERS = 30, 10, 12
"""Numbers kept for each pair, wave and node, energy and forces together; higher multipoles need up to twice of it."""
SMALL = 200
"""Sites up to which open structures are summed directly without asking."""
USABLE = 0.9
"""Part of the machine's memory that a sum may take."""


@dataclass(frozen=True)
class Cost:
    """Seconds (S,) of a method, and how many numbers it keeps at once (S,)."""

    seconds: np.ndarray
    numbers: np.ndarray


def direct(sites: np.ndarray) -> Cost:
    """Of structures with numbers of sites (S,)."""
    pairs = 0.5 * sites * sites
    return Cost(START["direct"] + PAIR * pairs, PAIR_NUMBERS * pairs)


def reciprocal(sites: np.ndarray, volume: np.ndarray, cutoff: np.ndarray) -> Cost:
    """Of volumes (S,) Å^3 and cutoffs (S,) 1/Å: half a sphere of waves."""
    waves = volume * cutoff**3 / (12 * math.pi**2)
    return Cost(START["reciprocal"] + WAVE * waves * sites, WAVE_NUMBERS * waves)


def mesh(sites: np.ndarray, volume: np.ndarray, spacing: np.ndarray, order: int, compiled: bool) -> Cost:
    """Of spacings (S,) Å and splines of `order` nodes, in compiled loops or not."""
    nodes = np.maximum(volume / spacing**3, 2.0)
    seconds = NODE[compiled] * sites * order**3 + TRANSFORM * nodes * np.log2(nodes)
    return Cost(START["mesh"] + seconds, NODE_NUMBERS * nodes)


def require_memory(numbers: float, like: Tensor, what: str, remedy: str) -> None:
    """Raise InputError where that many numbers of the dtype of `like` do not fit on its device."""
    needed, there = numbers * like.element_size(), available(like.device)
    if needed > USABLE * there:
        raise InputError(
            f"Coulomb: expected a sum that fits into {there / 2**30:.0f} GiB of memory, got {what}, which needs about"
            f" {needed / 2**30:.0f} GiB; {remedy}."
        )


def available(device: torch.device) -> float:
    """Memory of a device in bytes; unlimited where it cannot be asked for."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[1])
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf
