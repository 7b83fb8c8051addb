"""A learned energy of the density of one atom, convex by construction and smooth (Baldwin et al., arXiv 2603.14700):

    U(q, mu) = chi.p + 1/2 p.J p + sum_k w_k (s(a_k q + b_k) - s(b_k)) + g s(|mu| / m),    s(x) = sqrt(1 + x^2) - 1,

p = (q, mu); chi and J > 0 as in charge equilibration, w_k, g >= 0 and m > 0, all read from the features of the atom, so
that U is invariant under rotation. 0 < s'' <= 1: the curvature is positive, and bounded by J, w a^2 and g / m^2.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leyden.charges.equilibration import Equilibration
from leyden.charges.problem import Problem
from leyden.charges.readout import CHARGE_SCALE, inverse_softplus
from leyden.density import GaussianBasis
from leyden.features import Channels

INITIAL_WEIGHT = 0.5
"""eV: w and g with which training starts."""
INITIAL_STEEPNESS = 2.0
"""1/e: a with which training starts."""
INITIAL_REACH = 1.0
"""e: the bends start evenly spread over charges up to this."""
SHORTEST = 0.1
"""e Å; no m is below."""


class LocalEnergy(ABC):
    """An energy of each atom that depends on nothing but its own density."""

    @abstractmethod
    def energy(self, density: Tensor) -> Tensor:
        """U of densities (N, dim), (N,) eV."""

    @abstractmethod
    def force(self, density: Tensor) -> Tensor:
        """dU/dp, (N, dim) eV/e."""

    @abstractmethod
    def curvature(self, density: Tensor) -> Tensor:
        """d2U/dp2, (N, dim, dim) eV/e^2."""

    @abstractmethod
    def upper(self, density: Tensor) -> Tensor:
        """Positive definite matrices (N, dim, dim) not below the curvature."""


@dataclass(frozen=True)
class Bend:
    """w s(a.x + b), isotropic in x: energy, slope and curvature for y = a x + b (N, K, n), weights w (N, K)."""

    weight: Tensor
    argument: Tensor

    @property
    def root(self) -> Tensor:
        """sqrt(1 + |y|^2), (N, K)."""
        return (1.0 + self.argument.square().sum(2)).sqrt()

    @property
    def energy(self) -> Tensor:
        """(N, K) eV."""
        return self.weight * self.argument.square().sum(2) / (1.0 + self.root)

    @property
    def slope(self) -> Tensor:
        """By y, (N, K, n) eV."""
        return (self.weight / self.root)[..., None] * self.argument

    @property
    def curvature(self) -> Tensor:
        """By y twice, (N, K, n, n) eV."""
        y = self.argument / self.root[..., None]
        unit = torch.eye(y.shape[2], dtype=y.dtype, device=y.device)
        return (self.weight / self.root)[..., None, None] * (unit - y[..., :, None] * y[..., None, :])


@dataclass(frozen=True)
class ConvexEnergy(LocalEnergy):
    """chi (N, dim) eV/e; stiffness J (N, dim, dim) eV/e^2; weight w eV, steepness a 1/e and offset b, (N, K); of
    dipoles: g (N, 1) eV and length m (N, 1) e Å, None without them."""

    chi: Tensor
    stiffness: Tensor
    weight: Tensor
    steepness: Tensor
    offset: Tensor
    dipole: tuple[Tensor, Tensor] | None

    def energy(self, density: Tensor) -> Tensor:
        """U of densities (N, dim), (N,) eV."""
        quadratic = density * (self.chi + 0.5 * torch.einsum("nab,nb->na", self.stiffness, density))
        bends, polar = self._bends(density)
        each = bends.energy - Bend(self.weight, self.offset[..., None]).energy
        return quadratic.sum(1) + each.sum(1) + (0.0 if polar is None else polar.energy[:, 0])

    def force(self, density: Tensor) -> Tensor:
        """dU/dp, (N, dim) eV/e."""
        linear = self.chi + torch.einsum("nab,nb->na", self.stiffness, density)
        bends, polar = self._bends(density)
        slope = (self.steepness * bends.slope[..., 0]).sum(1, keepdim=True)
        if polar is not None and self.dipole is not None:
            slope = torch.cat([slope, polar.slope[:, 0] / self.dipole[1]], 1)
        return linear + slope

    def curvature(self, density: Tensor) -> Tensor:
        """d2U/dp2, (N, dim, dim) eV/e^2."""
        bends, polar = self._bends(density)
        out = self.stiffness.clone()
        out[:, 0, 0] += (self.steepness.square() * bends.curvature[..., 0, 0]).sum(1)
        if polar is not None and self.dipole is not None:
            out[:, 1:, 1:] += polar.curvature[:, 0] / self.dipole[1].square()[..., None]
        return out

    def upper(self, density: Tensor) -> Tensor:
        """The curvature, which is positive."""
        return self.curvature(density)

    def _bends(self, density: Tensor) -> tuple[Bend, Bend | None]:
        bends = Bend(self.weight, (self.steepness * density[:, :1] + self.offset)[..., None])
        if self.dipole is None:
            return bends, None
        strength, length = self.dipole
        return bends, Bend(strength, (density[:, 1:] / length)[:, None])


class Invariants(nn.Module):
    """scalars (N, K) -> (N, n): a perceptron plus a bias (elements, n) for each element."""

    def __init__(self, scalars: int, hidden: int, bias: Tensor) -> None:
        super().__init__()
        last = nn.Linear(hidden, bias.shape[1], bias=False)
        self.layers = nn.Sequential(nn.Linear(scalars, hidden), nn.SiLU(), last)
        self.bias = nn.Parameter(bias.clone())
        with torch.no_grad():
            last.weight.mul_(CHARGE_SCALE)

    def forward(self, scalars: Tensor, element: Tensor) -> Tensor:
        """Scalars (N, K) and element positions (N,) -> (N, n)."""
        return self.layers(scalars) + self.bias[element]


class Convex(nn.Module):
    """Reads the parameters of U from features; terms: number of bends k. Raises InputError as Equilibration does."""

    def __init__(
        self, channels: Channels, elements: tuple[int, ...], basis: GaussianBasis, hidden: int, terms: int
    ) -> None:
        super().__init__()
        self.quadratic = Equilibration(channels, elements, basis, hidden)
        weight = inverse_softplus(torch.full((terms,), INITIAL_WEIGHT))
        steepness = torch.full((terms,), INITIAL_STEEPNESS)
        offset = INITIAL_STEEPNESS * torch.linspace(-INITIAL_REACH, INITIAL_REACH, terms)
        bias = torch.cat([weight, steepness, offset]).repeat(len(elements), 1)
        self.bends = Invariants(channels.scalars, hidden, bias)
        polar = inverse_softplus(torch.tensor([INITIAL_WEIGHT, INITIAL_WEIGHT])).repeat(len(elements), 1)
        self.polar = Invariants(channels.scalars, hidden, polar) if basis.lmax else None

    def sources(self) -> Iterable[nn.Parameter]:
        """Of chi, and of what makes bends differ from those of training's start, which are even in the charge."""
        return [*self.quadratic.sources(), *self.bends.layers[-1].parameters()]

    def bind(self, problem: Problem) -> ConvexEnergy:
        """U of the atoms of a problem."""
        scalars, element = problem.features.scalars, self.quadratic.element[problem.system.numbers]
        chi, stiffness = self.quadratic.parameters_of(problem)
        weight, steepness, offset = self.bends(scalars, element).chunk(3, 1)
        dipole = None
        if self.polar is not None:
            strength, length = nn.functional.softplus(self.polar(scalars, element)).chunk(2, 1)
            dipole = strength, length + SHORTEST
        return ConvexEnergy(chi, stiffness, nn.functional.softplus(weight), steepness, offset, dipole)
