"""Uniform fields along periodic axes, where they are no potential: they act on the polarization P of a cell (e Å).

Held is the electric field E, or along some Cartesian directions the displacement D (D / eps_0 in V/Å). They add

    -E.P    or    V eps / (8 pi k_e) F^2,    F = (D - 4 pi k_e P / V) / eps,

to an energy in conducting surroundings, F being the field in the cell (Souza, Iniguez & Vanderbilt, Phys. Rev. Lett.
89, 117602; Stengel, Spaldin & Vanderbilt, Nat. Phys. 5, 304). eps is that of electrons which the charges leave out, 1
if there are none. P is on the branch of the images that are given. On another one, energies at a constant E differ by a
constant; D does not stay the same. Surfaces without charge have D = 0 across them, as in a slab in vacuum.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.checks import require
from leyden.info import DISPLACEMENT_KEY
from leyden.system import System
from leyden.units import COULOMB


@dataclass(frozen=True)
class Macroscopic:
    """What is held: electric (S, 3) V/Å and displacement (S, 3), each 0 where it is not; compliance (S, 3), V eps /
    4 pi k_e where D is held, and its inverse stiffness, both 0 elsewhere; eps."""

    electric: Tensor
    displacement: Tensor
    compliance: Tensor
    stiffness: Tensor
    eps: float

    @staticmethod
    def of(system: System, eps: float = 1.0) -> "Macroscopic | None":
        """That of a system; None where no structure is periodic. Raises InputError for E and D along one direction."""
        if not bool(system.pbc.any()):
            return None
        electric = torch.einsum("sab,sb->sa", system.periodic_space, system.field)
        nothing = torch.zeros_like(electric)
        if system.displacement is None:
            return Macroscopic(electric, nothing, nothing, nothing, eps)
        held = ~system.displacement.isnan()
        require(
            not bool((held & (system.field != 0.0)).any()),
            f"{DISPLACEMENT_KEY}: expected no external_field along the directions where the displacement is held, got"
            f" {system.field.tolist()} V/Å; set one of the two to 0 or NaN there.",
        )
        volume = torch.where(held.any(1), system.volume, 1.0)
        compliance = (eps * volume / (4.0 * math.pi * COULOMB))[:, None].expand_as(electric)
        return Macroscopic(
            torch.where(held, 0.0, electric),
            system.displacement.nan_to_num(),
            torch.where(held, compliance, 0.0),
            torch.where(held, 1.0 / compliance, 0.0),
            eps,
        )

    @property
    def acts(self) -> bool:
        """Whether there is any field along a periodic axis, or a displacement that is held."""
        return bool((self.electric != 0.0).any() | (self.stiffness != 0.0).any())

    def field(self, polarization: Tensor) -> Tensor:
        """F (S, 3) V/Å at polarizations (S, 3) e Å."""
        return self.electric + self.displacement / self.eps - self.stiffness * polarization

    def energy(self, polarization: Tensor) -> Tensor:
        """What is added to the energy, (S,) eV."""
        field = self.field(polarization)
        return (0.5 * self.compliance * field * field - self.electric * polarization).sum(1)

    def response(self, polarization: Tensor, susceptibility: Tensor) -> Tensor:
        """F (S, 3) of what has the polarization P + X F, with X (S, 3, 3) e Å^2/V."""
        matrix = torch.eye(3).to(susceptibility) + self.stiffness[:, :, None] * susceptibility
        return torch.linalg.solve(matrix, self.field(polarization))

    def conjugate(self, field: Tensor) -> Tensor:
        """(S,) eV: the energy is the largest, over F along the directions of D, of E(F) - F.P + this."""
        return (self.compliance * field * (self.displacement / self.eps - 0.5 * field)).sum(1)
