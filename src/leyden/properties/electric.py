"""Electrical properties of open structures: dipole mu = -dE/dfield, Born charges Z*_i = dmu/dr_i.

Row = polarization, column = displacement. sum_i Z*_i = Q 1 (acoustic sum rule) holds by translation of the structure.
"""

from dataclasses import replace

import torch
from torch import Tensor

from leyden.checks import InputError
from leyden.neighbors import neighbor_list
from leyden.potential import Potential
from leyden.system import System


def dipole(potential: Potential, system: System) -> Tensor:
    """Dipole of each structure, (S, 3) e Å about the origin of the coordinates.

    Raises InputError for a model without charges.
    """
    output = potential(system)
    if output.dipole is None:
        raise InputError(
            "dipole: expected a model with charges, got a short-range one; train one with the preset 'les'."
        )
    return output.dipole


def born_charges(potential: Potential, system: System, create_graph: bool = False) -> Tensor:
    """Born effective charges (N, 3, 3) in e, of open structures.

    Raises InputError for periodic ones, and for a model without charges.
    """
    if system.pbc.any():
        raise InputError(
            "born_charges: expected open structures, got a periodic one; Born charges are for open structures so far."
        )
    if potential.charges is None:
        raise InputError("born_charges: expected a model with charges, got a short-range one.")
    positions, field = (x.detach().requires_grad_() for x in (system.positions, system.field))
    inside = replace(system, positions=positions, field=field)
    output = potential(inside, neighbor_list(system, potential.backbone.cutoff))
    moment = -torch.autograd.grad(output.energy.sum(), field, create_graph=True)[0]
    rows = [
        torch.autograd.grad(moment[:, axis].sum(), positions, create_graph=create_graph, retain_graph=True)[0]
        for axis in range(3)
    ]
    return torch.stack(rows, 1)
