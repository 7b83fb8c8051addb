"""Finding the density: constraints, equations, their derivatives, and what a solver reports."""

from leyden.solve.block import Blocks
from leyden.solve.constraint import Plane
from leyden.solve.linear import Rows
from leyden.solve.solution import Solution, Status, Unconverged
from leyden.solve.stationary import Curvature, Settings, stationary
from leyden.solve.whole import Whole

__all__ = [
    "Blocks",
    "Curvature",
    "Plane",
    "Rows",
    "Settings",
    "Solution",
    "Status",
    "Unconverged",
    "Whole",
    "stationary",
]
