"""Periodic boundary along three axes: E = 1/2 sum_{k != 0} (4 pi k_e / V) / k^2 |S(k)|^2 taper(k), tin-foil.

S(k) = sum_i (q_i + mu_i.grad_i) exp(-sigma_i^2 k^2 / 2) exp(i k.r_i). Atoms of one width share a structure factor, and
the Gaussian damping belongs to the weights, which carry all dependence on the cell besides the fractional coordinates.
Smeared charges need no pair part and no neighbor list (Kim & Cheng, arXiv 2408.15165, eq. 9, there with sqrt(2) sigma).
"""

import math

import torch
from torch import Tensor

from leyden.coulomb.phases import Phases, Waves
from leyden.coulomb.spread import Gather, Spread
from leyden.coulomb.term import Term
from leyden.coulomb.tune import TAPER_START, reciprocal_cutoff
from leyden.density.basis import GaussianBasis
from leyden.system import System
from leyden.units import COULOMB


class Reciprocal(Term):
    """The reciprocal sum bound to 3D-periodic structures."""

    def __init__(self, system: System, basis: GaussianBasis, accuracy: float) -> None:
        self.system, self.lmax, self.accuracy = system, basis.lmax, accuracy
        widths = basis.widths(system.numbers, system.positions.dtype)
        self.widths, kind = widths.unique(return_inverse=True)
        self.group = system.index * len(self.widths) + kind
        self.inverse = torch.linalg.inv(system.cell)
        self.s = _fractional(system.positions, self.inverse, system.index)
        self.narrowest = _narrowest(widths, system)
        cutoff = reciprocal_cutoff(accuracy, self.narrowest, self.narrowest, basis.lmax)
        self.waves = _waves_within(system.cell.detach(), cutoff)
        self.phases = Phases(self.s.detach(), self.group, system.count * len(self.widths), self.waves)
        self.weights = self._weights(self.waves, cutoff, self.widths, self.widths)

    def energy(self, density: Tensor) -> Tensor:
        """1/2 <S|G|S> of each structure, (S,) eV."""
        amplitudes = self._amplitudes(density)
        return 0.5 * (amplitudes * _weighted(amplitudes, *self.weights)).flatten(1).sum(1)

    def apply(self, density: Tensor) -> Tensor:
        """A^T G A p, (N, dim) eV/e."""
        felt = _weighted(self._amplitudes(density), *self.weights).flatten(0, 1)
        out = Gather.apply(felt, self.s, self.phases, self.lmax)
        if self.lmax == 0:
            return out
        gradient = torch.einsum("nd,nad->na", out[:, 1:], self.inverse[self.system.index])
        return torch.cat([out[:, :1], gradient], 1)

    def at(self, density: Tensor, points: Tensor, index: Tensor) -> Tensor:
        """Potential (M,) in eV/e at points (M, 3): a point is a receiver of width zero, which needs more waves."""
        receiver = self.widths.new_zeros(1)
        cutoff = reciprocal_cutoff(self.accuracy, self.narrowest, torch.zeros_like(self.narrowest), self.lmax)
        waves = _waves_within(self.system.cell.detach(), cutoff)
        sources = Phases(self.s.detach(), self.group, self.system.count * len(self.widths), waves)
        s = _fractional(points, self.inverse, index)
        receivers = Phases(s.detach(), index, self.system.count, waves)
        weights = self._weights(waves, cutoff, receiver, self.widths)
        felt = _weighted(self._amplitudes(density, sources), *weights).flatten(0, 1)
        return Gather.apply(felt, s, receivers, 0)[:, 0]

    def _amplitudes(self, density: Tensor, phases: Phases | None = None) -> Tensor:
        """S (structures, widths, R, 2, 2, top + 1) of a density (N, dim); dipoles enter in fractional components."""
        coefficients = density
        if self.lmax:
            fractional = torch.einsum("na,nad->nd", density[:, 1:4], self.inverse[self.system.index])
            coefficients = torch.cat([density[:, :1], fractional], 1)
        spread = Spread.apply(coefficients, self.s, phases or self.phases, self.lmax)
        return spread.unflatten(0, (self.system.count, len(self.widths)))

    def _weights(self, waves: Waves, cutoff: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Sum and difference of the weights of -m3 and +m3, (structures, left, right, R, top + 1) each."""
        square = _squares(waves, self.inverse)
        count = waves.multiplicity.to(square.dtype)
        safe = torch.where(count > 0, square, torch.ones_like(square))
        cutoff, volume = (each[:, None, None, None] for each in (cutoff, self.system.volume))
        green = 4 * math.pi * COULOMB * count * taper(square, cutoff) / safe / volume
        spread = (left[:, None] ** 2 + right[None, :] ** 2)[:, :, None, None, None] / 2
        plus, minus = (green[:, None, None] * torch.exp(-spread * safe[:, None, None])).unbind(-1)
        return minus + plus, minus - plus


def taper(square: Tensor, cutoff: Tensor) -> Tensor:
    """1 well inside the cutoff, 0 outside, twice differentiable between: the energy stays smooth as a cell changes."""
    start = (TAPER_START * cutoff) ** 2
    x = ((square - start) / (cutoff * cutoff - start)).clamp(0.0, 1.0)
    return 1.0 - x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)


def _fractional(positions: Tensor, inverse: Tensor, index: Tensor) -> Tensor:
    return torch.einsum("na,nad->nd", positions, inverse[index])


def _narrowest(widths: Tensor, system: System) -> Tensor:
    """Smallest width in each structure, (S,) Å: it sets the cutoff, so that structures do not see their batch."""
    return widths.new_full((system.count,), torch.inf).scatter_reduce(0, system.index, widths, "amin")


def _squares(waves: Waves, inverse: Tensor) -> Tensor:
    """k^2 of all waves in 1/Å^2, (structures, R, top + 1, 2): k = 2 pi m inverse^T, differentiable in the cells."""
    k = 2 * math.pi * torch.einsum("rmsd,bad->brmsa", waves.both_signs.to(inverse.dtype), inverse)
    return (k * k).sum(-1)


def _waves_within(cell: Tensor, cutoff: Tensor) -> Waves:
    """All waves that are shorter than the cutoff (S,) in 1/Å of at least one of the cells (S, 3, 3)."""
    lengths = torch.linalg.vector_norm(cell, dim=2)
    m1, m2, m3 = (int(n) for n in (cutoff[:, None] * lengths / (2 * math.pi)).amax(0).floor().tolist())
    first = torch.arange(m1 + 1, device=cell.device)
    second = torch.arange(-m2, m2 + 1, device=cell.device)
    rows = torch.cartesian_prod(first, second)
    waves = Waves(rows[(rows[:, 0] > 0) | (rows[:, 1] >= 0)], m3)
    inside = (_squares(waves, torch.linalg.inv(cell)) < cutoff[:, None, None, None] ** 2).flatten(2).any(2).any(0)
    return Waves(waves.rows[inside], m3)


def _weighted(amplitudes: Tensor, total: Tensor, difference: Tensor) -> Tensor:
    """G S: each width of the left takes the amplitudes of every width of the right.

    |S(+-m3)|^2 mixes the block entry (part, wave) with its opposite (other part, other wave), with sign + where both
    are of one kind.
    """
    sign = amplitudes.new_tensor([[1.0, -1.0], [-1.0, 1.0]])[:, :, None]
    opposite = amplitudes.flip((3, 4)) * sign
    terms = total[:, :, :, :, None, None] * amplitudes[:, None] + difference[:, :, :, :, None, None] * opposite[:, None]
    return terms.sum(2)
