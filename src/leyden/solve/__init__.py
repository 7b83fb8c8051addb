"""Finding the density: constraints, and what a solver reports."""

from leyden.solve.constraint import onto_plane
from leyden.solve.solution import Solution, Status

__all__ = ["Solution", "Status", "onto_plane"]
