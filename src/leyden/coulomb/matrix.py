"""V as dense matrices, one for each structure: for preconditioners and small systems, not differentiable.

Sites are padded to the largest structure: entry (slot, a) of a matrix belongs to coefficient a of the site that comes
`slot`-th in its structure. Pairs are scattered; a lattice sum is B G B^T with the amplitudes B of every single site; a
correction is F D F^T with its functionals F.
"""

import math

import torch
from torch import Tensor

from leyden.coulomb import pair
from leyden.coulomb.background import Background
from leyden.coulomb.boundary import Correction
from leyden.coulomb.fourier import Fourier
from leyden.coulomb.pair_sum import PairSum
from leyden.coulomb.plane_waves import PlaneWaves
from leyden.coulomb.sites import Sites
from leyden.coulomb.term import Term
from leyden.density.harmonics import derivatives, multi_indices
from leyden.segment import Padding


def dense(terms: list[Term], sites: Sites) -> Tensor:
    """The sum of terms on the density of sites, (S, atoms dim, atoms dim) eV/e^2, zero on padding."""
    padding = Padding.of(sites.index, sites.count)
    number = derivatives(sites.order, sites.positions).shape[1] if sites.order > 1 else 3 * sites.order + 1
    size = padding.slots * number
    out = sites.positions.new_zeros(sites.count, size, size)
    for term in terms:
        out = out + _matrix(term, sites, padding, number)
    if sites.order < 2:
        return out
    turn = derivatives(sites.order, out)
    blocks = out.unflatten(2, (padding.slots, number)).unflatten(1, (padding.slots, number))
    return torch.einsum("na,siajb,mb->sinjm", turn, blocks, turn).flatten(3).flatten(1, 2)


def _matrix(term: Term, sites: Sites, padding: Padding, number: int) -> Tensor:
    if isinstance(term, PairSum):
        return _pairs(term, padding, number)
    if isinstance(term, Fourier):
        return _lattice(term, padding, number)
    if isinstance(term, Background):
        functional = torch.stack([torch.ones_like(sites.widths), term.square], 1)
        functional = torch.nn.functional.pad(functional[:, None], (0, 0, 0, number - 1))
        form = term.strength[:, None, None] * functional.new_tensor([[0.0, 1.0], [1.0, 0.0]])
    elif isinstance(term, Correction):
        functional, form = term.functionals, term.form
    else:
        raise TypeError(f"dense: expected a term that is known here, got {type(term).__name__}")
    rows = padding.pack(functional.flatten(1)).unflatten(1, (padding.slots * number, -1))
    return rows @ form @ rows.mT


def _pairs(term: PairSum, padding: Padding, number: int) -> Tensor:
    """T of all pairs, both ways, and each site with itself."""
    size = padding.slots * number
    out = term.own.new_zeros(padding.count * size * size)
    first, second, unit = term.pairs.first, term.pairs.second, torch.eye(number).to(term.own)
    component = torch.arange(number, device=first.device)
    begin = padding.index * size * size
    for a in range(number):
        source = unit[a].expand(len(first), number)
        felt = pair.potential(source, term.pairs.vectors, term.kernels, term.sites.order)
        row = padding.slot[first, None] * number + component
        column = padding.slot[second, None] * number + a
        place = begin[first, None]
        out.index_add_(0, (place + row * size + column).flatten(), felt.flatten())
        out.index_add_(0, (place + column * size + row).flatten(), felt.flatten())
    diagonal = padding.slot[:, None] * number + component
    out.index_add_(0, (begin[:, None] + diagonal * (size + 1)).flatten(), term.own.flatten())
    return out.view(padding.count, size, size)


def _lattice(term: Fourier, padding: Padding, number: int) -> Tensor:
    """B G B^T, with the amplitudes B = (chain) d^a/ds^a exp(2 pi i m.s) of each site, for the waves that count."""
    on, waves = term.on_lattice, term.waves
    if not isinstance(waves, PlaneWaves):
        raise TypeError("dense: expected a sum of plane waves, got one on a mesh; bind with method='reciprocal'")
    weights = term.weights.view(padding.count, -1, 2)
    counts = (weights[:, :, 0] != 0).any(0).nonzero().squeeze(1)
    m, weights = waves.m[:, counts], weights[:, counts]
    phase = _phases(on.s, m.long(), weights.dtype)
    turned = torch.stack([_power(2j * math.pi * m, a) for a in multi_indices(term.sites.order)])
    mixed = on.chain.to(turned.dtype) @ turned
    rows = phase[:, None] * mixed[on.index] if number > 1 else phase[:, None]
    if on.damping is not None:
        damping = on.damping[:, :, 0].view(len(on.damping), padding.count, -1)[:, :, counts]
        rows = rows * damping[on.kind, on.index][:, None]
    amplitudes = padding.pack(torch.view_as_real(rows).flatten(1)).view(padding.count, padding.slots * number, -1)
    return (amplitudes * weights.flatten(1)[:, None]) @ amplitudes.mT


def _phases(s: Tensor, m: Tensor, dtype: torch.dtype) -> Tensor:
    """exp(2 pi i m.s) of sites s (M, 3) and waves m (3, W), complex (M, W): products of an axis each."""
    out = torch.ones((), dtype=torch.complex128, device=s.device)
    for axis in range(3):
        different, place = m[axis].unique(return_inverse=True)
        angle = 2 * math.pi * (s[:, axis] - s[:, axis].round()).double()[:, None] * different
        out = out * torch.polar(torch.ones_like(angle), angle)[:, place]
    return out.to(torch.complex64 if dtype == torch.float32 else torch.complex128)


def _power(factors: Tensor, exponents: tuple[int, int, int]) -> Tensor:
    """Products of powers of factors (3, W): (W,)."""
    return torch.stack([factor**n for factor, n in zip(factors, exponents, strict=True)]).prod(0)
