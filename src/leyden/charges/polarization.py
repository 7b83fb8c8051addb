"""The polarization of a model, and how its charges change when an atom of a periodic structure moves.

Charges that are read from the surroundings of atoms, and then shifted onto the total charge by a multiplier L,

    q_i = x_i + w_i L,    L = (Q - sum x) / sum w,

change where the atom has moved by dx_i + L dw_i, and everywhere by w_i dL. The latter has no direction: it follows the
atoms, in the proportions w_i / sum w, in such a way that the sum rule for all of them holds.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden import segment
from leyden.system import System

Flow = tuple[Tensor, Tensor]
"""Values (N,) and factors (N,): charges change by the factors, which are held, times the changes of the values."""


@dataclass(frozen=True)
class Polarization:
    """P = sum_i carried_i r_i + rest: charges (N,) e that atoms carry along, and what does not depend on which images
    of the atoms are given, (S, 3) e Å.

    flows: how the carried charges change near an atom that moves; share (N,): of each atom in what these miss in the
    sum rule, None where they are not shifted onto the total charge.
    """

    carried: Tensor
    rest: Tensor
    flows: tuple[Flow, ...] = ()
    share: Tensor | None = None

    @staticmethod
    def free(charges: Tensor, rest: Tensor) -> "Polarization":
        """Of charges (N,) as they are read."""
        return Polarization(charges, rest, ((charges, torch.ones_like(charges)),))

    @staticmethod
    def shifted(read: Tensor, weights: Tensor, charges: Tensor, rest: Tensor, system: System) -> "Polarization":
        """Of charges (N,) = read + weights times a multiplier, on the total charge of each structure."""
        flows = ((read, torch.ones_like(read)), (weights, (charges - read) / weights))
        total = segment.total(weights, system.index, system.count)
        return Polarization(charges, rest, flows, weights / total[system.index])

    def of(self, system: System) -> Tensor:
        """P (S, 3) e Å: the dipole of an open structure."""
        return segment.total(self.carried[:, None] * system.positions, system.index, system.count) + self.rest
