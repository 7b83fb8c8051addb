"""Local (latent) charges: p = p_loc(h), then shifted onto sum_i q_i = Q if asked; U = 0, or minus the self-interaction.

Kim & Cheng (arXiv 2408.15165): charges are read from the features of each atom and learned from energies and forces.
The shift spreads the missing charge evenly, or in proportion to a learned softness (Baldwin et al., arXiv 2603.14700).
The energy of a neutral structure does not change under q -> -q: the sign is chosen so that electronegative elements are
negative. Nor does it change if what is read is multiplied by a scale and V divided by its square: in a bulk whose
electrons screen with eps_inf, energies and forces determine latent charges q / sqrt(eps_inf); the scale sqrt(eps_inf)
makes of them the charges that dipoles and Born charges tell (train/gauge.py).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from leyden import segment
from leyden.charges.demands import ranks
from leyden.charges.electronegativity import electronegativity
from leyden.charges.model import Polarized, Quiet
from leyden.charges.multipoles import Multipoles, Shell
from leyden.charges.polarization import Polarization
from leyden.charges.problem import Problem
from leyden.charges.readout import Invariant, element_table
from leyden.checks import require
from leyden.density import GaussianBasis
from leyden.features import Channels, Features
from leyden.solve import Solution

MODES = ("free", "shift", "softness")
SMALLEST_SOFTNESS = 1e-3
INITIAL_CHARGE = 0.5
"""Charge (e) for each unit of electronegativity with which training starts."""


class Local(Polarized, Quiet):
    """Latent charges; dipoles too if the basis has lmax 1, and quadrupoles if it has lmax 2; of one or several shells.

    mode: 'free' (the sum is what it is), 'shift' (uniform), 'softness' (weighted); self_interaction: keep the energy of
    each Gaussian with itself; scale: charge over latent charge, sqrt(eps_inf) in a bulk, 1 in a gas.
    """

    element: Tensor
    sign: Tensor

    def __init__(
        self,
        channels: Channels,
        elements: tuple[int, ...],
        basis: GaussianBasis,
        mode: str = "softness",
        self_interaction: bool = True,
        scale: float = 1.0,
        hidden: int = 32,
    ) -> None:
        super().__init__()
        require(mode in MODES, f"charges.Local: expected mode to be one of {MODES}, got {mode!r}.")
        ranks("Local", channels, basis)
        self.basis, self.mode, self.self_interaction, self.scale, self.hidden = (
            basis,
            mode,
            self_interaction,
            scale,
            hidden,
        )
        elements = tuple(sorted(elements))
        chi = torch.tensor([electronegativity(z) for z in elements])
        self.register_buffer("element", element_table(elements), persistent=False)
        self.register_buffer("sign", torch.ones(()))
        self.charge = Invariant(channels.scalars, hidden, INITIAL_CHARGE * (chi.mean() - chi))
        self.softness = Invariant(channels.scalars, hidden, torch.zeros_like(chi)) if mode == "softness" else None
        self.multipoles = Multipoles(channels, basis.lmax)
        more = range(1, basis.shells)
        self.further = nn.ModuleList([Shell(channels, hidden, len(elements), basis.lmax) for _ in more])

    def solve(self, problem: Problem) -> Solution:
        """Read the density from the features and shift it onto the total charge."""
        problem.require_closed("charges.Local")
        density, weights = problem.once(self.read)
        if self.mode != "free":
            density = problem.plane.onto(density, weights[:, None].expand(-1, self.basis.shells))
        return Solution.direct(density, problem.system.charge)

    def read(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Density (N, dim) before the shift, and its weights (N,)."""
        features, element = problem.features, self.element[problem.system.numbers]
        first = [self.charge(features.scalars, element)[:, None], self.multipoles(features)]
        density = torch.cat([*first, *(shell(features, element) for shell in self.further)], 1)
        return self.scale * self.sign * density, self._weights(features, element)

    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """0, or minus 1/2 sum_i p_i T_ii p_i where the self-interaction is removed: (S,) eV."""
        if self.self_interaction:
            return torch.zeros_like(problem.system.charge)
        return -0.5 / self.permittivity * problem.rows.dot(density, problem.own * density)

    def polarization(self, problem: Problem, density: Tensor) -> Polarization:
        """Charges that stay with their atoms, and dipoles."""
        system, moments = problem.system, self.basis.atomic(density)
        rest = system.field.new_zeros(system.count, 3)
        if self.basis.lmax:
            rest = segment.total(moments[:, 1:4], system.index, system.count)
        if self.mode == "free":
            return Polarization.free(moments[:, 0], rest)
        read, weights = problem.once(self.read)
        return Polarization.shifted(self.basis.atomic(read)[:, 0], weights, moments[:, 0], rest, system)

    def sources(self) -> Iterable[nn.Parameter]:
        """Of charges and multipoles."""
        shells = [shell for shell in self.further if isinstance(shell, Shell)]
        parts: list[Invariant | Multipoles | Shell] = [self.charge, self.multipoles, *shells]
        return [weight for part in parts for weight in part.linear()]

    def orient(self, numbers: Tensor, charges: Tensor) -> bool:
        """Turn the sign if these latent charges (N,) make electronegative atoms positive; returns whether it turned.

        Only for data whose structures are all neutral: there the energies stay exactly what they were.
        """
        chi = charges.new_tensor([electronegativity(z) for z in numbers.tolist()])
        wrong = bool(((chi - chi.mean()) * (charges - charges.mean())).sum() > 0)
        if wrong:
            self.sign.neg_()
        return wrong

    def _weights(self, features: Features, element: Tensor) -> Tensor:
        if self.softness is None:
            return torch.ones_like(features.scalars[:, 0])
        return nn.functional.softplus(self.softness(features.scalars, element)) + SMALLEST_SOFTNESS
