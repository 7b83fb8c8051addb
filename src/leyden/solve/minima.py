"""The lowest minimum of an energy that has several, searched from given starts, and all that were found.

From each start a descent (minimise.py) ends in a minimum or on a saddle, which it leaves to one side. Of minima of
equal energy that with the smallest sum_i sqrt(i) q_i is chosen, i the place of an atom in its structure: of equal atoms
the first carries a positive charge, the last a negative one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leyden import segment
from leyden.solve.linear import Rows
from leyden.solve.minimise import Objective, asymmetric, attached, descended, verified
from leyden.solve.solution import Solution, Status

SIDESTEP = 0.1
"""e: step away from a saddle."""
SAME = 1e-3
"""e: densities closer than this are one minimum."""
TIE = {torch.float32: 1e-4, torch.float64: 1e-8}
"""eV: minima closer than this are of equal energy."""


@dataclass(frozen=True)
class SeveralMinima(Solution):
    """The lowest minimum, and all that were found.

    minima (S, starts): energies above the lowest in eV, ascending, each distinct minimum once, then NaN; densities
    (starts, N, dim) in the same order, without derivatives, the chosen one first.
    """

    minima: Tensor
    densities: Tensor

    @property
    def spread(self) -> Tensor:
        """Energy of the highest minimum above the lowest, (S,) eV: what the choice of the start can cost."""
        return self.minima.nan_to_num(nan=0.0).amax(1)


def lowest(objective: Objective, starts: Sequence[tuple[Tensor, float]]) -> SeveralMinima:
    """The lowest of the minima that starts lead to, with derivatives: densities (N, dim), and the sides, 1 or -1, to
    which they leave a saddle; iterations count those of all starts. Raises Unconverged."""
    solution = compared(objective, [_settled(objective, start, side) for start, side in starts])
    if objective.settings.unconverged == "raise":
        solution.require()
    return replace(solution, density=attached(objective, solution).density)


@torch.no_grad()
def compared(objective: Objective, found: Sequence[Solution]) -> SeveralMinima:
    """The lowest solution of each structure that did not fail, and all of them, without derivatives."""
    rows = objective.rows
    densities = torch.stack([each.density for each in found])
    energies = _distinct(objective, found, densities)
    order = _ascending(energies, torch.stack([_arrangement(objective, each) for each in densities], 1))
    energies = energies.gather(1, order)
    above = (energies - energies[:, :1]).clamp(min=0.0)
    minima = torch.where(above.isfinite(), above, torch.nan)
    ordered = densities.gather(0, order.T[:, rows.index, None].expand_as(densities))
    ordered = torch.where(minima.T[:, rows.index, None].isnan(), torch.nan, ordered)
    return SeveralMinima(**vars(_chosen(found, order[:, 0], rows)), minima=minima, densities=ordered)


@torch.no_grad()
def _settled(objective: Objective, start: Tensor, side: float) -> Solution:
    """The minimum reached from a start; a descent that ends on a saddle goes on from a step to one side of it."""
    first = verified(objective, descended(objective, start))
    saddle = torch.tensor([status is Status.INDEFINITE for status in first.status], device=start.device)
    if not bool(saddle.any()):
        return first
    aside = side * SIDESTEP * asymmetric(objective, first.density)
    second = verified(objective, descended(objective, first.density + saddle[objective.rows.index, None] * aside))
    return replace(second, iterations=first.iterations + second.iterations)


def _distinct(objective: Objective, found: Sequence[Solution], densities: Tensor) -> Tensor:
    """Energies (S, starts), infinite for what failed and for what an earlier start has found."""
    energies = torch.stack([objective.value(density)[0] for density in densities], 1)
    energies = torch.where(torch.stack([each.failed for each in found], 1), torch.inf, energies)
    fine = energies.isfinite()
    for one in range(len(found)):
        for other in range(one):
            same = fine[:, other] & (objective.rows.largest(densities[one] - densities[other]) < SAME)
            energies[:, one] = torch.where(same, torch.inf, energies[:, one])
    return energies


def _arrangement(objective: Objective, density: Tensor) -> Tensor:
    """sum_i sqrt(i) q_i, (S,)."""
    index, count = objective.rows.index, objective.rows.count
    charge = density[:, objective.plane.columns].sum(1)
    return segment.total(objective.rows.place.to(charge.dtype).sqrt() * charge, index, count)


def _ascending(energies: Tensor, arrangement: Tensor) -> Tensor:
    """Order (S, starts) of energies, equal ones by their arrangement, infinite ones last and as they come."""
    fine = energies.isfinite()
    above = (energies - energies.amin(1, keepdim=True)) / TIE[energies.dtype]
    order = torch.where(fine, arrangement, 0.0).argsort(dim=1, stable=True)
    level = torch.where(fine, above, torch.inf).round()
    return order.gather(1, level.gather(1, order).argsort(dim=1, stable=True))


def _chosen(found: Sequence[Solution], choice: Tensor, rows: Rows) -> Solution:
    """Of each structure the solution number choice (S,); iterations of all of them."""
    here = torch.arange(len(choice), device=choice.device)

    def pick(values: list[Tensor]) -> Tensor:
        return torch.stack(values)[choice, here]

    atoms = choice[rows.index], torch.arange(len(rows.index), device=choice.device)
    return Solution(
        torch.stack([each.density for each in found])[atoms],
        torch.stack([each.iterations for each in found]).sum(0),
        pick([each.residual for each in found]),
        tuple(found[number].status[s] for s, number in enumerate(choice.tolist())),
        pick([each.potential for each in found]),
        pick([each.curvature for each in found]),
        pick([each.radius for each in found]),
    )
