"""Electrostatic potential of the density of a model, in V = eV/e:

    v(r) = 1/eps sum_ia p_ia int phi_a(r' - r_i) k_e / |r - r'| dr',

what a charge of no extent would feel at r, of images and background too where a structure is periodic. eps is the
permittivity of what the density leaves out, 1 unless a model has a scale of charges. The potential of an external field
is no part of it. A molecule has the zero at infinity; that of periodic structures is a convention (docs/coulomb.md), so
that only differences between points mean something there.
"""

from torch import Tensor

from leyden.checks import InputError, require
from leyden.neighbors import NeighborList
from leyden.potential import Potential
from leyden.system import System


def electrostatic_potential(
    potential: Potential,
    system: System,
    points: Tensor,
    index: Tensor,
    density: Tensor | None = None,
    pairs: NeighborList | None = None,
) -> Tensor:
    """v at points (M, 3) Å of the structures index (M,): (M,) V, finite on atoms too.

    density: (N, dim) if it is known; otherwise it is found here, with pairs within the backbone's cutoff unless given.
    Differentiable in points, positions, cell and weights; once only where the density minimises an energy
    (solve/implicit.py).
    Raises InputError for a model without charges, and for points of another shape or dtype.
    """
    charges = potential.charges
    if charges is None:
        raise InputError(
            "electrostatic_potential: expected a model with charges, got a short-range one; train one with the preset"
            " 'les'."
        )
    require(
        points.dtype == system.positions.dtype,
        f"points: expected {system.positions.dtype} like the positions, got {points.dtype}; convert one.",
    )
    if density is None:
        density = potential(system, pairs).density
    return potential.coulomb.bind(system, charges.basis).at(density, points, index) / charges.permittivity
