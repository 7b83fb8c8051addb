"""Derivatives of the one energy: forces = -dE/dR, stress = (1/V) dE/dstrain, Hessian-vector products."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leyden.neighbors import NeighborList, neighbor_list
from leyden.potential import Output, Potential
from leyden.system import System


@dataclass(frozen=True)
class Derivatives:
    """output of the potential; forces (N, 3) eV/Å; stress (S, 3, 3) eV/Å^3, NaN unless periodic along three axes."""

    output: Output
    forces: Tensor
    stress: Tensor | None


def forces(
    potential: Potential,
    system: System,
    pairs: NeighborList | None = None,
    stress: bool = True,
    create_graph: bool = False,
    start: Tensor | None = None,
) -> Derivatives:
    """Energy, forces and stress of a batch. create_graph keeps them differentiable, for training and Hessians.

    start: a density (N, dim) from which a solver starts.
    """
    pairs = pairs or neighbor_list(system, potential.backbone.cutoff)
    positions = system.positions
    if not positions.requires_grad:
        positions = positions.detach().requires_grad_()
    moving = replace(system, positions=positions)
    strain = torch.zeros_like(system.cell, requires_grad=True)
    output = potential(moving.strained(strain) if stress else moving, pairs, start)
    inputs = [positions, strain] if stress else [positions]
    gradients = torch.autograd.grad(output.energy.sum(), inputs, create_graph=create_graph)
    return Derivatives(
        output if create_graph else _detached(output),
        -gradients[0],
        _per_volume(gradients[1], system) if stress else None,
    )


def hessian_vector(potential: Potential, system: System, direction: Tensor) -> Tensor:
    """Second derivative of the energy along a displacement direction (N, 3): (N, 3) eV/Å^2."""
    positions = system.positions.detach().requires_grad_()
    moving = replace(system, positions=positions)
    first = forces(potential, moving, stress=False, create_graph=True).forces
    return torch.autograd.grad(-(first * direction).sum(), positions)[0]


def _per_volume(gradient: Tensor, system: System) -> Tensor:
    periodic = system.pbc.all(1)
    volume = torch.where(periodic, system.volume, torch.full_like(system.volume, torch.nan))
    return 0.5 * (gradient + gradient.mT) / volume[:, None, None]


def _detached(output: Output) -> Output:
    """The same numbers without their graph."""
    return Output(
        output.energy.detach(),
        output.energy_short.detach(),
        output.energy_long.detach(),
        None if output.density is None else output.density.detach(),
        None if output.dipole is None else output.dipole.detach(),
        None if output.solution is None else replace(output.solution, density=output.solution.density.detach()),
    )
