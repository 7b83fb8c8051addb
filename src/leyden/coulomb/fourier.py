"""Lattice sum: E = 1/2 sum_m G(k_m) |S(k_m)|^2, k = 2 pi m inverse^T, for every boundary condition.

S(k) = sum_i exp(-sigma_i^2 k^2 / 2) sum_a c_ia d^a exp(i k.r_i), whose derivatives become derivatives by fractional
coordinates s. G is the Green function of the boundary (green.py), in a cell that keeps images along open axes apart
(embedding.py). How S is evaluated is the waves' business: plane waves (phases.py) or a mesh (mesh.py). All dependence
on the cell besides s is in G and the damping, plain tensors: stress needs no formula of its own.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from leyden.coulomb import green
from leyden.coulomb.embedding import Embedding
from leyden.coulomb.lattice import Lattice, Waves
from leyden.coulomb.quadratic import quadratic
from leyden.coulomb.sites import Sites
from leyden.coulomb.spread import gather, spread
from leyden.coulomb.term import Felt, Term
from leyden.density.harmonics import multi_indices

EmbeddingFor = Callable[[Sites | None], Embedding]
"""Cells for the sites alone, or that hold receivers as well."""
WavesFor = Callable[[Tensor, Tensor, int], Waves]
"""Waves for a cell (S, 3, 3), the effective width (S,) of the narrowest pair, Å, and the highest lmax."""


class Fourier(Term):
    """The lattice sum bound to sites; widths below `widened` (Å) count as this width."""

    def __init__(self, sites: Sites, embed_for: EmbeddingFor, waves_for: WavesFor, widened: float = 0.0) -> None:
        self.sites, self.embed_for, self.waves_for, self.widened = sites, embed_for, waves_for, widened
        embedding = embed_for(None)
        self.effective = self.narrowest(sites, widened)
        self.waves = waves_for(embedding.cell.to(self.effective), self.effective, sites.order)
        k2 = green.square(self.waves, embedding)
        self.on_lattice = OnLattice(sites, widened, self.waves, embedding, k2)
        self.weights = interaction(self.waves, embedding, k2, self.on_lattice, self.on_lattice)

    @staticmethod
    def narrowest(sites: Sites, widened: float) -> Tensor:
        """Smallest width in each structure, (S,) Å: it sets the waves, so that structures do not see their batch."""
        widths = sites.widths.clamp(min=widened)
        return widths.new_full((sites.count,), torch.inf).scatter_reduce(0, sites.index, widths, "amin")

    def energy(self, coefficients: Tensor) -> Tensor:
        """1/2 <S|G|S> of each structure, (S,) eV."""
        amplitude = self.on_lattice.amplitude(coefficients)
        return quadratic(self.weights, amplitude, self.waves.owner, self.sites.count)

    def apply(self, coefficients: Tensor) -> Tensor:
        """A^T G A c, (M, n)."""
        return self.on_lattice.felt(self.weights * self.on_lattice.amplitude(coefficients))

    def toward(self, receivers: Sites) -> Felt:
        """What receivers feel; those outside the structure need a larger cell, and narrow ones more waves."""
        narrowest = self.narrowest(receivers, self.widened)
        effective = ((self.effective**2 + narrowest.clamp(max=self.effective) ** 2) / 2).sqrt()
        embedding = self.embed_for(receivers)
        waves = self.waves_for(embedding.cell.to(effective), effective, max(self.sites.order, receivers.order))
        k2 = green.square(waves, embedding)
        source, target = (OnLattice(s, self.widened, waves, embedding, k2) for s in (self.sites, receivers))
        weights = interaction(waves, embedding, k2, source, target)
        return lambda coefficients: target.felt(weights * source.amplitude(coefficients))


class OnLattice:
    """Sites on the waves of k2 (K,), damped by their widths apart from the narrowest one, which is `width`."""

    def __init__(self, sites: Sites, widened: float, waves: Waves, embedding: Embedding, k2: Tensor) -> None:
        self.order, self.index = sites.order, sites.index
        precise = torch.linalg.inv(embedding.cell)
        inverse = precise.to(sites.positions)
        self.s = exact = _fractional(sites.positions, inverse, sites.index)
        if precise.dtype != torch.float64 or inverse.dtype != torch.float64:
            exact = _fractional(sites.positions.double(), precise.double(), sites.index)
        values, self.kind = _kinds(sites.widths.clamp(min=widened))
        self.lattice: Lattice = waves.at(exact.detach(), sites.index, self.kind, len(values))
        self.width = values[0]
        broader = (values**2 - values[0] ** 2)[:, None]
        self.damping = both_parts(torch.exp(-0.5 * broader * k2.to(values))) if len(values) > 1 else None
        self.chain = chain_rule(inverse, self.order)

    def amplitude(self, coefficients: Tensor) -> Tensor:
        """S (K, 2), all widths together."""
        c = coefficients
        if self.order:
            c = torch.einsum("ma,mab->mb", c, self.chain[self.index])
        each = spread(c, self.s, self.lattice, self.order)
        return each[0] if self.damping is None else (self.damping * each).sum(0)

    def felt(self, amplitude: Tensor) -> Tensor:
        """The transpose: (K, 2) -> (M, n)."""
        each = amplitude[None] if self.damping is None else self.damping * amplitude
        out = gather(each, self.s, self.lattice, self.order)
        return torch.einsum("mb,mab->ma", out, self.chain[self.index]) if self.order else out


def interaction(waves: Waves, embedding: Embedding, k2: Tensor, source: OnLattice, target: OnLattice) -> Tensor:
    """G with the damping by the narrowest widths, for both parts of amplitudes: (K, 2) eV/e^2."""
    damping = torch.exp(-0.5 * (source.width**2 + target.width**2) * k2)
    return both_parts((green.weights(waves, embedding, k2) * damping).to(source.s))


def _kinds(widths: Tensor) -> tuple[Tensor, Tensor]:
    """The different widths, ascending, and which one each site has."""
    if bool((widths == widths[0]).all()):
        return widths[:1], torch.zeros_like(widths, dtype=torch.long)
    return widths.unique(return_inverse=True)


def _fractional(positions: Tensor, inverse: Tensor, index: Tensor) -> Tensor:
    if len(inverse) == 1:
        return positions @ inverse[0]
    return torch.einsum("na,nad->nd", positions, inverse[index])


def both_parts(weights: Tensor) -> Tensor:
    """The same number for the real and the imaginary part, (..., K) -> (..., K, 2)."""
    return weights[..., None].repeat(*[1] * weights.dim(), 2)


def chain_rule(inverse: Tensor, order: int) -> Tensor:
    """Derivatives by positions as combinations of derivatives by s = r inverse: (S, n, n), block-diagonal."""
    blocks = [torch.ones_like(inverse[:, :1, :1]), inverse][: min(order, 1) + 1]
    if order > 1:
        pairs = [tuple(axis for axis in range(3) for _ in range(a[axis])) for a in multi_indices(2)[4:]]
        i, j = ([p[n] for p in pairs] for n in (0, 1))
        straight = inverse[:, i][:, :, i] * inverse[:, j][:, :, j]
        crossed = inverse[:, i][:, :, j] * inverse[:, j][:, :, i]
        mixed = torch.tensor([a != b for a, b in pairs], device=inverse.device)
        blocks.append(straight + torch.where(mixed, crossed, torch.zeros_like(crossed)))
    out = inverse.new_zeros(len(inverse), len(multi_indices(order)), len(multi_indices(order)))
    start = 0
    for block in blocks:
        stop = start + block.shape[1]
        out[:, start:stop, start:stop] = block
        start = stop
    return out
