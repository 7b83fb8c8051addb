"""Response: the density is a fixed point of a map that reads the potential,

    p = P_Q g(p; h),    g_i = p_loc(h_i) + ( sum_k a_k(h_i) u_ki,  sum_k b_k(h_i) grad u_ki - alpha(h_i) grad v_i ),

u_k the potential of the density and of the field on Gaussians of several widths, v that on the widths of the density
(Baldwin et al., arXiv 2603.14700; MACE-POLAR-1, arXiv 2602.19411). P_Q shifts the charges onto their total by softness
weights. Only differences of potentials move charge: u is relative to its mean over the structure, with these weights.
alpha > 0 lets an isolated atom polarize. The energy U = sum_i e(h_i, q_i, |mu_i|^2, u_ki, mu_i.grad u_ki) is learned.
"""

import torch
from torch import Tensor

from leyden.charges.answer import Block, Readout, felt, receiving
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem
from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Settings, Solution
from leyden.solve.fixed_point import fixed_point

ORDER = 3
"""Derivatives of the density: by the field, positions and weights."""


class Response(ChargeModel):
    """Charges, and dipoles if the basis has lmax 1, that a learned map gives back; settings: of the solver.

    receivers: widths (Å) on which the potential is felt, beside that of the density; order: derivatives of the density,
    1 for forces, 2 to train them, 3 to train Born charges. The energy is not stationary in the density. Forces are its
    exact derivatives all the same, but the dipole -dE/dfield, whose derivative by positions the Born charges are, is
    not that of the density.
    """

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        receivers: tuple[float, ...] = (0.7, 1.5),
        hidden: int = 32,
        settings: Settings | None = None,
        order: int = ORDER,
    ) -> None:
        super().__init__()
        require(order > 0, f"charges.Response: expected an order of derivatives of at least 1, got {order}.")
        self.receivers = receiving("Response", channels, basis, receivers)
        self.given, self.basis, self.hidden, self.order = tuple(receivers), basis, hidden, order
        self.settings = settings or Settings()
        elements, shells = tuple(sorted(elements)), self.receivers.shells
        self.block = Block(channels, elements, basis, shells, hidden)
        self.readout = Readout(channels, elements, basis, shells, hidden)

    def solve(self, problem: Problem) -> Solution:
        """The fixed point, by Newton's method and GMRES: one step, as the map is affine."""
        problem.require_closed("charges.Response")
        answer, plane = self.block(problem), problem.plane

        def image(p: Tensor) -> Tensor:
            return plane.onto(answer(felt(p, problem, self.receivers)), answer.weights)

        start = torch.zeros_like(problem.external) if problem.start is None else problem.start
        return fixed_point(image, start, problem.rows, plane, problem.settings(self.settings), self.order)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """sum_i e_i, (S,) eV."""
        return self.readout(density, felt(density, problem, self.receivers), self.block(problem), problem)
