"""The matrix of a map g of densities that is affine in the potential which they make: dg/dp = (dg/du)(du/dp).

u is what Gaussians of several widths feel (N, shells, multipoles), of which the first is that of the density.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from leyden.charges.problem import COARSE, LARGEST_OPEN, Problem
from leyden.density import GaussianBasis
from leyden.segment import Padding
from leyden.solve import Settings
from leyden.solve.factored import Factored


@torch.no_grad()
def factored(
    image: Callable[[Tensor], Tensor], receivers: GaussianBasis, problem: Problem, settings: Settings
) -> Factored | None:
    """(1 - dg/dp)^-1 for the map from u to g(u) (N, dim); None where V is no exact matrix, or a large one."""
    system, dim = problem.system, problem.basis.dim
    if not problem.coulomb.paired or int(system.size.max()) * dim > LARGEST_OPEN:
        return None
    padding = Padding.of(system.index, system.count)
    shape = (padding.slots, receivers.shells, receivers.multipoles)
    columns = problem.coulomb.approximate(COARSE, receivers).unflatten(2, shape)[:, :, :, 0].flatten(2)
    felt = columns.unflatten(1, shape).movedim(4, 0)[:, padding.index, padding.slot]
    turned = torch.vmap(image)(felt) - image(torch.zeros_like(felt[0]))
    slope = turned.new_zeros(len(turned), system.count, padding.slots, dim)
    slope[:, padding.index, padding.slot] = turned
    return Factored.of(slope.flatten(2).permute(1, 2, 0), problem.rows, settings)
