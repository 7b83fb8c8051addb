"""Neighbor list and graph: r_ij = r_j + n_ij . cell - r_i for all pairs closer than the cutoff.

vesin gives indices and integer shifts only; the vectors are rebuilt in torch, so that they can be differentiated with
respect to positions and cell to any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import vesin
from torch import Tensor

from leyden import segment
from leyden.checks import InputError, finite, require
from leyden.system import System

COINCIDENT = 1e-3
"""Atoms closer than this (Å) count as being on one point: an error."""

WIDEST = 5e4
"""Cutoffs across an open structure; wider ones come from a mistake or a simulation that blew up, and crash vesin."""


@dataclass(frozen=True)
class NeighborList:
    """E pairs, in both directions: centers (E,), neighbors (E,), shifts (E, 3) in cell vectors, cutoff in Å."""

    centers: Tensor
    neighbors: Tensor
    shifts: Tensor
    cutoff: float

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "NeighborList":
        """Move to a device; shifts take the dtype."""
        return NeighborList(
            self.centers.to(device), self.neighbors.to(device), self.shifts.to(device=device, dtype=dtype), self.cutoff
        )

    @staticmethod
    def join(lists: Sequence["NeighborList"], sizes: Sequence[int]) -> "NeighborList":
        """Concatenate the lists of structures with the given numbers of atoms."""
        offset, centers, neighbors = 0, [], []
        for part, size in zip(lists, sizes, strict=True):
            centers.append(part.centers + offset)
            neighbors.append(part.neighbors + offset)
            offset += size
        return NeighborList(
            torch.cat(centers), torch.cat(neighbors), torch.cat([p.shifts for p in lists]), lists[0].cutoff
        )


def neighbor_list(system: System, cutoff: float) -> NeighborList:
    """All pairs within the cutoff (Å), in both directions, structure by structure.

    Raises InputError for two atoms on one point.
    """
    parts = [_single(s, cutoff, n, both=True) for n, s in enumerate(system.split())]
    return _joined(parts, system)


def half_list(system: System, cutoff: float) -> NeighborList:
    """The same with every pair in one direction only; atoms may be on one point."""
    return _joined([_single(s, cutoff, n, both=False) for n, s in enumerate(system.split())], system)


def _joined(parts: list[NeighborList], system: System) -> NeighborList:
    return NeighborList.join(parts, system.size.tolist()).to(system.positions.device, system.positions.dtype)


def _single(system: System, cutoff: float, number: int, both: bool) -> NeighborList:
    finite("positions", system.positions)
    span = (system.positions.amax(0) - system.positions.amin(0))[~system.pbc[0]]
    require(
        not (span > WIDEST * cutoff).any(),
        f"positions: expected atoms within {WIDEST * cutoff:.0f} Å of each other, got atoms further apart in structure"
        f" {number}; remove the stray one.",
    )
    i, j, shifts, *distances = vesin.NeighborList(cutoff=cutoff, full_list=both, sorted=both).compute(
        points=system.positions.detach().cpu().double().numpy(),
        box=system.cell[0].detach().cpu().double().numpy(),
        periodic=system.pbc[0].cpu().numpy(),
        quantities="ijSd" if both else "ijS",
    )
    close = [d for d in distances if len(d) and d.min() < COINCIDENT]
    if close:
        pair = int(close[0].argmin())
        raise InputError(
            f"positions: expected atoms apart from each other, got atoms {i[pair]} and {j[pair]} of structure {number}"
            f" at {close[0][pair]:.1e} Å; remove one of them."
        )
    return NeighborList(
        torch.as_tensor(i.astype("int64")), torch.as_tensor(j.astype("int64")),
        torch.as_tensor(shifts.astype("float64")), cutoff,
    )  # fmt: skip


@dataclass(frozen=True)
class Graph:
    """A system with its pairs: vectors (E, 3) Å from center to neighbor and their lengths (E,).

    twist (E,): None but for Born charges of periodic structures, see `of_neighbors`.
    """

    system: System
    pairs: NeighborList
    vectors: Tensor
    lengths: Tensor
    twist: Tensor | None = None

    @staticmethod
    def of(system: System, pairs: NeighborList, probe: Tensor | None = None) -> "Graph":
        """Rebuild the vectors from positions, cell and shifts; differentiable.

        probe (S, 3) 1/Å: derivatives by the position of an atom j of what is read at an atom i are multiplied by
        1 + probe.(r_i - r_j), to first order, with r_j the image of j that i sees along the pairs of the graph.
        """
        cell = system.cell[system.index[pairs.centers]]
        shifts = torch.einsum("ei,eij->ej", pairs.shifts, cell)
        there, here = system.positions[pairs.neighbors], system.positions[pairs.centers]
        twist = None
        if probe is not None:
            twist = (probe[system.index[pairs.centers]] * (there - here + shifts)).sum(1)
        vectors = _seen(there, twist) - here + shifts
        return Graph(system, pairs, vectors, torch.linalg.vector_norm(vectors, dim=1), twist)

    def of_neighbors(self, x: Tensor) -> Tensor:
        """Features (N, ...) of the neighbors of each pair, (E, ...).

        A backbone that takes them with this function has Born charges in periodic structures.
        """
        return self.seen(x.index_select(0, self.pairs.neighbors))

    def seen(self, x: Tensor) -> Tensor:
        """The same for features (E, ...) that were taken from the neighbors already."""
        return _seen(x, self.twist)

    def gather(self, messages: Tensor) -> Tensor:
        """Sum messages (E, ...) onto their centers (N, ...)."""
        return segment.total(messages, self.pairs.centers, len(self.system.positions))


def _seen(x: Tensor, twist: Tensor | None) -> Tensor:
    """x (E, ...), with its gradient multiplied by 1 - twist (E,)."""
    return x if twist is None else _Seen.apply(x, twist)


class _Seen(torch.autograd.Function):
    """The gradient of a neighbor's features: what was counted from the center is counted from the neighbor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, twist: Tensor) -> Tensor:
        """x."""
        ctx.save_for_backward(twist)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """(1 - twist) g."""
        (twist,) = ctx.saved_tensors
        return gradients[0] * (1.0 - twist.view(-1, *[1] * (gradients[0].dim() - 1))), None
