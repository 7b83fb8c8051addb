"""What a charge model sees: the structures, the features of their atoms, and the potentials that the density feels."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from leyden.checks import require
from leyden.coulomb import BoundCoulomb, Coulomb
from leyden.coulomb.macroscopic import Macroscopic
from leyden.coulomb.pair import self_interaction
from leyden.density import GaussianBasis
from leyden.features import Features
from leyden.neighbors import Graph
from leyden.solve import Blocks, Plane, Rows, Settings, Whole
from leyden.solve.linear import Linear
from leyden.solve.nested import Nested
from leyden.system import System

T = TypeVar("T")
LARGEST_OPEN, LARGEST_PERIODIC = 1000, 150
"""Coefficients of a structure up to which V is made a matrix to precondition with; see benchmarks/solvers.py."""
COARSE = 3e-2
"""Accuracy of that matrix, and, for larger periodic structures, of the V whose equations precondition."""


@dataclass(frozen=True)
class Solving:
    """What is asked of a density.

    report: structures for which it is not found are only reported, whatever the settings of the model; direct: atoms
    feel no potential, so that nothing is solved; stability: Solution.radius is differentiable; order: derivatives that
    its energy has, 1 for forces, 2 to train them and for Born charges, 3 to train these, 4 in crystals.
    """

    report: bool = False
    direct: bool = False
    stability: bool = False
    order: int = 3


@dataclass(frozen=True)
class Problem:
    """The system; the features of a backbone and its graph; V bound to the system; v_ext (N, dim) eV/e.

    start: a density to start from (N, dim), such as that of the last step of a simulation; solving: what is asked;
    macroscopic: fields along periodic axes, None where no structure is periodic.
    """

    system: System
    features: Features
    graph: Graph
    coulomb: BoundCoulomb
    external: Tensor
    start: Tensor | None = None
    solving: Solving = Solving()
    macroscopic: Macroscopic | None = None
    _read: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, read: Callable[["Problem"], T]) -> T:
        """What a model reads from this problem, read(problem), where it was not read before."""
        key = read, torch.is_grad_enabled()
        if key not in self._read:
            self._read[key] = read(self)
        return self._read[key]

    def settings(self, given: Settings) -> Settings:
        """Those of a solver for this problem."""
        return replace(given, unconverged="report") if self.solving.report else given

    def require_closed(self, model: str) -> None:
        """Raise InputError where there are electrodes, which only a model that solves for charges can hold."""
        ensemble = self.system.ensemble
        require(
            ensemble is None or not bool(ensemble.electrode.any()),
            f"{model}: expected no electrode_potential, as its charges do not follow potentials; take a model that"
            " solves for them, such as the preset 'qeq'.",
        )

    def preconditioner(self, stiffness: Tensor) -> Linear:
        """For the curvature V + J with blocks J (N, dim, dim): the same with a cheap V, at least its diagonal."""
        periodic, blocks = bool(self.system.pbc.any()), stiffness.detach()
        if int(self.system.size.max()) * self.basis.dim <= (LARGEST_PERIODIC if periodic else LARGEST_OPEN):
            return Whole(self._matrix, blocks, self.system.index, self.plane)
        near = Blocks(blocks + torch.diag_embed(self.own), self.plane)

        def turned(x: Tensor) -> Tensor:
            return torch.einsum("nab,nb->na", blocks, x) + self._coarse.apply(x)

        return Nested(turned, near, self.plane, self.rows) if periodic else near

    @cached_property
    def _matrix(self) -> Tensor:
        return self.coulomb.approximate(COARSE)

    @cached_property
    def _coarse(self) -> BoundCoulomb:
        with torch.no_grad():
            return Coulomb(COARSE).bind(self.system, self.basis)

    @property
    def rows(self) -> Rows:
        """Atoms of each structure."""
        return Rows(self.system.index, self.system.count)

    @property
    def basis(self) -> GaussianBasis:
        """Of the density."""
        return self.coulomb.basis

    @property
    def plane(self) -> Plane:
        """Densities with the total charge of each structure, or those of its fragments; electrodes are free."""
        system, columns = self.system, tuple(range(0, self.basis.dim, self.basis.multipoles))
        if system.ensemble is not None:
            return Plane(columns, *system.ensemble.groups(system.index, system.charge, system.pbc.any(1)))
        held = torch.ones_like(system.charge, dtype=torch.bool)
        return Plane(columns, system.index, system.charge, held)

    @property
    def own(self) -> Tensor:
        """Diagonal of V between each coefficient and itself, (N, dim) eV/e^2, images left out."""
        widths = self.basis.widths(self.system.numbers, self.external.dtype).flatten()
        return self_interaction(widths, self.basis.lmax).reshape(len(self.external), -1)
