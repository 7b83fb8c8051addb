"""Numbers of a latent-charge head, charges in and energy out, beside those of leyden.les.

Sums that end sharply at k_c = 2 pi / dl leave out, if the phases of the omitted waves are random (as Kolafa & Perram,
Mol. Sim. 9, 351 (1992), take those of point charges), with c and s of shim.py and n atoms of sum q^2 = q2,

    energy:  c / ((2 pi)^(3/2) s) q2 erfc(s k_c / sqrt(2)),
    forces:  2 c q2 sqrt( erfc(s k_c) / (4 pi^(3/2) s n V) ),  root mean square over atoms.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden import segment
from leyden.checks import shaped
from leyden.les.shim import Les, batched
from leyden.system import System

WITHIN = 5.0
"""Differences of so many times the estimate count as truncation: waves of crystals are not random."""
SINGLE = 1e-5
"""Relative error of sums in single precision, as such numbers usually are."""


@dataclass(frozen=True)
class Comparison:
    """energy (S,) eV: that of leyden.les minus the one given; forces (S,) eV/Å: root mean square of the difference, or
    None. truncation_energy, truncation_forces (S,): the estimates of the module docstring, 0 where open.

    scale_energy, scale_forces (S,): of self-interactions, and of forces between neighbors, to which SINGLE refers.
    factor: given numbers over those of leyden.les in the sense of least squares, of forces where there are any.
    """

    energy: Tensor
    forces: Tensor | None
    truncation_energy: Tensor
    truncation_forces: Tensor
    scale_energy: Tensor
    scale_forces: Tensor
    factor: float

    @property
    def reproduced(self) -> bool:
        """Whether all differences are truncation or roundoff."""
        fits = self.energy.abs() <= WITHIN * self.truncation_energy + SINGLE * self.scale_energy
        if self.forces is not None:
            fits = fits & (self.forces <= WITHIN * self.truncation_forces + SINGLE * self.scale_forces)
        return bool(fits.all())

    def __str__(self) -> str:
        worst, estimate = self.energy.abs().max().item(), self.truncation_energy.max().item()
        said = f"energies differ by up to {worst:.2e} eV, truncation explains {estimate:.1e} eV"
        if self.forces is not None:
            worst, estimate = self.forces.max().item(), self.truncation_forces.max().item()
            said += f"; forces by {worst:.2e} eV/Å, truncation explains {estimate:.1e} eV/Å"
        if self.reproduced:
            return f"reproduced: {said}."
        return (
            f"not reproduced: {said}. The given numbers are {self.factor:.6f} times these: if that is all, multiply"
            " norm_factor by it, else look at sigma, remove_self_interaction and the cells."
        )


def compare(
    les: Les, positions: Tensor, cell: Tensor | None, charges: Tensor, energy: Tensor, forces: Tensor | None = None,
    batch: Tensor | None = None,
) -> Comparison:  # fmt: skip
    """Whether leyden.les gives the energies (S,) eV and forces (N, 3) eV/Å at fixed charges (N,) of another code.

    les: with the sigma, dl and self-interaction of that code. Raises InputError for what does not fit.
    """
    place = positions.detach().clone().requires_grad_()
    system = batched(place, cell, batch)
    charges = shaped("charges", charges.detach(), len(positions))
    own = les.energy(system, charges)
    shaped("energy", energy, system.count)
    (slope,) = torch.autograd.grad(own.sum(), place)
    own, ours, theirs = own.detach(), own.detach(), energy.detach()
    difference = None
    if forces is not None:
        ours, theirs = -slope, shaped("forces", forces.detach(), len(positions), 3)
        difference = segment.mean((ours - theirs).square().sum(1), system.index, system.count).sqrt()
    factor = (segment.dot(ours, theirs) / segment.dot(ours, ours)).item()
    with torch.no_grad():
        return Comparison(own - energy.detach(), difference, *_sizes(les, system, charges), factor)


def _sizes(les: Les, system: System, charges: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Truncation of energies and forces, and their scales, each (S,)."""
    c, s, end = les.arguments.norm_factor, les.arguments.sigma, 2.0 * math.pi / les.arguments.dl
    square = segment.total(charges.square(), system.index, system.count)
    own = c / ((2.0 * math.pi) ** 1.5 * s) * square
    periodic, atoms = system.pbc.all(1), system.size.to(square)
    volume = torch.where(periodic, system.volume, 1.0)
    omitted = math.erfc(s * end) / (4.0 * math.pi**1.5 * s) / (atoms * volume)
    forces = torch.where(periodic, 2.0 * c * square * omitted.sqrt(), 0.0)
    energy = torch.where(periodic, own * math.erfc(s * end / math.sqrt(2.0)), 0.0)
    return energy, forces, own, c / (2.0 * math.pi * s**2) * square / atoms
