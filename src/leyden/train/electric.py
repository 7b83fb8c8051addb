"""Born charges Z* = dmu/dr and polarizabilities dmu/dfield of those structures of a batch that have such labels.

They are second derivatives of the energy and cost more than forces, and a few labelled structures teach much: the
others are not evaluated.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from leyden import segment
from leyden.charges.model import Bonded, ChargeModel, Polarized
from leyden.neighbors import NeighborList
from leyden.potential import Potential
from leyden.properties import born_charges, polarizability
from leyden.properties.dielectric import FIELDLESS
from leyden.system import System
from leyden.train.batch import Batch

ELECTRIC = ("born_effective_charges", "polarizability")
"""Labels of the electrical response; a model has each of them for the structures named by `defined`."""


def electric(
    potential: Potential, batch: Batch, names: Sequence[str] = ELECTRIC, create_graph: bool = False
) -> dict[str, Tensor]:
    """born_effective_charges (N, 3, 3) e and polarizability (S, 3, 3) Å^3, whichever are in names and labelled; NaN of
    the structures that lack the label, or for which the model has no such property."""
    found = {}
    for name, per_atom, evaluate in ((ELECTRIC[0], True, born_charges), (ELECTRIC[1], False, polarizability)):
        label = batch.labels.present().get(name)
        if name in names and label is not None:
            owner = batch.system.index if per_atom else torch.arange(batch.system.count, device=label.device)
            wanted = _labelled(label, owner, batch.system) & defined(name, potential.charges, batch.system)
            if bool(wanted.any()):
                found[name] = _evaluated(evaluate, potential, batch, wanted, owner, create_graph)
    return found


def defined(name: str, charges: ChargeModel | None, system: System) -> Tensor:
    """Which structures (S,) have a dipole, Born charges or a polarizability: open ones; all of them where charge moves
    along bonds, and Born charges where it belongs to the surroundings of atoms. A model whose charges feel no field has
    no polarizability."""
    everywhere = torch.ones_like(system.charge, dtype=torch.bool)
    if charges is None or (name == "polarizability" and isinstance(charges, FIELDLESS)):
        return ~everywhere
    if isinstance(charges, Bonded) or (name == "born_effective_charges" and isinstance(charges, Polarized)):
        return everywhere
    return ~system.pbc.any(1)


def _labelled(label: Tensor, owner: Tensor, system: System) -> Tensor:
    """Structures (S,) with any entry of a label that is there."""
    there = (~label.isnan()).flatten(1).any(1)
    return segment.total(there.long(), owner, system.count) > 0


def _evaluated(
    evaluate: Callable[..., Tensor], potential: Potential, batch: Batch, wanted: Tensor, owner: Tensor,
    create_graph: bool,
) -> Tensor:  # fmt: skip
    """The property of the wanted structures (S,), in rows (..., 3, 3) for all that have an owner."""
    if bool(wanted.all()):
        return evaluate(potential, batch.system, create_graph, batch.pairs)
    part, pairs = _part(batch, wanted)
    value = evaluate(potential, part, create_graph, pairs)
    return value.new_full((len(owner), 3, 3), torch.nan).index_put((wanted[owner].nonzero().squeeze(1),), value)


def _part(batch: Batch, wanted: Tensor) -> tuple[System, NeighborList]:
    """Some structures and their pairs."""
    part, atoms = batch.system.select(wanted.nonzero().squeeze(1))
    place = torch.zeros_like(batch.system.index)
    place[atoms] = torch.arange(len(atoms), device=atoms.device)
    pairs = batch.pairs
    kept = wanted[batch.system.index[pairs.centers]]
    centers, neighbors = place[pairs.centers[kept]], place[pairs.neighbors[kept]]
    return part, NeighborList(centers, neighbors, pairs.shifts[kept], pairs.cutoff)
