"""V as dense matrices, one for each structure: for preconditioners and small systems, not differentiable.

Sites are padded to the largest structure: entry (slot, a) of a matrix belongs to coefficient a of the site that comes
`slot`-th in its structure. Pairs are scattered; a lattice sum is B G B^T with the amplitudes B of every single site; a
correction is F D F^T with its functionals F.
"""

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
from leyden.density.harmonics import derivatives
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
    """B G B^T, with the amplitudes of each site as a structure of its own."""
    on, waves = term.on_lattice, term.waves
    if not isinstance(waves, PlaneWaves):
        raise TypeError("dense: expected a sum of plane waves, got one on a mesh; bind with method='reciprocal'")
    single, chain = waves.single(on.s), on.chain[on.index]
    rows = []
    for a in range(number):
        each = single.spread(chain[:, a].contiguous(), term.sites.order).view(len(on.s), -1)
        rows.append(each if on.damping is None else each * _own(on.damping, on.kind, on.index, padding.count))
    amplitudes = padding.pack(torch.stack(rows, 1).flatten(1)).view(padding.count, padding.slots * number, -1)
    return (amplitudes * term.weights.view(padding.count, 1, -1)) @ amplitudes.mT


def _own(damping: Tensor, kind: Tensor, index: Tensor, count: int) -> Tensor:
    """The damping of each site's kind in its structure: (kinds, S W, 2) -> (M, 2 W)."""
    return damping.view(len(damping), count, -1)[kind, index]
