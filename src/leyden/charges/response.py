"""Response: the density is a fixed point of a map that reads the potential,

    p = P_Q g(p; h),    g_i = p_loc(h_i) + ( sum_k a_k(h_i) u_ki,  sum_k b_k(h_i) grad u_ki - alpha(h_i) grad v_i ),

u_k the potential of the density and of the field on Gaussians of several widths, v that on the widths of the density
(Baldwin et al., arXiv 2603.14700; MACE-POLAR-1, arXiv 2602.19411). P_Q shifts the charges onto their total by softness
weights. Only differences of potentials move charge: u is relative to its mean over the structure, with these weights.
alpha > 0 lets an isolated atom polarize. The energy U = sum_i e(h_i, q_i, |mu_i|^2, u_ki, mu_i.grad u_ki) is learned.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from leyden.charges.affine import factored
from leyden.charges.answer import Block, Readout, felt, receiving
from leyden.charges.model import Cyclic, Quiet, Solved
from leyden.charges.problem import Problem
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Settings, Solution
from leyden.solve.anderson import Map
from leyden.solve.fixed_point import fixed_point
from leyden.solve.stability import spectral_radius


class Response(Solved, Cyclic, Quiet):
    """Charges, and dipoles if the basis has lmax 1, that a learned map gives back; settings: of the solver.

    receivers: widths (Å) on which the potential is felt, beside that of the density. The energy is not stationary in
    the density. Forces are its exact derivatives all the same, but the dipole -dE/dfield, whose derivative by positions
    the Born charges are, is not that of the density.
    """

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        receivers: tuple[float, ...] = (0.7, 1.5),
        hidden: int = 32,
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        self.receivers = receiving("Response", channels, basis, receivers)
        self.given, self.basis, self.hidden = tuple(receivers), basis, hidden
        self.settings = settings or Settings()
        elements, shells = tuple(sorted(elements)), self.receivers.shells
        self.block = Block(channels, elements, basis, shells, hidden)
        self.readout = Readout(channels, elements, basis, shells, hidden)

    def solve(self, problem: Problem) -> Solution:
        """The fixed point, by Newton's method: one step, as the map is affine."""
        problem.require_closed("charges.Response")
        start = torch.zeros_like(problem.external) if problem.start is None else problem.start
        settings, answered = problem.settings(self.settings), self._answered(problem)
        newton = factored(answered, self.receivers, problem, settings)
        image = self._map(answered, problem)
        return fixed_point(image, start, problem.rows, problem.plane, settings, problem.solving.order, newton)

    def direct(self, problem: Problem) -> Solution:
        """p_loc, shifted onto the plane."""
        problem.require_closed("charges.Response")
        answer = problem.once(self.block)
        return Solution.direct(problem.plane.onto(answer.local, answer.weights), problem.system.charge)

    def sources(self) -> Iterable[nn.Parameter]:
        """Of local charges and dipoles, and of energies."""
        return [*self.block.sources(), *self.readout.energy.linear()]

    def stability(self, problem: Problem, density: Tensor) -> Tensor:
        """Spectral radius (S,) of P_Q dg/dp."""
        return spectral_radius(self._map(self._answered(problem), problem), density, problem.rows)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """sum_i e_i, (S,) eV."""
        return self.readout(density, felt(density, problem, self.receivers), problem.once(self.block), problem)

    def _answered(self, problem: Problem) -> Map:
        """What is felt (N, shells, multipoles) -> P_Q g, (N, dim)."""
        answer, plane = problem.once(self.block), problem.plane
        return lambda u: plane.onto(answer(u), answer.weights)

    def _map(self, answered: Map, problem: Problem) -> Map:
        """p -> P_Q g(p; h)."""
        return lambda p: answered(felt(p, problem, self.receivers))
