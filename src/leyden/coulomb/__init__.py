"""The Coulomb operator in every boundary condition."""

from leyden.coulomb.bound import BoundCoulomb
from leyden.coulomb.operator import Coulomb

__all__ = ["BoundCoulomb", "Coulomb"]
