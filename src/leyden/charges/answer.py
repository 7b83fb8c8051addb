"""How the charges and dipoles of an atom answer to the potential, and the energy that is read from both.

    g_i = p_loc(h_i) + ( sum_k a_k(h_i) u_ki,  sum_k b_k(h_i) grad u_ki - alpha(h_i) grad v_i ),
    U = sum_i e(h_i, q_i, |mu_i|^2, u_ki, mu_i.grad u_ki),

u_k being the potential on Gaussians of several widths, v that on the widths of the density; parts of the models of
response.py and unrolled.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leyden import segment
from leyden.charges.demands import charges_or_dipoles
from leyden.charges.electronegativity import electronegativity
from leyden.charges.local import INITIAL_CHARGE, SMALLEST_SOFTNESS
from leyden.charges.problem import Problem
from leyden.charges.readout import Equivariant, Invariant, element_table
from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.density.basis import Width
from leyden.features import Channels
from leyden.solve import Rows

UNIT = 0.01
"""Of a_k, e^2/eV, and of b_k, e^2 Å^2/eV: small where training starts."""
INITIAL_POLARIZABILITY = 0.05
"""e^2 Å^2/eV; 0.07 are 1 Å^3."""
VOLTS = 10.0
"""Unit of potentials (eV/e) and of their gradients (eV/e/Å) in the energy."""


@dataclass(frozen=True)
class Answer:
    """g at the features of a structure: local (N, dim); by_potential, by_gradient (N, shells); alpha (N,); and the
    softness of the shift, weights (N, 1)."""

    local: Tensor
    by_potential: Tensor
    by_gradient: Tensor | None
    alpha: Tensor | None
    weights: Tensor
    rows: Rows

    def __call__(self, felt: Tensor) -> Tensor:
        """The density (N, dim) of what is felt (N, shells, multipoles), the first shell that of the density."""
        charge = (self.by_potential * self.relative(felt)).sum(1, keepdim=True)
        if self.by_gradient is None or self.alpha is None:
            return self.local + charge
        gradient = felt[:, :, 1:]
        dipole = (self.by_gradient[:, :, None] * gradient).sum(1) - self.alpha[:, None] * gradient[:, 0]
        return self.local + torch.cat([charge, dipole], 1)

    def relative(self, felt: Tensor) -> Tensor:
        """Potentials (N, shells) relative to their weighted mean over each structure."""
        both = torch.cat([self.weights * felt[:, :, 0], self.weights], 1)
        total = segment.total(both, self.rows.index, self.rows.count)
        return felt[:, :, 0] - (total[:, :-1] / total[:, -1:])[self.rows.index]


class Block(nn.Module):
    """The map g of one step; share: part of the local charges and of alpha with which training starts."""

    element: Tensor

    def __init__(
        self, channels: Channels, elements: tuple[int, ...], basis: GaussianBasis, shells: int, hidden: int,
        share: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        chi = torch.tensor([electronegativity(z) for z in elements])

        def invariant(bias: float) -> Invariant:
            return Invariant(channels.scalars, hidden, torch.full_like(chi, bias))

        self.register_buffer("element", element_table(elements), persistent=False)
        self.charge = Invariant(channels.scalars, hidden, share * INITIAL_CHARGE * (chi.mean() - chi))
        self.softness = invariant(0.0)
        self.by_potential = nn.ModuleList(invariant(-0.5) for _ in range(shells))
        self.dipole = Equivariant(channels.scalars, channels.vectors) if basis.lmax else None
        self.by_gradient = nn.ModuleList(invariant(0.0) for _ in range(shells)) if basis.lmax else None
        logarithm = torch.log(torch.expm1(torch.tensor(share * INITIAL_POLARIZABILITY))).item()
        self.alpha = invariant(logarithm) if basis.lmax else None

    def sources(self) -> Iterable[nn.Parameter]:
        """Of local charges and dipoles."""
        return [*self.charge.linear(), *([] if self.dipole is None else self.dipole.linear())]

    def forward(self, problem: Problem) -> Answer:
        """g for the features of a problem."""
        scalars, element = problem.features.scalars, self.element[problem.system.numbers]

        def each(layers: nn.ModuleList) -> Tensor:
            return UNIT * torch.stack([layer(scalars, element) for layer in layers], 1)

        local = self.charge(scalars, element)[:, None]
        weights = nn.functional.softplus(self.softness(scalars, element))[:, None] + SMALLEST_SOFTNESS
        by_potential = each(self.by_potential)
        if self.dipole is None or self.by_gradient is None or self.alpha is None:
            return Answer(local, by_potential, None, None, weights, problem.rows)
        local = torch.cat([local, self.dipole(scalars, problem.features.vectors)], 1)
        alpha = nn.functional.softplus(self.alpha(scalars, element))
        return Answer(local, by_potential, each(self.by_gradient), alpha, weights, problem.rows)


class Readout(nn.Module):
    """The energy of each atom from its features, its density and what it feels."""

    element: Tensor

    def __init__(
        self, channels: Channels, elements: tuple[int, ...], basis: GaussianBasis, shells: int, hidden: int
    ) -> None:
        super().__init__()
        inputs = channels.scalars + 1 + shells + (1 + shells if basis.lmax else 0)
        self.register_buffer("element", element_table(elements), persistent=False)
        self.energy = Invariant(inputs, hidden, torch.zeros(len(elements)))

    def forward(self, density: Tensor, felt: Tensor, answer: Answer, problem: Problem) -> Tensor:
        """(S,) eV of a density (N, dim) and what is felt (N, shells, multipoles)."""
        inputs = [problem.features.scalars, density[:, :1], answer.relative(felt) / VOLTS]
        if density.shape[1] > 1:
            dipole = density[:, 1:]
            inputs += [dipole.square().sum(1, keepdim=True), torch.einsum("nka,na->nk", felt[:, :, 1:], dipole) / VOLTS]
        each = self.energy(torch.cat(inputs, 1), self.element[problem.system.numbers])
        return segment.total(each, problem.system.index, problem.system.count)


def felt(density: Tensor, problem: Problem, receivers: GaussianBasis) -> Tensor:
    """Potentials and their gradients (N, shells, multipoles) of a density (N, dim) and of what is external.

    The external potential is at most linear over a Gaussian, and the same for every width.
    """
    own = problem.coulomb.project(receivers, density).view(len(density), receivers.shells, receivers.multipoles)
    return own + problem.external[:, None]


def receiving(name: str, channels: Channels, basis: GaussianBasis, receivers: tuple[float, ...]) -> GaussianBasis:
    """The width of the density, and beside it those of the receivers."""
    charges_or_dipoles(name, channels, basis)
    require(
        all(width > 0 for width in receivers),
        f"charges.{name}: expected receivers of positive widths in Å, got {receivers}.",
    )

    def beside(width: Width) -> tuple[float, ...]:
        return (width[0] if isinstance(width, Sequence) else width, *receivers)

    given = basis.width
    widths = {z: beside(w) for z, w in given.items()} if isinstance(given, Mapping) else beside(given)
    return GaussianBasis(widths, basis.lmax)
