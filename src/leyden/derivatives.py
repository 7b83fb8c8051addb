"""Derivatives of the one energy: forces = -dE/dR, stress = (1/V) dE/dstrain, mu = dE/dQ, Hessian-vector products.

mu is the derivative at fixed positions by the total charge, of all that depends on it. The multiplier of C p = Q, which
is `Solution.potential`, is the part at fixed features h, without reference energies: mu - dE/dh.dh/dQ - chi.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leyden.neighbors import NeighborList, neighbor_list
from leyden.potential import Output, Potential
from leyden.solve import Solution
from leyden.system import System


@dataclass(frozen=True)
class Derivatives:
    """output of the potential; forces (N, 3) eV/Å; stress (S, 3, 3) eV/Å^3, NaN unless periodic along three axes;
    chemical_potential (S,) eV/e."""

    output: Output
    forces: Tensor
    stress: Tensor | None
    chemical_potential: Tensor | None = None


def forces(
    potential: Potential,
    system: System,
    pairs: NeighborList | None = None,
    stress: bool = True,
    create_graph: bool = False,
    start: Tensor | None = None,
    chemical_potential: bool = False,
) -> Derivatives:
    """Energy, forces, stress and chemical potential of a batch. create_graph keeps them differentiable, for training.

    start: a density (N, dim) from which a solver starts.
    """
    pairs = pairs or neighbor_list(system, potential.backbone.cutoff)
    positions = system.positions
    if not positions.requires_grad:
        positions = positions.detach().requires_grad_()
    strain, charge = torch.zeros_like(system.cell, requires_grad=True), system.charge.detach().requires_grad_()
    moving = replace(system, positions=positions, charge=charge if chemical_potential else system.charge)
    with potential.asked(order=potential.solving.order if create_graph else 1):
        output = potential(moving.strained(strain) if stress else moving, pairs, start)
    inputs = [positions, *[strain] * stress, *[charge] * chemical_potential]
    slope, *others = torch.autograd.grad(output.energy.sum(), inputs, create_graph=create_graph)
    return Derivatives(
        output if create_graph else _detached(output),
        -slope,
        _per_volume(others[0], system) if stress else None,
        others[-1] if chemical_potential else None,
    )


def hessian_vector(potential: Potential, system: System, direction: Tensor) -> Tensor:
    """Second derivative of the energy along a displacement direction (N, 3): (N, 3) eV/Å^2."""
    positions = system.positions.detach().requires_grad_()
    moving = replace(system, positions=positions)
    with potential.asked(order=2):
        first = forces(potential, moving, stress=False, create_graph=True).forces
    return torch.autograd.grad(-(first * direction).sum(), positions)[0]


def _per_volume(gradient: Tensor, system: System) -> Tensor:
    periodic = system.pbc.all(1)
    volume = torch.where(periodic, system.volume, 1.0)
    stress = 0.5 * (gradient + gradient.mT) / volume[:, None, None]
    return torch.where(periodic[:, None, None], stress, torch.nan)


def _detached(output: Output) -> Output:
    """The same numbers without their graph."""
    return Output(
        output.energy.detach(),
        output.energy_short.detach(),
        output.energy_long.detach(),
        None if output.density is None else output.density.detach(),
        None if output.charges is None else output.charges.detach(),
        None if output.dipole is None else output.dipole.detach(),
        None if output.solution is None else _without_graph(output.solution),
    )


def _without_graph(solution: Solution) -> Solution:
    return replace(solution, density=solution.density.detach(), radius=solution.radius.detach())
