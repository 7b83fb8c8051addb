"""The Coulomb operator in every boundary condition."""

from leyden.coulomb.operator import BoundCoulomb, Coulomb

__all__ = ["BoundCoulomb", "Coulomb"]
