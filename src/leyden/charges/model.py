"""Contract of a charge model: the rule for the density p, and the energy U(p; h) that it adds to 1/2 <p|V|p>."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from leyden.charges.polarization import Polarization
from leyden.charges.problem import Problem
from leyden.checks import InputError
from leyden.density import GaussianBasis, dipole
from leyden.solve import Solution


class ChargeModel(nn.Module, ABC):
    """Subclasses set the basis of the density."""

    basis: GaussianBasis
    scale: float = 1.0
    """Charge over latent charge; 1 for a model whose density answers to fields."""

    @property
    def permittivity(self) -> float:
        """eps_inf of electrons that the density leaves out, scale^2: what charges feel of each other is V over that."""
        return self.scale**2

    @property
    def trained(self) -> bool:
        """Whether derivatives by weights are wanted."""
        return any(weight.requires_grad for weight in self.parameters())

    @abstractmethod
    def solve(self, problem: Problem) -> Solution:
        """The density (N, dim), in the potential of V and the external one."""

    @abstractmethod
    def energy(self, density: Tensor, problem: Problem) -> Tensor:
        """U(p; h) of each structure, (S,) eV."""

    def moment(self, density: Tensor, problem: Problem) -> Tensor:
        """Dipole (S, 3) e Å of a density (N, dim), about the origin of the coordinates."""
        return dipole(density, problem.system, self.basis)


class Solved(ChargeModel):
    """A model that solves for its density, and knows without solving what it would be if atoms felt no potential."""

    @abstractmethod
    def direct(self, problem: Problem) -> Solution:
        """That density (N, dim), with the charges of the plane: an explicit function, differentiable to any order."""


class Polarized(ChargeModel):
    """A model whose polarization changes by a definite amount when an atom of a periodic structure moves."""

    @abstractmethod
    def polarization(self, problem: Problem, density: Tensor) -> Polarization:
        """For its density (N, dim)."""


class Bonded(Polarized):
    """A model whose charge moves along bonds: its P is a function of the positions, up to formal charges times cell
    vectors, on which fields along periodic axes act. Its energy U contains theirs (coulomb/macroscopic.py)."""

    def moment(self, density: Tensor, problem: Problem) -> Tensor:
        """P (S, 3) e Å, which in open structures is the dipole of the density."""
        system, dipole = problem.system, super().moment(density, problem)
        if problem.macroscopic is None:
            return dipole
        return torch.where(system.pbc.any(1)[:, None], self.polarization(problem, density).of(system), dipole)


class Quiet(ChargeModel):
    """A model that has no charges, and no U, where its sources are zero: neutral structures without field."""

    @abstractmethod
    def sources(self) -> Iterable[nn.Parameter]:
        """Weights that, made smaller all together, make charges and U smaller."""


class Cyclic(ChargeModel):
    """A model whose density is a fixed point p = g(p), which nothing in its form keeps stable."""

    @abstractmethod
    def stability(self, problem: Problem, density: Tensor) -> Tensor:
        """Spectral radius (S,) of dg/dp at a density (N, dim), differentiable in all that both depend on."""


def solved(model: ChargeModel | None) -> Solved:
    """The model, if it is a Solved one. Raises InputError."""
    if isinstance(model, Solved):
        return model
    raise InputError(
        "optimizer.direct_epochs: expected a charge model that solves for its density and has one without potential"
        f" too, such as Equilibration, Variational or Response, got {_name(model)}; set it to 0."
    )


def cyclic(model: ChargeModel | None) -> Cyclic:
    """The model, if it is a Cyclic one. Raises InputError."""
    if isinstance(model, Cyclic):
        return model
    raise InputError(
        "loss.stability: expected a charge model with a cycle that can be unstable, such as Response, got"
        f" {_name(model)}, which has none; set it to 0."
    )


def _name(model: ChargeModel | None) -> str:
    return "a short-range model" if model is None else type(model).__name__
