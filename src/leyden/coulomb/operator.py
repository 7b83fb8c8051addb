"""The Coulomb operator V: E = 1/2 <p|V|p>, symmetric; it keeps the self terms, which make it positive semidefinite
(for neutral densities where a structure is periodic).

`Coulomb` holds the parameters, `bind` attaches a geometry once, and the bound operator is applied cheaply and
differentiated to any order in positions, cell and density. A batch may mix boundary conditions: it is grouped by them.
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import torch

from leyden.checks import finite, require
from leyden.coulomb.bound import BoundCoulomb, Group
from leyden.coulomb.method import IMAGES, METHODS, Plan
from leyden.coulomb.sites import Sites
from leyden.coulomb.term import Term
from leyden.density.basis import GaussianBasis
from leyden.system import System

CHARGED = ("background", "error")


@dataclass(frozen=True)
class Coulomb:
    """What is asked of the operator; see docs/coulomb.md.

    accuracy: relative force error. method: 'auto' takes the cheapest; 'direct' pairs of open structures; 'reciprocal'
    plane waves or a 'mesh' for any boundary. charged: periodic structures with a charge get a 'background', or are an
    'error'. images: how lattice sums get rid of images along open axes, by an interaction 'truncated' before it reaches
    them (exact, in a cell of its own) or 'corrected' by moments, in the cell that is given (slabs and cubic boxes).
    surroundings: relative permittivity around a 3D-periodic sample; infinite is a conductor ("tin-foil").
    """

    accuracy: float = 1e-5
    method: str = "auto"
    charged: str = "background"
    images: str = "truncated"
    surroundings: float = math.inf

    def __post_init__(self) -> None:
        require(0.0 < self.accuracy < 0.1, f"Coulomb: expected an accuracy between 0 and 0.1, got {self.accuracy}.")
        for name, value, known in (
            ("method", self.method, ("auto", *METHODS)),
            ("charged", self.charged, CHARGED),
            ("images", self.images, IMAGES),
        ):
            require(value in known, f"Coulomb: expected {name} to be one of {known}, got {value!r}.")
        require(
            self.surroundings >= 1.0,
            f"Coulomb: expected surroundings of a relative permittivity of at least 1, got {self.surroundings}.",
        )

    def bind(self, system: System, basis: GaussianBasis) -> BoundCoulomb:
        """Attach to a geometry.

        Raises InputError for a boundary condition that the method cannot treat, positions that are not finite, point
        multipoles on top of each other, and what would not fit into memory.
        """
        finite("positions", system.positions)
        plan = Plan(basis, self.accuracy, self.images, self.surroundings)
        chosen = plan.choose(system, self.method)
        groups = []
        for kind in sorted(set(chosen)):
            mine = torch.tensor([n for n, k in enumerate(chosen) if k == kind], device=system.index.device)
            part, atoms = (system, None) if len(mine) == system.count else system.select(mine)
            sites = Sites.of(part, basis)
            terms = plan.terms(part, sites, *kind)
            coarse = partial(_coarse, terms, plan, part, *kind)
            groups.append(Group(terms, part, sites, atoms, mine, coarse))
        return BoundCoulomb(system, basis, groups, self.charged)


def _coarse(
    terms: list[Term], plan: Plan, system: System, method: str, axes: int, basis: GaussianBasis, accuracy: float
) -> tuple[list[Term], Sites]:
    """Terms for another basis and accuracy, with plane waves instead of a mesh, and their sites; pairs are exact."""
    sites, other = Sites.of(system, basis), replace(plan, basis=basis, accuracy=accuracy)
    if method == "direct" and basis == plan.basis:
        return terms, sites
    return other.terms(system, sites, "direct" if method == "direct" else "reciprocal", axes), sites
