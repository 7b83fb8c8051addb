"""Hardness d2E/dQ2 of a structure: how its chemical potential mu = dE/dQ grows with its total charge Q.

With N electrons, dQ = -dN: mu is the electronegativity -dE/dN, in finite differences (I + A) / 2 of ionisation energy
and electron affinity, and the hardness is I - A (Parr & Pearson, J. Am. Chem. Soc. 105, 7512, who halve it).
"""

from dataclasses import replace

import torch
from torch import Tensor

from leyden.neighbors import NeighborList
from leyden.potential import Potential
from leyden.system import System


@torch.enable_grad()
def hardness(potential: Potential, system: System, pairs: NeighborList | None = None) -> Tensor:
    """d2E/dQ2 (S,) eV/e^2 at fixed positions, of all that depends on Q; mu is that of derivatives.forces.

    pairs within the backbone's cutoff are found here unless given.
    """
    charge = system.charge.detach().requires_grad_()
    with potential.asked(order=2):
        output = potential(replace(system, charge=charge), pairs)
    (slope,) = torch.autograd.grad(output.energy.sum(), charge, create_graph=True, materialize_grads=True)
    if not slope.requires_grad:
        return torch.zeros_like(charge)
    return torch.autograd.grad(slope.sum(), charge, materialize_grads=True)[0]
