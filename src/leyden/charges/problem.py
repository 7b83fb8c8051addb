"""What a charge model sees: the structures, the features of their atoms, and the potentials that the density feels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.coulomb import BoundCoulomb
from leyden.coulomb.pair import self_interaction
from leyden.density import GaussianBasis
from leyden.features import Features
from leyden.neighbors import Graph
from leyden.solve import Plane, Rows
from leyden.system import System


@dataclass(frozen=True)
class Problem:
    """The system; the features of a backbone and its graph; V bound to the system; v_ext (N, dim) eV/e; a density to
    start from (N, dim), such as that of the last step of a simulation."""

    system: System
    features: Features
    graph: Graph
    coulomb: BoundCoulomb
    external: Tensor
    start: Tensor | None = None

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
        """Densities with the total charge of each structure."""
        columns = tuple(range(0, self.basis.dim, self.basis.multipoles))
        held = torch.ones_like(self.system.charge, dtype=torch.bool)
        return Plane(columns, self.system.index, self.system.charge, held)

    @property
    def own(self) -> Tensor:
        """Diagonal of V between each coefficient and itself, (N, dim) eV/e^2, images left out."""
        widths = self.basis.widths(self.system.numbers, self.external.dtype).flatten()
        return self_interaction(widths, self.basis.lmax).reshape(len(self.external), -1)
