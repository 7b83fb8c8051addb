"""How far the atoms of a periodic structure at rest give way to small forces f,

    u = H^+ f,    H = d2E/dR2,

in the space without translations, in which no curvature may be negative.
"""

import torch
from torch import Tensor

from leyden.checks import require
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties.vibrations import AT_REST, hessian
from leyden.system import System

FLATTEST = 1e-3
"""eV/Å^2; below it, the structure is at no minimum, or one so flat that there is no linear response."""


def compliance(potential: Potential, system: System) -> Tensor:
    """H^+ (3N, 3N) Å^2/eV of one structure, periodic along an axis or more.

    Raises InputError for a structure on whose atoms forces act, or whose energy does not rise in every direction.
    """
    force = forces(potential, system, stress=False).forces.norm(dim=1).max().item()
    require(
        force <= AT_REST,
        f"positions: expected a structure at rest, got a force of {force:.3g} eV/Å on an atom; relax it first.",
    )
    curvature = hessian(potential, system)
    count = len(system.positions)
    unit = torch.eye(3).to(curvature)
    moves = unit.repeat(count, 1) / count**0.5
    rigid = moves @ moves.mT
    inside = torch.eye(3 * count).to(curvature) - rigid
    values, vectors = torch.linalg.eigh(inside @ (0.5 * (curvature + curvature.mT)) @ inside + rigid)
    lowest = values.min().item()
    require(
        lowest > FLATTEST,
        f"positions: expected a minimum of the energy, got a curvature of {lowest:.3g} eV/Å^2 along a mode; displace"
        " the atoms along it and relax the structure again.",
    )
    return (vectors / values) @ vectors.mT - rigid
