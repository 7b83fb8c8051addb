"""Mixture: atoms with integer charge states, a softmin of one parabola for each state m,

    U_i(q) = -T log sum_m exp(-U_im(q) / T) - 1/2 V_ii q^2,    U_im(q) = e_m + 1/2 (eta_m + V_ii) (q - c_m)^2,

with levels e_m, hardnesses eta_m > 0 and centres c_m = n_m + a shift from the features of the atom, n_m the charges of
the states (optional non-convex energy of Baldwin et al., arXiv 2603.14700). V_ii q^2 / 2, the energy of a Gaussian with
itself, is part of the levels: a lone atom in state m has the charge c_m and the energy e_m. Where two states cross the
curvature is negative (states.py): a charge sits on one atom rather than on two halves.

It can: localise charge, on one of several equal atoms, too; dissociate into neutral atoms or ions of whole charges, if
the shifts of lone atoms vanish; tell several charge states of one geometry apart. It cannot: promise the lowest
minimum, as minima that none of its few starts leads to are not seen; nor smooth energies, as forces jump where the
lowest minimum becomes another one. Derivatives are those of the minimum chosen. In a simulation, a start from the last
density stays in its minimum, smoothly until that ceases to exist. Minima of equal energy by symmetry are told apart by
the order of the atoms (solve/minima.py).
"""

import torch
from torch import Tensor, nn

from leyden import segment
from leyden.charges.convex import Invariants
from leyden.charges.demands import charges_only
from leyden.charges.electronegativity import electronegativity
from leyden.charges.equilibration import INITIAL_HARDNESS, INITIAL_SLOPE, SOFTEST
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem
from leyden.charges.readout import element_table, inverse_softplus
from leyden.charges.states import MixtureEnergy
from leyden.charges.variational import objective
from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Settings
from leyden.solve.minima import SeveralMinima, lowest

SINGLES = 4
"""Starts with a charge on single atoms."""
EQUAL = 1e-3
"""eV: atoms that take a charge at costs closer than this are tried in their order."""


class Mixture(ChargeModel):
    """Charges in a mixture of states, whose charges n_m are `states`; temperature T in eV; settings: of the solver, for
    each start. Raises InputError for a basis with dipoles, fewer than two states, and T that is not positive."""

    element: Tensor
    states: Tensor

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        states: tuple[float, ...] = (-1.0, 0.0, 1.0),
        temperature: float = 0.1,
        hidden: int = 32,
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        charges_only("Mixture", basis)
        require(
            len(set(states)) == len(states) > 1,
            f"charges.Mixture: expected two or more states of different charge, got {states}; use Equilibration for"
            " one.",
        )
        require(temperature > 0, f"charges.Mixture: expected a positive temperature in eV, got {temperature}.")
        self.basis, self.temperature, self.hidden, self.settings = basis, temperature, hidden, settings or Settings()
        elements = tuple(sorted(elements))
        chi = torch.tensor([electronegativity(z) for z in elements])
        charge = torch.tensor(states)
        self.register_buffer("element", element_table(elements), persistent=False)
        self.register_buffer("states", charge, persistent=False)
        level = INITIAL_SLOPE * (chi - chi.mean())[:, None] * charge + 0.5 * INITIAL_HARDNESS * charge.square()
        hardness = inverse_softplus(torch.full_like(level, 2.0 * INITIAL_HARDNESS))
        self.parabolas = Invariants(channels.scalars, hidden, torch.cat([level, hardness, 0.0 * level], 1))

    def solve(self, problem: Problem) -> SeveralMinima:
        """The lowest of the minima that the starts lead to; with a density to start from, the one that it leads to."""
        local = problem.once(self.bind)
        begin = self.starts(local, problem) if problem.start is None else [(problem.start, 1.0)]
        return lowest(objective(local, problem, problem.settings(self.settings), self.trained), begin)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """U(p; h) of each structure, (S,) eV."""
        return segment.total(problem.once(self.bind).energy(density), problem.system.index, problem.system.count)

    def bind(self, problem: Problem) -> MixtureEnergy:
        """U of the atoms of a problem."""
        scalars, element = problem.features.scalars, self.element[problem.system.numbers]
        level, hardness, shift = self.parabolas(scalars, element).chunk(3, 1)
        hardness = nn.functional.softplus(hardness) + SOFTEST
        return MixtureEnergy(level, hardness, self.states + shift, problem.own, self.temperature)

    @torch.no_grad()
    def starts(self, local: MixtureEnergy, problem: Problem) -> list[tuple[Tensor, float]]:
        """Densities (N, 1) on the plane, and the side to which they leave a saddle.

        All atoms in one state, shifted alike; or all in the state closest to neutral, with what is missing on the atoms
        of one element, or on single atoms; a structure without that element, or with fewer atoms, repeats a start.
        """
        plane, numbers = problem.plane, problem.system.numbers
        states = list(local.centre[:, :, None].unbind(1))
        closest = int(self.states.abs().argmin())
        neutral, sides = states[closest], [(-1.0) ** number for number in range(len(states))]
        begin = [(plane.onto(state), side) for state, side in zip(states, sides, strict=True)]
        for number in numbers.unique().tolist():
            chosen = (numbers == number).to(neutral.dtype)[:, None]
            absent = (plane.charge(chosen) == 0)[plane.group, None]
            begin.append((plane.onto(neutral, torch.where(absent, 1.0, chosen)), sides[closest]))
        return begin + [(plane.onto(each), sides[closest]) for each in self.singles(local, problem, neutral)]

    def singles(self, local: MixtureEnergy, problem: Problem, neutral: Tensor) -> list[Tensor]:
        """Densities (N, 1) with what whole charges leave missing on as many atoms as need it for their next state.

        The first of them is the cheapest, or the second cheapest, and so on, one for each start; each of the others is
        the cheapest in the potential of those before. None where nothing is missing.
        """
        plane = problem.plane
        rest = self.states[self.states.abs().argmin()]
        size = plane.charge(torch.ones_like(neutral)).clamp(min=1.0)
        missing = torch.where(plane.held, plane.total - rest * size, 0.0)
        if not bool(missing.any()):
            return []
        sharing = torch.ceil(missing.abs() / _step(self.states - rest, missing) - 1e-6).clamp(min=1.0).minimum(size)
        share = (missing / sharing)[plane.group, None]
        out = []
        for number in range(min(SINGLES, int(size.max()))):
            density, free = neutral, torch.ones_like(plane.group, dtype=torch.bool)
            for turn in range(int(sharing.max())):
                cost = torch.where(free, _cost(local, problem, density, share), torch.inf)
                rank = _ranked(cost, plane.group, len(size))
                takes = rank == (size - 1.0).clamp(max=0 if turn else number)[plane.group]
                takes = takes & (turn < sharing)[plane.group]
                density, free = density + share * takes[:, None], free & ~takes
            out.append(density)
        return out


def _step(steps: Tensor, missing: Tensor) -> Tensor:
    """Charge (G,) of the smallest of the steps (K,) between states in the direction of what is missing, or infinity."""
    up, down = (torch.where(sign * steps > 0, sign * steps, torch.inf).amin() for sign in (1.0, -1.0))
    return torch.where(missing > 0, up, down)


def _cost(local: MixtureEnergy, problem: Problem, density: Tensor, share: Tensor) -> Tensor:
    """Energy (N,) of an atom that takes a share of charge (N, 1) more, in the potential of all others as they are."""
    even = problem.plane.onto(density)
    felt = problem.coulomb.apply(even) + problem.external - local.own * even
    return local.alone(density + share) - local.alone(density) + (share * felt)[:, 0]


def _ranked(cost: Tensor, group: Tensor, count: int) -> Tensor:
    """Place (N,) of each atom in its group by ascending cost; where that is EQUAL, by the order of atoms."""
    order = (cost / EQUAL).round().argsort(stable=True)
    order = order[group[order].argsort(stable=True)]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - segment.starts(group, count)[group[order]]
    return rank
