"""Charge and spin equilibration: the spin density as a second channel of the density, which V does not see.

    E(q, m) = chi.q + 1/2 q.eta q + lambda.m + 1/2 m.zeta m + q.gamma m + 1/2 <q|V|q> + <q|v_ext>,
    sum_i q_i = Q,    sum_i m_i = M - 1,

m_i being the unpaired electrons of an atom, and M = 2S + 1 the multiplicity of the structure, which has M - 1 of them
(second order in charge and spin: Galván, Vela & Gázquez, J. Phys. Chem. 92, 6470). eta zeta > gamma^2 on every atom, so
there is one minimum. lambda says where the spin goes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leyden.charges.demands import charges_only
from leyden.charges.electronegativity import electronegativity
from leyden.charges.equilibration import INITIAL_HARDNESS, INITIAL_SLOPE, SOFTEST
from leyden.charges.model import Quiet
from leyden.charges.problem import Problem
from leyden.charges.readout import Invariant, element_table, inverse_softplus
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Blocks, Curvature, Plane, Rows, Settings, Solution, stationary

INITIAL_STIFFNESS = 4.0
"""zeta with which training starts, eV."""
CORRELATED = 0.95
"""Largest gamma^2 / (eta zeta)."""


@dataclass(frozen=True)
class Polarized(Solution):
    """A solution with the unpaired electrons (N,) of each atom."""

    spin: Tensor


class SpinEquilibration(Quiet):
    """Charges and unpaired electrons of least energy; settings: of the solver."""

    element: Tensor

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        hidden: int = 32,
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        charges_only("SpinEquilibration", basis)
        self.basis, self.hidden, self.settings = basis, hidden, settings or Settings()
        elements = tuple(sorted(elements))
        chi = torch.tensor([electronegativity(z) for z in elements])
        self.register_buffer("element", element_table(elements), persistent=False)
        even = torch.zeros_like(chi)
        self.chi = Invariant(channels.scalars, hidden, INITIAL_SLOPE * (chi - chi.mean()))
        self.hardness = Invariant(channels.scalars, hidden, inverse_softplus(even + INITIAL_HARDNESS))
        self.level = Invariant(channels.scalars, hidden, even)
        self.stiffness = Invariant(channels.scalars, hidden, inverse_softplus(even + INITIAL_STIFFNESS))
        self.coupling = Invariant(channels.scalars, hidden, even)

    def solve(self, problem: Problem) -> Solution:
        """The minimum, with the charges of all atoms first and their spins after them, as rows of one array."""
        linear, curvature = problem.once(self.parameters_of)
        count, index, charged = len(problem.external), problem.system.index, problem.plane
        groups = len(charged.total)
        plane = Plane(
            (0,),
            torch.cat([charged.group, groups + index]),
            torch.cat([charged.total, problem.system.spin - 1.0]),
            torch.cat([charged.held, torch.ones_like(problem.system.spin, dtype=torch.bool)]),
        )
        pushed = torch.cat([linear[:, 0] + problem.external[:, 0], linear[:, 1]])[:, None]

        def turned(x: Tensor) -> Tensor:
            pair = torch.einsum("nab,nb->na", curvature, _paired(x))
            return torch.cat([pair[:, :1] + problem.coulomb.apply(x[:count]), pair[:, 1:]])

        own = torch.cat([problem.own[:, 0] + curvature[:, 0, 0], curvature[:, 1, 1]]).detach()
        rows = Rows(torch.cat([index, index]), problem.system.count)
        blocks, settings = Blocks(own[:, None, None], plane), problem.settings(self.settings)
        inverse = Curvature(turned, blocks, plane, rows, settings, self.trained)
        start = torch.zeros_like(pushed)
        if problem.start is not None:
            start = torch.cat([problem.start, start[count:]])
        found = stationary(lambda x: pushed + turned(x), inverse, start)
        density, spin, hardness = found.density[:count], found.density[count:, 0], curvature[:, 0, 0].detach()
        return Polarized(**{**vars(found), "density": density, "spin": spin, "hardness": hardness})

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """Least energy over the spins for given charges, (S,) eV: the part of E without V and v_ext."""
        linear, curvature = problem.once(self.parameters_of)
        q, index, count = density[:, 0], problem.system.index, problem.system.count
        zeta, push = curvature[:, 1, 1], linear[:, 1] + curvature[:, 0, 1] * q
        rows = Rows(index, count)
        one = torch.ones_like(zeta)[:, None]
        missing = problem.system.spin - 1.0 + rows.dot(one, (push / zeta)[:, None])
        field = (missing / rows.dot(one, one / zeta[:, None]))[index]
        m = (field - push) / zeta
        each = linear[:, 0] * q + 0.5 * curvature[:, 0, 0] * q * q + push * m + 0.5 * zeta * m * m
        return rows.dot(one, each[:, None])

    def sources(self) -> Iterable[nn.Parameter]:
        """Of electronegativities, and of what splits the spins."""
        return [*self.chi.linear(), *self.level.linear()]

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """(chi, lambda), (N, 2), and the matrices of eta, gamma and zeta, (N, 2, 2)."""
        h, element = problem.features.scalars, self.element[problem.system.numbers]
        linear = torch.stack([self.chi(h, element), self.level(h, element)], 1)
        eta, zeta = (nn.functional.softplus(part(h, element)) + SOFTEST for part in (self.hardness, self.stiffness))
        gamma = torch.tanh(self.coupling(h, element)) * (CORRELATED * eta * zeta).sqrt()
        return linear, torch.stack([eta, gamma, gamma, zeta], 1).unflatten(1, (2, 2))


def _paired(x: Tensor) -> Tensor:
    """(2 N, 1) -> (N, 2)."""
    return torch.stack(x[:, 0].chunk(2), 1)
