"""Mixture: atoms with integer charge states, a softmin of one parabola for each state m,

    U_i(q) = -T log sum_m exp(-U_im(q) / T) - 1/2 V_ii q^2,    U_im(q) = e_m + 1/2 (eta_m + V_ii) (q - c_m)^2,

with levels e_m, hardnesses eta_m > 0 and centres c_m = n_m + a shift from the features of the atom, n_m the charges of
the states (optional non-convex energy of Baldwin et al., arXiv 2603.14700). V_ii q^2 / 2, the energy of a Gaussian with
itself, is part of the levels: a lone atom in state m has the charge c_m and the energy e_m. Where states m and n cross
the curvature is about -(dU_m/dq - dU_n/dq)^2 / 4T: a charge sits on one atom rather than on two halves.

It can: localise charge; dissociate into neutral atoms or ions of whole charges, if the shifts of lone atoms vanish;
tell several charge states of one geometry apart. It cannot: promise the lowest minimum, as minima that none of its few
starts leads to are not seen; nor smooth energies, as forces jump where the lowest minimum becomes another one.
Derivatives are those of the minimum chosen. In a simulation, a start from the last density stays in its minimum,
smoothly until that ceases to exist. Minima of equal energy by symmetry are told apart by the order of the atoms.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from leyden import segment
from leyden.charges.convex import Invariants, LocalEnergy
from leyden.charges.demands import charges_only
from leyden.charges.electronegativity import electronegativity
from leyden.charges.equilibration import INITIAL_HARDNESS, INITIAL_SLOPE, SOFTEST
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Problem
from leyden.charges.readout import element_table, inverse_softplus
from leyden.charges.variational import objective
from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.solve import Rows, Settings, Solution, Status
from leyden.solve.minimise import Objective, asymmetric, attached, descended, verified

SIDESTEP = 0.1
"""e: step away from a saddle."""
SAME = 1e-3
"""e: densities closer than this are one minimum."""
TIE = {torch.float32: 1e-4, torch.float64: 1e-8}
"""eV: of minima closer than this, that of the first start is chosen."""


@dataclass(frozen=True)
class SeveralMinima(Solution):
    """The lowest minimum, and all that were found.

    minima (S, starts): energies above the lowest in eV, ascending, each distinct minimum once, then NaN; densities
    (starts, N, dim) in the same order, without derivatives.
    """

    minima: Tensor
    densities: Tensor

    @property
    def spread(self) -> Tensor:
        """Energy of the highest minimum above the lowest, (S,) eV: what the choice of the start can cost."""
        return self.minima.nan_to_num(nan=0.0).amax(1)


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
        local = self.bind(problem)
        settings = problem.settings(self.settings)
        goal = objective(local, problem, settings, self.trained)
        begin = self.starts(local, problem) if problem.start is None else [(problem.start, 1.0)]
        found = [_settled(goal, start, side) for start, side in begin]
        solution = _lowest(goal, found)
        if settings.unconverged == "raise":
            solution.require()
        exact = attached(goal, solution)
        return SeveralMinima(**{**vars(solution), "density": exact.density})

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """U(p; h) of each structure, (S,) eV."""
        return segment.total(self.bind(problem).energy(density), problem.system.index, problem.system.count)

    def bind(self, problem: Problem) -> "MixtureEnergy":
        """U of the atoms of a problem."""
        scalars, element = problem.features.scalars, self.element[problem.system.numbers]
        level, hardness, shift = self.parabolas(scalars, element).chunk(3, 1)
        hardness = nn.functional.softplus(hardness) + SOFTEST
        return MixtureEnergy(level, hardness, self.states + shift, problem.own, self.temperature)

    @torch.no_grad()
    def starts(self, local: "MixtureEnergy", problem: Problem) -> list[tuple[Tensor, float]]:
        """Densities (N, 1) on the plane, and the side to which they leave a saddle.

        All atoms in one state, shifted alike; or all in the state closest to neutral, with what is missing on the atoms
        of one element; a structure without that element repeats a start.
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
        return begin


@dataclass(frozen=True)
class MixtureEnergy(LocalEnergy):
    """level eV, hardness eta eV/e^2 and centre e of the states, (N, K); own V_ii (N, 1) eV/e^2; temperature eV."""

    level: Tensor
    hardness: Tensor
    centre: Tensor
    own: Tensor
    temperature: float

    def energy(self, density: Tensor) -> Tensor:
        """U of densities (N, 1), (N,) eV."""
        lowest = -self.temperature * torch.logsumexp(-self._energies(density) / self.temperature, 1)
        return lowest - 0.5 * (self.own * density.square())[:, 0]

    def force(self, density: Tensor) -> Tensor:
        """dU/dq, (N, 1) eV/e."""
        return self._force(density) - self.own * density

    def curvature(self, density: Tensor) -> Tensor:
        """Mean hardness of the states less the variance of dU_m/dq over T, (N, 1, 1) eV/e^2."""
        spread = self._forces(density) - self._force(density)
        variance = (self._weights(density) * spread.square()).sum(1)
        return self.upper(density) - variance[:, None, None] / self.temperature

    def upper(self, density: Tensor) -> Tensor:
        """Mean hardness of the states, (N, 1, 1) eV/e^2."""
        return (self._weights(density) * self.hardness).sum(1)[:, None, None]

    def _energies(self, density: Tensor) -> Tensor:
        return self.level + 0.5 * (self.hardness + self.own) * (density - self.centre).square()

    def _forces(self, density: Tensor) -> Tensor:
        return (self.hardness + self.own) * (density - self.centre)

    def _force(self, density: Tensor) -> Tensor:
        return (self._weights(density) * self._forces(density)).sum(1, keepdim=True)

    def _weights(self, density: Tensor) -> Tensor:
        return torch.softmax(-self._energies(density) / self.temperature, 1)


@torch.no_grad()
def _settled(goal: Objective, start: Tensor, side: float) -> Solution:
    """The minimum reached from a start; a descent that ends on a saddle goes on from a step to one side of it."""
    first = verified(goal, descended(goal, start))
    saddle = torch.tensor([status is Status.INDEFINITE for status in first.status], device=start.device)
    if not bool(saddle.any()):
        return first
    aside = side * SIDESTEP * asymmetric(goal, first.density)
    second = verified(goal, descended(goal, first.density + saddle[goal.rows.index, None] * aside))
    return replace(second, iterations=first.iterations + second.iterations)


@torch.no_grad()
def _lowest(goal: Objective, found: list[Solution]) -> SeveralMinima:
    """The lowest minimum of each structure, and all of them."""
    rows = goal.rows
    energies = torch.stack([goal.value(each.density)[0] for each in found], 1)
    energies = torch.where(torch.stack([each.failed for each in found], 1), torch.inf, energies)
    lowest = energies <= energies.amin(1, keepdim=True) + TIE[energies.dtype]
    solution = _chosen(found, lowest.to(torch.int8).argmax(1), rows)
    densities, fine = torch.stack([each.density for each in found]), energies.isfinite()
    for one in range(len(found)):
        for other in range(one):
            same = fine[:, other] & (rows.largest(densities[one] - densities[other]) < SAME)
            energies[:, one] = torch.where(same, torch.inf, energies[:, one])
    energies, order = energies.sort(1)
    minima = torch.where(energies.isfinite(), energies - energies[:, :1], torch.nan)
    ordered = densities.gather(0, order.T[:, rows.index, None].expand_as(densities))
    ordered = torch.where(minima.T[:, rows.index, None].isnan(), torch.nan, ordered)
    return SeveralMinima(**vars(solution), minima=minima, densities=ordered)


def _chosen(found: list[Solution], choice: Tensor, rows: Rows) -> Solution:
    """Of each structure the solution number choice (S,); iterations of all of them."""
    here = torch.arange(len(choice), device=choice.device)

    def pick(values: list[Tensor]) -> Tensor:
        return torch.stack(values)[choice, here]

    atoms = choice[rows.index], torch.arange(len(rows.index), device=choice.device)
    return Solution(
        torch.stack([each.density for each in found])[atoms],
        torch.stack([each.iterations for each in found]).sum(0),
        pick([each.residual for each in found]),
        tuple(found[number].status[s] for s, number in enumerate(choice.tolist())),
        pick([each.potential for each in found]),
        pick([each.curvature for each in found]),
        pick([each.radius for each in found]),
    )
