"""The potential: E[R, p] = E_0 + E_sr(R) + U(p; h) + 1/2 <p|V|p> + <p|v_ext>, with V over the permittivity of what the
charge model leaves out."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from leyden import segment
from leyden.backbones.backbone import Backbone
from leyden.baseline import Baseline
from leyden.charges.model import Bonded, ChargeModel, cyclic, solved
from leyden.charges.problem import Problem, Solving
from leyden.checks import require
from leyden.coulomb import Coulomb, field
from leyden.coulomb.macroscopic import Macroscopic
from leyden.features import Features
from leyden.neighbors import Graph, NeighborList, neighbor_list
from leyden.solve import Solution
from leyden.system import System


@dataclass(frozen=True)
class Output:
    """Energy (S,) eV in float64, and its parts energy_short and energy_long (S,) without the reference energies.

    density (N, dim); charges (N,) in e, all shells of an atom together; dipole (S, 3) e Å about the origin of the
    coordinates, along periodic axes that on the branch of the given images; solution: how the density was found. These
    four are None for a short-range model.
    """

    energy: Tensor
    energy_short: Tensor
    energy_long: Tensor
    density: Tensor | None = None
    charges: Tensor | None = None
    dipole: Tensor | None = None
    solution: Solution | None = None


class Potential(nn.Module):
    """A backbone with a charge model (None: short-range only), a Coulomb operator and reference energies.

    conditioned: whether features know the total charge and spin of a structure; if not, the charge model alone knows
    the charge, and the energy of charging does not grow with the number of atoms. solving: what is asked of the
    density; see leyden.charges.Solving.
    """

    def __init__(
        self,
        backbone: Backbone,
        charges: ChargeModel | None,
        coulomb: Coulomb | None,
        baseline: Baseline,
        conditioned: bool = True,
    ) -> None:
        super().__init__()
        self.backbone, self.charges, self.coulomb, self.baseline = backbone, charges, coulomb or Coulomb(), baseline
        self.conditioned = conditioned
        self.solving = Solving()

    def forward(self, system: System, pairs: NeighborList | None = None, start: Tensor | None = None) -> Output:
        """Evaluate a batch; pairs within the backbone's cutoff are found here unless given.

        start: a density (N, dim) from which a solver starts. Raises InputError for fields that cannot act, and for a
        system of another precision than the weights.
        """
        self._check_dtype(system)
        graph = Graph.of(system, pairs or neighbor_list(system, self.backbone.cutoff))
        features = self.features(graph)
        short = segment.total(features.energy, system.index, system.count)
        reference = self.baseline(system)
        self._check_field(system)
        if self.charges is None:
            return Output(reference + short, short, short * 0)
        problem = self.problem(system, features, graph, start)
        solution = self._solution(problem, self.charges)
        density = solution.density
        coupling = segment.total((density * problem.external).sum(1), system.index, system.count)
        own = problem.coulomb.energy(density) / self.charges.permittivity
        long = self.charges.energy(density, problem) + own + coupling
        moment = self.charges.moment(density, problem)
        charges = self.charges.basis.atomic(density)[:, 0]
        return Output(reference + short + long, short, long, density, charges, moment, solution)

    def features(self, graph: Graph) -> Features:
        """Energies and features of all atoms: those of neutral singlets, if they are not conditioned."""
        return self.backbone(graph if self.conditioned else replace(graph, system=graph.system.neutral()))

    def problem(self, system: System, features: Features, graph: Graph, start: Tensor | None = None) -> Problem:
        """What the charge model of this potential has to solve. Raises InputError for fields that it cannot take."""
        charges = self.charges
        assert charges is not None
        if not isinstance(charges, Bonded):
            field.require_open(
                system,
                "turn the field, set pbc to False along it, or take a model whose charge moves along bonds, preset"
                " 'split' or 'sqe'",
            )
        bound = self.coulomb.bind(system, charges.basis)
        external = field.external(system, charges.basis, self.baseline.charging)
        macroscopic = Macroscopic.of(system, charges.permittivity)
        require(
            macroscopic is None or math.isinf(self.coulomb.surroundings) or not macroscopic.acts,
            "external_field, displacement_field: expected conducting surroundings where they act along periodic axes,"
            f" got a permittivity of {self.coulomb.surroundings:g}; set coulomb.surroundings to inf.",
        )
        return Problem(system, features, graph, bound, external, start, self.solving, macroscopic)

    @contextmanager
    def asked(self, **changes: Any) -> Iterator[None]:
        """Inside, something else is asked of the density: fields of `solving`, such as report=True."""
        before, self.solving = self.solving, replace(self.solving, **changes)
        try:
            yield
        finally:
            self.solving = before

    def _solution(self, problem: Problem, charges: ChargeModel) -> Solution:
        solution = solved(charges).direct(problem) if self.solving.direct else charges.solve(problem)
        if not self.solving.stability:
            return solution
        return replace(solution, radius=cyclic(charges).stability(problem, solution.density))

    def _check_dtype(self, system: System) -> None:
        """Mixed precisions fail somewhere deep in the model otherwise."""
        own, given = (str(x.dtype).removeprefix("torch.") for x in (next(self.parameters()), system.positions))
        require(
            own == given,
            f"system: expected {own}, the precision of the model, got {given}; give system.to(dtype=torch.{own}), or"
            f" potential.to(torch.{given}).",
        )

    def _check_field(self, system: System) -> None:
        """Fields and electrodes act on charges; without them they would be ignored."""
        require(
            self.charges is not None or system.ensemble is None,
            "fragment_charge, electrode_potential: expected none, as this model has no charges; drop them.",
        )
        require(
            self.charges is not None or not bool(system.field.any()),
            "external_field: expected no field, as this model has no charges to act on; drop it.",
        )
