"""Electrostatic potentials at the points of a batch that have such a label, and their zero.

Only structures with points are bound again to the Coulomb operator; their density is the one that forces come from, so
that nothing is solved twice.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.potential import Potential
from leyden.properties.electrostatic import electrostatic_potential
from leyden.system import System
from leyden.train.batch import Batch

POTENTIAL = "electrostatic_potential"
"""Name of the label."""


def at_points(
    potential: Potential, batch: Batch, density: Tensor | None, names: Sequence[str] = (POTENTIAL,)
) -> dict[str, Tensor]:
    """electrostatic_potential (S, M) V of a density (N, dim), if it is in names and labelled; NaN where no label is."""
    label, points = batch.labels.electrostatic_potential, batch.labels.potential_points
    if POTENTIAL not in names or label is None or points is None or density is None:
        return {}
    there = ~label.isnan()
    wanted = there.any(1)
    if not bool(wanted.any()):
        return {}
    part, atoms = batch.system.select(wanted.nonzero().squeeze(1))
    structure, number = there.nonzero(as_tuple=True)
    place = wanted.cumsum(0) - 1
    found = electrostatic_potential(potential, part, points[there], place[structure], density[atoms])
    return {POTENTIAL: torch.full_like(label, torch.nan).index_put((structure, number), found)}


def relative(values: Tensor, system: System) -> Tensor:
    """Potentials (S, M), NaN where there is none, those of periodic structures less the mean of each over its points.

    Along a periodic axis the zero of a potential is a convention, which programs do not share.
    """
    there = ~values.isnan()
    mean = torch.where(there, values, 0.0).sum(1) / there.sum(1).clamp(min=1)
    return values - torch.where(system.pbc.any(1), mean, 0.0)[:, None]
