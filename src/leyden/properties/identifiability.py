"""Whether energies and forces determine the charges: forces by atoms that a short-range energy does not see.

Within its receptive field, R = layers x cutoff, a backbone can take up any part of the Coulomb energy: of E_sr and
1/2 <p|V|p> only the sum is known there. Beyond it charges act alone. With the density p held fixed,

    F_i = -d/dr_i 1/2 sum_{|r_jk| > R} <p_j|V_jk|p_k>,        identifiability = rms F / rms (F_model - F_reference),

over pairs j, k of atoms and images; rms over atoms and components. Charges that are all wrong by a factor 1 + d make F
wrong by 2 d F, to first order, and this is seen if it is above the errors: |d| < 1 / (2 identifiability). Where the
ratio is far below 1, nothing but the course of training determines the charges. No reference charges are needed.

An estimate, no bound: atoms up to 2 R apart may share a neighbor whose energy makes up for part of 2 d F; many frames
average errors; and within R training may find the charges although another short-range energy would do as well.
"""

from dataclasses import replace

import torch
from torch import Tensor

from leyden.checks import InputError, require
from leyden.coulomb.pair_lists import ClosePairs
from leyden.coulomb.pair_sum import Interaction, PairSum
from leyden.coulomb.sites import Sites
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.system import System


@torch.enable_grad()
def distant_forces(potential: Potential, system: System, reach: float) -> Tensor:
    """Forces (N, 3) eV/Å between the densities of atoms further than reach (Å) apart, the densities held fixed.

    Raises InputError for a model without charges, and a reach that is not positive.
    """
    require(reach > 0.0, f"reach: expected a distance in Å above 0, got {reach}; take layers x cutoff of the backbone.")
    if potential.charges is None:
        raise InputError(
            "distant_forces: expected a model with charges, got a short-range one; train one with the preset 'les'."
        )
    density, basis = potential(system).density.detach(), potential.charges.basis
    positions = system.positions.detach().requires_grad_()
    moving = replace(system, positions=positions)
    sites = Sites.of(moving, basis)
    close = PairSum(sites, ClosePairs(moving, reach), Interaction(points=basis.narrowest == 0.0))
    energy = potential.coulomb.bind(moving, basis).energy(density) - close.energy(sites.coefficients(density))
    return -torch.autograd.grad(energy.sum() / potential.charges.permittivity, positions)[0]


def identifiability(potential: Potential, system: System, reference: Tensor, reach: float) -> float:
    """rms of distant_forces over that of the errors of the forces, for a batch with reference forces (N, 3) eV/Å.

    reach (Å): layers x cutoff of the backbone. Raises InputError as distant_forces.
    """
    distant = distant_forces(potential, system, reach)
    error = forces(potential, system, stress=False).forces - reference
    return (distant.square().mean() / error.square().mean()).sqrt().item()
