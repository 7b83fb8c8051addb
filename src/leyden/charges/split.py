"""Local split charges: q_i = q0_i + sum_j (t_ij - t_ji), with transfers t read from the features of pairs; U = 0, or
minus the self-interaction.

Baldwin et al. (arXiv 2603.14700). The sum of the charges is exact, and for Q = sum f distant fragments have the charges
that they have alone (transfer.py). As t_ij moves along the vector r_ij from i to j,

    P = sum_i (mu_i + q0_i r_i) - sum_ij t_ij r_ij

is the dipole of the density in an open structure. In a periodic one it stays the same, up to a formal charge times a
cell vector, when an atom is moved by a cell vector; the dipole of the density does not. Fields along periodic axes act
on P, with forces but without changing the charges.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from leyden import segment
from leyden.charges.demands import one_shell, ranks
from leyden.charges.electronegativity import electronegativity
from leyden.charges.model import Bonded, Quiet
from leyden.charges.multipoles import Multipoles
from leyden.charges.polarization import Polarization
from leyden.charges.problem import Problem
from leyden.charges.readout import element_table
from leyden.charges.transfer import Bonds, FormalCharges, Pair
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Solution

INITIAL_TRANSFER = 0.07
"""Charge (e) for each unit of electronegativity with which training starts: what an atom receives from a very close one
that is more electronegative, and as much again by the transfer in the other direction."""


class Split(Bonded, Quiet):
    """Charges by transfer; local dipoles too if the basis has lmax 1, and quadrupoles if it has lmax 2.

    formal: charge (e) of elements by atomic number, 0 where none is given; self_interaction: keep the energy of each
    Gaussian with itself; scale: as of Local.
    """

    element: Tensor

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        formal: dict[int, float] | None = None,
        self_interaction: bool = True,
        scale: float = 1.0,
        hidden: int = 32,
    ) -> None:
        super().__init__()
        one_shell("Split", basis)
        ranks("Split", channels, basis)
        self.basis, self.formal, self.self_interaction, self.hidden = basis, formal, self_interaction, hidden
        self.scale = scale
        elements = tuple(sorted(elements))
        chi = torch.tensor([electronegativity(z) for z in elements])
        self.register_buffer("element", element_table(elements), persistent=False)
        self.initial = FormalCharges(channels.scalars, hidden, elements, formal)
        self.transfer = Pair(channels.scalars, hidden, INITIAL_TRANSFER * (chi[None, :] - chi[:, None]))
        self.multipoles = Multipoles(channels, basis.lmax)

    def solve(self, problem: Problem) -> Solution:
        """Read the transfers, and the multipoles, from the features."""
        problem.require_closed("charges.Split")
        initial, bonds, transfers = problem.once(self.transfers)
        charges = initial + bonds.received(transfers, len(initial))
        density = torch.cat([charges, self.scale * self.multipoles(problem.features)], 1)
        return Solution.direct(density, problem.system.charge)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """That of fields along periodic axes, minus 1/2 sum_i p_i T_ii p_i where the self-interaction is removed: (S,)
        eV."""
        out = torch.zeros_like(problem.system.charge)
        if not self.self_interaction:
            out = -0.5 / self.permittivity * problem.rows.dot(density, problem.own * density)
        if problem.macroscopic is None:
            return out
        return out + problem.macroscopic.energy(self.polarization(problem, density).of(problem.system))

    def sources(self) -> Iterable[nn.Parameter]:
        """Of transfers and multipoles."""
        return [*self.transfer.linear(), *self.multipoles.linear()]

    def transfers(self, problem: Problem) -> tuple[Tensor, Bonds, Tensor]:
        """q0 (N, 1), and along the bonds of both directions the charges t (B, 1), e."""
        element, bonds = self.element[problem.system.numbers], Bonds.directed(problem)
        transfers = self.scale * bonds.envelope * self.transfer(problem.features.scalars, element, bonds)
        return self.initial(problem), bonds, transfers

    def polarization(self, problem: Problem, density: Tensor) -> Polarization:
        """q0 is carried by the atoms; the rest is sum_i mu_i - sum_ij t_ij r_ij."""
        system = problem.system
        initial, bonds, transfers = problem.once(self.transfers)
        rest = -segment.total(transfers * bonds.vectors, system.index[bonds.receivers], system.count)
        if self.basis.lmax:
            dipoles = self.scale * self.multipoles(problem.features)[:, :3]
            rest = rest + segment.total(dipoles, system.index, system.count)
        return self.initial.polarization(problem, initial, rest)
