"""Electrical properties of E(R, field, Q): dipole mu, Born charges Z*_i = dmu/dr_i, polarizability dmu/dfield.

Row = polarization, column = displacement. sum_i Z*_i = Q 1 (acoustic sum rule) holds by translation of the structure.

mu = -dE/dfield. Along periodic axes a uniform field is no potential; it acts on the polarization of models whose charge
moves along bonds (charges/bonded.py), which is mu there, and

    Z*_j = q_j + sum_i (r_i - r_j) dq_i/dr_j + d rest/dr_j

with the image of j that atom i sees (neighbors.py), for these and for models whose charges are functions of the
surroundings of their atoms (periodic.py). Where a displacement is held, all of them are those at that displacement.
"""

from dataclasses import replace

import torch
from torch import Tensor

from leyden.charges.model import Bonded
from leyden.checks import InputError
from leyden.neighbors import NeighborList, neighbor_list
from leyden.potential import Potential
from leyden.properties.periodic import periodic_born_charges
from leyden.system import System
from leyden.units import COULOMB


def dipole(potential: Potential, system: System) -> Tensor:
    """Dipole of each structure, (S, 3) e Å about the origin of the coordinates; see Output.

    Raises InputError for a model without charges.
    """
    _require_charges("dipole", potential)
    return potential(system).dipole


@torch.enable_grad()
def born_charges(
    potential: Potential, system: System, create_graph: bool = False, pairs: NeighborList | None = None
) -> Tensor:
    """Born effective charges (N, 3, 3) in e. pairs within the backbone's cutoff are found here unless given.

    Raises InputError for a model without charges, and along periodic axes for one whose charges can flow round the
    cell.
    """
    _require_charges("born_charges", potential)
    pairs = pairs or neighbor_list(system, potential.backbone.cutoff)
    if not bool(system.pbc.any()):
        return _open(potential, system, pairs, create_graph)
    along = system.periodic_space[system.index]
    out = along @ periodic_born_charges(potential, system, pairs, create_graph)
    if bool(system.pbc.all()):
        return out
    across = torch.eye(3).to(along) - along
    return out + across @ _open(potential, system, pairs, create_graph)


@torch.enable_grad()
def polarizability(
    potential: Potential, system: System, create_graph: bool = False, pairs: NeighborList | None = None
) -> Tensor:
    """dmu/dfield of each structure, (S, 3, 3) as a volume in Å^3, symmetric; that of fixed nuclei. pairs as above.

    Raises InputError for a model without charges, and for periodic structures unless charge moves along bonds.
    """
    _require_charges("polarizability", potential)
    if bool(system.pbc.any()) and not isinstance(potential.charges, Bonded):
        raise InputError(
            "polarizability: expected open structures, or a model whose charge moves along bonds, such as the preset"
            f" 'sqe', got a periodic one and {type(potential.charges).__name__}; along periodic axes a uniform field is"
            " no potential."
        )
    pairs = pairs or neighbor_list(system, potential.backbone.cutoff)
    field = system.field.detach().requires_grad_()
    with potential.asked(order=3 if create_graph else 2):
        output = potential(replace(system, field=field), pairs)
    moment = -_derivative(output.energy.sum(), field, True)
    return COULOMB * torch.stack([_derivative(moment[:, axis].sum(), field, create_graph) for axis in range(3)], 1)


def _open(potential: Potential, system: System, pairs: NeighborList, create_graph: bool) -> Tensor:
    """Derivatives of -dE/dfield by positions."""
    positions, field = (x.detach().requires_grad_() for x in (system.positions, system.field))
    with potential.asked(order=3 if create_graph else 2):
        output = potential(replace(system, positions=positions, field=field), pairs)
    moment = -_derivative(output.energy.sum(), field, True)
    return torch.stack([_derivative(moment[:, axis].sum(), positions, create_graph) for axis in range(3)], 1)


def _derivative(value: Tensor, by: Tensor, create_graph: bool) -> Tensor:
    """Zero where nothing depends on it."""
    if not value.requires_grad:
        return torch.zeros_like(by)
    return torch.autograd.grad(value, by, create_graph=create_graph, retain_graph=True, materialize_grads=True)[0]


def _require_charges(name: str, potential: Potential) -> None:
    if potential.charges is None:
        raise InputError(
            f"{name}: expected a model with charges, got a short-range one; train one with the preset 'les'."
        )
