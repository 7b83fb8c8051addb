"""Neighbor lists against a plain search over images, and graphs that can be differentiated twice."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import System
from leyden.checks import InputError
from leyden.neighbors import Graph, NeighborList, neighbor_list
from leyden.testing.numeric import derivatives_of, random

MOLECULE = Atoms("COH", [[0.0, 0, 0], [1.2, 0.1, 0], [-0.5, 0.9, 0.3]])
SMALL = Atoms("NaCl", [[0.1, 0.2, 0.3], [1.3, 1.2, 1.6]], cell=[[2.4, 0, 0], [0.7, 2.6, 0], [-0.3, 0.5, 2.9]], pbc=True)
LEFT = Atoms(SMALL.numbers, SMALL.positions, cell=SMALL.cell.array[[1, 0, 2]], pbc=True)
SHEET = Atoms("C2", [[0.0, 0, 0], [0.0, 1.4, 0.2]], cell=[[2.4, 0, 0], [1.2, 2.1, 0], [0, 0, 0]], pbc=[1, 1, 0])
WIRE = Atoms("H2", [[0.0, 0, 0], [0.9, 0.3, 0]], cell=[[2.0, 0, 0], [0, 3, 0], [0, 0, 3]], pbc=[1, 0, 0])
OUTSIDE = Atoms("NaCl", SMALL.positions + np.array([[9.5, -7.1, 20.3], [-14.0, 3.3, 0.0]]), cell=SMALL.cell, pbc=True)
FRAMES = [MOLECULE, Atoms("O"), SMALL, LEFT, SHEET, WIRE, OUTSIDE]
CUTOFF = 4.1


def by_search(atoms: Atoms, cutoff: float) -> set[tuple[int, int, int, int, int]]:
    """(center, neighbor, shift) of every pair of images within the cutoff."""
    reach = [range(-25, 26) if periodic else (0,) for periodic in atoms.pbc]
    shifts = np.array(list(product(*reach)))
    moved = shifts @ atoms.cell.array
    found = set()
    for i, j in product(range(len(atoms)), repeat=2):
        distances = np.linalg.norm(atoms.positions[j] - atoms.positions[i] + moved, axis=1)
        for n in np.nonzero((distances < cutoff) & ((i != j) | shifts.any(1)))[0]:
            found.add((i, j, *shifts[n].tolist()))
    return found


def listed(pairs: NeighborList) -> list[tuple[int, ...]]:
    """The pairs as tuples."""
    return [
        tuple(row)
        for row in torch.cat([torch.stack([pairs.centers, pairs.neighbors], 1), pairs.shifts.long()], 1).tolist()
    ]


@pytest.mark.parametrize("atoms", FRAMES, ids=["molecule", "atom", "small", "left-handed", "sheet", "wire", "outside"])
def test_plain_search(atoms: Atoms) -> None:
    """Every pair once, several images of one atom included, along the periodic axes only."""
    pairs, expected = listed(neighbor_list(System.from_ase(atoms), CUTOFF)), by_search(atoms, CUTOFF)
    assert len(pairs) == len(set(pairs)) and set(pairs) == expected
    assert len(expected) > 0 or len(atoms) == 1
    if atoms.pbc.all():
        assert sum(i == 0 and j == 0 for i, j, *_ in pairs) > 6


def test_full_list() -> None:
    """Each pair in both directions."""
    pairs = listed(neighbor_list(System.from_ase(SMALL), CUTOFF))
    assert {(j, i, -a, -b, -c) for i, j, a, b, c in pairs} == set(pairs)


def test_vectors() -> None:
    """r_j + shift . cell - r_i, within the cutoff; gather sums over the neighbors of each atom."""
    system = System.from_ase(FRAMES)
    graph = Graph.of(system, neighbor_list(system, CUTOFF))
    for edge in range(0, len(graph.lengths), 7):
        i, j = graph.pairs.centers[edge], graph.pairs.neighbors[edge]
        cell = system.cell[system.index[i]]
        expected = system.positions[j] + graph.pairs.shifts[edge] @ cell - system.positions[i]
        torch.testing.assert_close(graph.vectors[edge], expected)
        assert system.index[i] == system.index[j]
    torch.testing.assert_close(graph.lengths, graph.vectors.norm(dim=1))
    assert graph.lengths.max() < CUTOFF
    counts = graph.gather(torch.ones_like(graph.lengths))
    assert counts.tolist() == torch.bincount(graph.pairs.centers, minlength=len(system.positions)).tolist()
    assert counts[len(MOLECULE)] == 0


def test_batch_equals_singles() -> None:
    system = System.from_ase(FRAMES)
    whole = neighbor_list(system, CUTOFF)
    offset, expected = 0, []
    for atoms in FRAMES:
        expected += [(i + offset, j + offset, *s) for i, j, *s in listed(neighbor_list(System.from_ase(atoms), CUTOFF))]
        offset += len(atoms)
    assert listed(whole) == expected


def test_second_derivatives() -> None:
    """A pair energy in positions and strain, images of small cells included."""
    system = System.from_ase([MOLECULE, SMALL, SHEET])
    pairs = neighbor_list(system, 3.0)

    def energy(positions: Tensor, strain: Tensor) -> Tensor:
        graph = Graph.of(replace(system, positions=positions).strained(strain), pairs)
        return graph.gather(torch.exp(-graph.lengths)).sum() + graph.vectors.pow(3).sum(1).sin().sum()

    derivatives_of(energy, system.positions, 0.02 * random(0, 3, 3, 3))


def test_dtype() -> None:
    """The list of a float32 system is that of the float64 system, with float32 shifts."""
    system = System.from_ase(SMALL)
    single = neighbor_list(system.to(dtype=torch.float32), CUTOFF)
    assert single.shifts.dtype == torch.float32 and single.cutoff == CUTOFF
    assert sorted(listed(single)) == sorted(listed(neighbor_list(system, CUTOFF)))
    assert Graph.of(system.to(dtype=torch.float32), single).vectors.dtype == torch.float32


@pytest.mark.parametrize("cell", [None, [4.0, 4.0, 4.0]], ids=["open", "image"])
def test_atoms_on_one_point(cell: list[float] | None) -> None:
    """Named with their structure; an atom on the image of another counts too."""
    place = [0.0, 0, 0] if cell is None else [4.0, 0, 0]
    broken = Atoms("OHC", [[1.0, 1, 1], [0, 0, 0], place], cell=cell, pbc=cell is not None)
    with pytest.raises(InputError, match=r"got atoms [12] and [12] of structure 1 at .*remove one"):
        neighbor_list(System.from_ase([MOLECULE, broken]), CUTOFF)


@pytest.mark.parametrize("far", [3e5, 1e9])
def test_stray_atom(far: float) -> None:
    with pytest.raises(InputError, match=r"expected atoms within 225000 Å of each other.*structure 1"):
        neighbor_list(System.from_ase([Atoms("H"), Atoms("H2", [[0, 0, 0], [0, 0, far]])]), 4.5)
