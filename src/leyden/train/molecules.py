"""Charge of the molecules of a structure, and how far it is from what it should be:

    | sum over the atoms i of m of q_i  -  Q_m |,

Q_m being the charge that a fragment is given, otherwise the closest whole number, which is what a molecule far from
others has. Charge equilibration moves charge between molecules at any distance (Chen & Martínez, Chem. Phys. Lett. 438,
315); near ones share some in nature, too, mostly less than 0.1 e.
"""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from ase.data import covalent_radii
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from leyden.neighbors import Graph, half_list
from leyden.system import System
from leyden.train.metrics import Array, Molecules

STRETCH = 1.2
"""Atoms closer than this times the sum of their covalent radii are bonded."""


def molecules(system: System) -> Tensor:
    """Number of the molecule of each atom, (N,) from 0, through the boundaries of periodic cells.

    A fragment with a charge of its own is one molecule. The other atoms form molecules along bonds, none of which joins
    two fragments. Atoms of electrodes, whose charge is free to flow, are in none, -1, and their bonds join nothing.
    """
    radii = STRETCH * torch.as_tensor(covalent_radii)[system.numbers.cpu()].to(system.positions)
    graph = Graph.of(system, half_list(system, 2.0 * float(radii.max())))
    i, j = graph.pairs.centers, graph.pairs.neighbors
    bonded = graph.lengths < radii[i] + radii[j]
    if system.ensemble is None:
        return _connected(i[bonded], j[bonded], len(radii))
    fragment, electrode = system.ensemble.fragment, system.ensemble.electrode
    own = ~system.ensemble.charge.isnan() & ~electrode
    bonded = bonded & (fragment[i] == fragment[j]) & ~electrode[i] & ~electrode[j]
    label = _connected(i[bonded], j[bonded], len(radii))
    keys = torch.stack([system.index, torch.where(own, fragment, 0), torch.where(own, -1, label)])
    keys[:, electrode] = -1
    _, number = torch.unique(keys, dim=1, return_inverse=True)
    return torch.where(electrode, -1, number - int(electrode.any()))


def molecular_charges(systems: Sequence[System], charges: Array, left_out: Collection[int] = ()) -> Molecules | None:
    """Of structures of one system each, with charges (N,) e of all their atoms; without the structures left out.

    None where no structure has several molecules.
    """
    sizes = np.array([len(system.positions) for system in systems])
    frame = np.repeat(np.arange(len(systems)), sizes)
    label = np.concatenate([molecules(system).cpu().numpy() for system in systems])
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = np.flatnonzero((label >= 0) & ~np.isin(frame, list(left_out)))
    _, atom, of = np.unique((first + label)[kept], return_index=True, return_inverse=True)
    owner = frame[kept][atom]
    several = np.bincount(owner)[owner] > 1
    if not several.any():
        return None
    charge = np.bincount(of, weights=charges[kept]).astype(np.float64)[several]
    given = np.concatenate([_given(system) for system in systems])[kept][atom][several]
    place = np.full(len(label), -1)
    place[kept] = np.where(several, np.cumsum(several) - 1, -1)[of]
    expected = np.where(np.isnan(given), np.round(charge) + 0.0, given)
    return Molecules(owner[several], charge, expected, place)


def _connected(first: Tensor, second: Tensor, atoms: int) -> Tensor:
    """Number of the connected part of each atom, (N,), for bonds from first (B,) to second (B,)."""
    bonds = coo_array((np.ones(len(first)), (first.cpu().numpy(), second.cpu().numpy())), shape=(atoms, atoms))
    return torch.as_tensor(connected_components(bonds, directed=False)[1].astype("int64"), device=first.device)


def _given(system: System) -> Array:
    """Charge that the fragment of each atom is given, (N,) e; NaN where it is given none."""
    none = torch.full_like(system.positions[:, 0], torch.nan)
    return np.asarray((none if system.ensemble is None else system.ensemble.charge).cpu().double())
