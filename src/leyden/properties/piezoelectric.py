"""Proper piezoelectric tensors of crystals whose polarization P (e Å) is a function of positions and cell,

    e_abc = (1/V) [cell^T d(cell^-T P) / d strain_bc]_a,

which do not depend on the images of the atoms that are given (Vanderbilt, J. Phys. Chem. Solids 61, 147). Ions that
follow the strain add

    (1/V) Z* H^+ Lambda,    Lambda = -d2E / dR dstrain

with the Born charges Z* and the Hessian H (Wu, Vanderbilt & Hamann, Phys. Rev. B 72, 035105). The field is held at what
it is, with conducting surroundings 0.
"""

from dataclasses import replace

import torch
from torch import Tensor

from leyden.charges.model import Bonded
from leyden.checks import InputError, require
from leyden.derivatives import forces
from leyden.neighbors import Graph, NeighborList, neighbor_list
from leyden.potential import Potential
from leyden.properties.dielectric import require_crystal, require_neutral
from leyden.properties.electric import born_charges
from leyden.properties.relaxation import compliance
from leyden.system import System

ROUNDING = 1e-5
"""e^2/Å; a slope of carried charges that is none."""
COULOMB_PER_SQUARE_METRE = 16.02176634
"""C/m^2 in an e/Å^2."""


@torch.enable_grad()
def piezoelectric_tensor(potential: Potential, system: System, ionic: bool = False) -> Tensor:
    """e[a, b, c] of each structure, (S, 3, 3, 3) e/Å^2: polarization along a under a strain bc; with fixed ions, or
    with ions that follow the strain.

    Raises InputError for a model without such a polarization, for structures that are charged or not periodic along
    three axes, and, if ionic, for those that are not at a minimum of the energy.
    """
    require_crystal("piezoelectric_tensor", potential, system)
    require_neutral("piezoelectric_tensor", system)
    pairs = neighbor_list(system, potential.backbone.cutoff)
    _require_polarization(potential, system, pairs)
    strain = torch.zeros_like(system.cell, requires_grad=True)
    moving = system.strained(strain)
    with potential.asked(order=2):
        polarization = potential(moving, pairs).dipole
    proper = torch.linalg.solve(moving.cell, polarization[:, None], left=False) @ system.cell
    fixed = _by_strain(proper[:, 0].sum(0), strain) / system.volume[:, None, None, None]
    if not ionic:
        return fixed
    return fixed + torch.stack([_ionic(potential, one) for one in system.split()])


def _require_polarization(potential: Potential, system: System, pairs: NeighborList) -> None:
    """Raise InputError unless charges stay with their atoms or move along bonds."""
    charges = potential.charges
    if not isinstance(charges, Bonded):
        raise InputError(
            "piezoelectric_tensor: expected a model whose charge moves along bonds, got"
            f" {type(charges).__name__}, whose polarization is no function of the positions; take one with the preset"
            " 'split' or 'sqe'."
        )
    moving = replace(system, positions=system.positions.detach().requires_grad_())
    graph = Graph.of(moving, pairs)
    problem = potential.problem(moving, potential.features(graph), graph)
    carried = charges.polarization(problem, charges.solve(problem).density).carried
    slope = torch.zeros_like(moving.positions)
    if carried.requires_grad:
        (slope,) = torch.autograd.grad(carried.square().sum(), moving.positions, materialize_grads=True)
    require(
        slope.abs().max().item() < ROUNDING,
        "piezoelectric_tensor: expected formal charges that sum to the total charge, got others, of which the rest is"
        " spread over the atoms; set model.charges.formal.",
    )


def _ionic(potential: Potential, system: System) -> Tensor:
    """What the ions of one structure add, (3, 3, 3)."""
    born = born_charges(potential, system).transpose(0, 1).flatten(1)
    follow = (born @ compliance(potential, system)).view(3, -1, 3)
    strain = torch.zeros_like(system.cell, requires_grad=True)
    with potential.asked(order=2):
        first = forces(potential, system.strained(strain), stress=False, create_graph=True).forces
    return _by_strain((follow * first).sum((1, 2)), strain)[0] / system.volume


def _by_strain(values: Tensor, strain: Tensor) -> Tensor:
    """Derivatives of three numbers by strains (S, 3, 3): (S, 3, 3, 3)."""
    rows = [torch.autograd.grad(value, strain, retain_graph=True, materialize_grads=True)[0] for value in values]
    return torch.stack(rows, 1)
