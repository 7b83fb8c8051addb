"""Charges from where they start and what moves along bonds: q = q0 + T t, which sums to Q whatever t is.

    q0_i = f_i + w_i (Q - sum f) / sum w,    (T t)_i = sum over bonds (i, j) of t_ij - sum over bonds (k, i) of t_ki

with formal charges f of the elements, softnesses w > 0 of the atoms, and t_ij the charge that i receives from j. Where
Q = sum f nothing is spread, and atoms without a chain of bonds between them exchange no charge (Baldwin et al., arXiv
2603.14700). What a bond has follows from its two atoms and its length,

    y_ij = a . silu(A h_i + B h_j + C c(r_ij)) + b[z_i, z_j],    c_n(r) = cos(n pi r / r_c),

and is multiplied by the envelope f(r) = exp(-r^2 / 2 l^2) (1 - r^2 / r_c^2)^3, which vanishes with two derivatives at
the cutoff r_c. Through its first factor, near atoms count most, and more of them within a wider cutoff change little.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leyden.charges.local import SMALLEST_SOFTNESS
from leyden.charges.polarization import Polarization
from leyden.charges.problem import Problem
from leyden.charges.readout import Invariant, element_table
from leyden.checks import require
from leyden.neighbors import Graph

COSINES = 8
"""Functions c_n of the length of a bond."""
REACH = 2.0
"""l, Å."""
ROUNDING = 1e-4
"""e; a difference between charges that is none."""
PAIR_SCALE = 0.1
"""Factor on the initial weights a: smaller than CHARGE_SCALE of readout.py, as several bonds add to a charge."""


@dataclass(frozen=True)
class Bonds:
    """B bonds: receivers and givers (B,) of a charge, vectors (B, 3) Å from receiver to giver, lengths (B,), cutoff."""

    receivers: Tensor
    givers: Tensor
    vectors: Tensor
    lengths: Tensor
    cutoff: float

    @staticmethod
    def directed(problem: Problem) -> "Bonds":
        """Every pair of the graph in both directions, but those between fragments whose charges are held."""
        pairs, group = problem.graph.pairs, problem.plane.group
        return Bonds._of(problem.graph, group[pairs.centers] == group[pairs.neighbors])

    @staticmethod
    def once(problem: Problem) -> "Bonds":
        """The same in one direction; each image has a bond of its own."""
        pairs, group = problem.graph.pairs, problem.plane.group
        within = group[pairs.centers] == group[pairs.neighbors]
        first, second, third = pairs.shifts.unbind(1)
        forward = (first > 0) | ((first == 0) & ((second > 0) | ((second == 0) & (third > 0))))
        image = (pairs.centers == pairs.neighbors) & forward
        return Bonds._of(problem.graph, within & ((pairs.centers < pairs.neighbors) | image))

    @staticmethod
    def _of(graph: Graph, kept: Tensor) -> "Bonds":
        pairs = graph.pairs
        return Bonds(pairs.centers[kept], pairs.neighbors[kept], graph.vectors[kept], graph.lengths[kept], pairs.cutoff)

    @property
    def reversed(self) -> "Bonds":
        """The same bonds with givers and receivers exchanged."""
        return Bonds(self.givers, self.receivers, -self.vectors, self.lengths, self.cutoff)

    @property
    def envelope(self) -> Tensor:
        """f of the module docstring, (B, 1)."""
        square = self.lengths[:, None] ** 2
        return torch.exp(-square / (2 * REACH**2)) * (1 - square / self.cutoff**2) ** 3

    def received(self, transfers: Tensor, atoms: int) -> Tensor:
        """T t: the charge (N, 1) that transfers (B, 1) give to each atom, the sum of which is zero."""
        out = transfers.new_zeros(atoms, transfers.shape[1])
        return out.index_add(0, self.receivers, transfers).index_add(0, self.givers, -transfers)

    def difference(self, potential: Tensor) -> Tensor:
        """T^T v: the potential (N, 1) of the receiver above that of the giver, (B, 1)."""
        return potential[self.receivers] - potential[self.givers]


class Pair(nn.Module):
    """y_ij (B, 1) of the module docstring, without the envelope.

    bias (elements, elements): b with which training starts, of receiver and giver.
    """

    def __init__(self, scalars: int, hidden: int, bias: Tensor) -> None:
        super().__init__()
        self.receiver = nn.Linear(scalars, hidden)
        self.giver = nn.Linear(scalars, hidden, bias=False)
        self.length = nn.Linear(COSINES, hidden, bias=False)
        self.last = nn.Linear(hidden, 1, bias=False)
        self.bias = nn.Parameter(bias.clone())
        with torch.no_grad():
            self.last.weight.mul_(PAIR_SCALE)

    def linear(self) -> Iterator[nn.Parameter]:
        """Weights in which the result is linear."""
        yield from (*self.last.parameters(), self.bias)

    def forward(self, scalars: Tensor, element: Tensor, bonds: Bonds) -> Tensor:
        """Scalars (N, K) and element positions (N,) of all atoms, and their bonds -> (B, 1)."""
        order = torch.arange(1, COSINES + 1, dtype=scalars.dtype, device=scalars.device) * (math.pi / bonds.cutoff)
        hidden = self.receiver(scalars)[bonds.receivers] + self.giver(scalars)[bonds.givers]
        hidden = nn.functional.silu(hidden + self.length(torch.cos(bonds.lengths[:, None] * order)))
        return self.last(hidden) + self.bias[element[bonds.receivers], element[bonds.givers]][:, None]


class FormalCharges(nn.Module):
    """q0 (N, 1) of the module docstring; formal: the charge (e) of elements by atomic number, 0 where none is given."""

    charge: Tensor
    element: Tensor

    def __init__(self, scalars: int, hidden: int, elements: tuple[int, ...], formal: dict[int, float] | None) -> None:
        super().__init__()
        given = formal or {}
        unknown = sorted(set(given) - set(elements))
        require(
            not unknown,
            f"formal: expected charges of elements among {list(elements)}, got Z = {unknown}; remove them from formal.",
        )
        charge = torch.tensor([given.get(z, 0.0) for z in elements], dtype=torch.float64)
        self.register_buffer("charge", charge, persistent=False)
        self.register_buffer("element", element_table(elements), persistent=False)
        self.softness = Invariant(scalars, hidden, torch.zeros(len(elements)))

    def forward(self, problem: Problem) -> Tensor:
        """The problem -> (N, 1), with the total charge of each structure."""
        formal, weights = problem.once(self.read)
        if problem.macroscopic is not None and problem.macroscopic.acts:
            plane = problem.plane
            left = (plane.total - plane.charge(formal))[plane.held].abs()
            require(
                not bool((left > ROUNDING).any()),
                "external_field, displacement_field: expected formal charges that sum to the total charge where a field"
                f" acts along periodic axes, got a rest of {float(left.max()):g} e, whose place is not defined; set"
                " model.charges.formal, or drop the field.",
            )
        return problem.plane.onto(formal, weights)

    def read(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """f and w, (N, 1) each."""
        scalars, element = problem.features.scalars, self.element[problem.system.numbers]
        weights = nn.functional.softplus(self.softness(scalars, element)) + SMALLEST_SOFTNESS
        return self.charge.to(scalars.dtype)[element][:, None], weights[:, None]

    def polarization(self, problem: Problem, charges: Tensor, rest: Tensor) -> Polarization:
        """Of these charges (N, 1), which atoms carry along, and a rest (S, 3)."""
        formal, weights = problem.once(self.read)
        return Polarization.shifted(formal[:, 0], weights[:, 0], charges[:, 0], rest, problem.system)
