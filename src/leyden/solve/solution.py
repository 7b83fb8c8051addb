"""What a solver returns: the density, and how it was found."""

from dataclasses import dataclass, field
from enum import Enum

import torch
from torch import Tensor

from leyden.checks import InputError


class Status(Enum):
    """Outcome of a solve; the value is the message a user sees, which says what to do."""

    DIRECT = "the density is an explicit function of the features; nothing was solved"
    CONVERGED = "the equations of the density are solved to the tolerance"
    LIMIT = "the iterations ended before the equations were solved; allow more iterations or a larger tolerance"
    INDEFINITE = "the energy has no minimum on the charge plane, or the cycle is unstable; train with a stability loss"
    BROKEN = "the equations are singular or not finite; look for overlapping atoms and for weights that are not finite"


class Unconverged(InputError):
    """A solve that failed and was not allowed to."""


@dataclass(frozen=True)
class Solution:
    """density (N, dim) and how it was found.

    iterations (S,) of the solver; residual (S,): largest violation of an equation of the density, in eV/e for a
    minimum, in e for a fixed point, which has a radius; status of each structure; potential (S,): chemical potential
    dE/dQ, eV/e; curvature (S,): an estimate of the smallest one of the energy in the density, eV/e^2, or radius (S,):
    of the spectral radius of a cycle. NaN where there is none. hardness (N,): second derivative of the energy of each
    atom by its charge, without that of V, eV/e^2, at this density; None where the model has none.
    """

    density: Tensor
    iterations: Tensor
    residual: Tensor
    status: tuple[Status, ...]
    potential: Tensor
    curvature: Tensor
    radius: Tensor
    hardness: Tensor | None = field(default=None, kw_only=True)

    @staticmethod
    def direct(density: Tensor, like: Tensor) -> "Solution":
        """Of an explicit density, for structures like (S,)."""
        zero, none = torch.zeros_like(like), torch.full_like(like, torch.nan)
        return Solution(density, zero.long(), zero, (Status.DIRECT,) * len(like), none, none, none)

    @property
    def failed(self) -> Tensor:
        """Structures whose density is not to be trusted, (S,) bool."""
        fine = (Status.DIRECT, Status.CONVERGED)
        return torch.tensor([status not in fine for status in self.status], device=self.residual.device)

    def require(self) -> "Solution":
        """This solution; raises Unconverged where a structure failed."""
        bad = self.failed.nonzero().squeeze(1).tolist()
        if bad:
            first = bad[0]
            unit = "eV/e" if bool(self.radius[first].isnan()) else "e"
            raise Unconverged(
                f"charges: expected a converged, stable density, got a residual of {self.residual[first]:.2g} {unit}"
                f" after {int(self.iterations[first])} iterations for structure {first}"
                f"{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}: {self.status[first].value}."
            )
        return self


def outcome(done: Tensor, broken: Tensor, unstable: Tensor) -> tuple[Status, ...]:
    """The status of each structure (S,): the first of these that holds, or LIMIT."""
    order = ((done, Status.CONVERGED), (broken, Status.BROKEN), (unstable, Status.INDEFINITE))
    code = torch.full_like(done, len(order), dtype=torch.long)
    for number in reversed(range(len(order))):
        code = torch.where(order[number][0], number, code)
    names = (*(status for _, status in order), Status.LIMIT)
    return tuple(names[number] for number in code.tolist())
