"""Unrolled: a fixed number K of steps of the kind of `Response`, each with weights of its own, and no equation solved,

    p_{k+1} = P_Q ( p_k + g_k(p_k; h) ),    p_0 = P_Q 0,

as in MACE-POLAR-1 (arXiv 2602.19411). It costs K applications of the Coulomb operator, and derivatives run through all
of them.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from leyden.charges.answer import Block, Readout, felt, receiving
from leyden.charges.model import Quiet
from leyden.charges.problem import Problem
from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Solution, Status


class Unrolled(Quiet):
    """Charges, and dipoles if the basis has lmax 1, after a number of steps; receivers: as for `Response`.

    The residual of its solution is the largest |change| of the density (e, e Å) in the last step, which nothing makes
    small. Its dipole -dE/dfield is not that of the density.
    """

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        receivers: tuple[float, ...] = (0.7, 1.5),
        steps: int = 2,
        hidden: int = 32,
    ) -> None:
        super().__init__()
        require(steps > 0, f"charges.Unrolled: expected at least one step, got {steps}.")
        self.receivers = receiving("Unrolled", channels, basis, receivers)
        self.given, self.basis, self.steps, self.hidden = tuple(receivers), basis, steps, hidden
        elements, shells = tuple(sorted(elements)), self.receivers.shells
        self.blocks = nn.ModuleList(
            Block(channels, elements, basis, shells, hidden, share=1.0 / steps) for _ in range(steps)
        )
        self.readout = Readout(channels, elements, basis, shells, hidden)

    def solve(self, problem: Problem) -> Solution:
        """Take the steps."""
        problem.require_closed("charges.Unrolled")
        plane = problem.plane
        last = density = plane.onto(torch.zeros_like(problem.external))
        for block in self.blocks:
            answer, last = block(problem), density
            density = plane.onto(last + answer(felt(last, problem, self.receivers)), answer.weights)
        change = problem.rows.largest((density - last).detach())
        none = torch.full_like(change, torch.nan)
        taken = torch.full_like(change, self.steps, dtype=torch.long)
        return Solution(density, taken, change, (Status.DIRECT,) * len(change), none, none, none)

    def sources(self) -> Iterable[nn.Parameter]:
        """Of local charges and dipoles, and of energies."""
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        return [*(each for block in blocks for each in block.sources()), *self.readout.energy.linear()]

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """sum_i e_i, (S,) eV, of potentials relative to their mean with the weights of the last step."""
        return self.readout(density, felt(density, problem, self.receivers), self.blocks[-1](problem), problem)
