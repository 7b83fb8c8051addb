"""V as matrices: what `dense` finds column by column, for every boundary, multipole and method."""

import pytest
import torch
from torch import Tensor

from leyden import Coulomb, GaussianBasis, System
from leyden.segment import Padding
from leyden.testing.assembly import batch
from leyden.testing.numeric import close, random

BASES = [GaussianBasis(0.7), GaussianBasis({1: 0.5, 6: 0.7, 8: 0.9}, 1), GaussianBasis([0.6, 1.1], 2)]


def structures() -> System:
    """Open, wire, slab and bulk."""
    out = []
    for single, pbc in zip(batch().split(), ([0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]), strict=True):
        atoms = single.to_ase()[0]
        atoms.cell = atoms.cell if atoms.cell.rank == 3 else [6.0, 6.5, 7.0]
        atoms.pbc = pbc
        out.append(System.from_ase(atoms))
    return System.join(out)


def blocks(bound: object, system: System) -> Tensor:
    """Of the matrix that `dense` makes from unit vectors."""
    whole, dim = bound.dense(), bound.basis.dim  # type: ignore[attr-defined]
    size, edges = int(system.size.max()) * dim, (dim * system.size.cumsum(0)).tolist()
    out = whole.new_zeros(system.count, size, size)
    for n, stop in enumerate(edges):
        start = stop - dim * int(system.size[n])
        out[n, : stop - start, : stop - start] = whole[start:stop, start:stop]
    return out


@pytest.mark.parametrize("method", ["auto", "reciprocal"])
@pytest.mark.parametrize("basis", BASES, ids=["charges", "dipoles", "shells"])
def test_same(basis: GaussianBasis, method: str) -> None:
    system = structures()
    bound = Coulomb(1e-9, method).bind(system, basis)
    expected = blocks(bound, system)
    close(bound.approximate(1e-9), expected, 1e-7)
    assert expected.abs().amax((1, 2)).min() > 1.0


@pytest.mark.parametrize("coulomb", [Coulomb(1e-6), Coulomb(1e-6, "mesh"), Coulomb(1e-6, images="corrected")])
def test_approximate(coulomb: Coulomb) -> None:
    """Close enough to precondition, whatever the method; narrow Gaussians have their pairs."""
    for basis in (BASES[0], GaussianBasis({1: 0.0, 6: 0.3, 8: 0.9})):
        system = batch().select(torch.tensor([1, 3]))[0]
        bound = coulomb.bind(system, basis)
        error = bound.approximate(1e-3) - blocks(bound, system)
        assert error.abs().max() < 0.02 * blocks(bound, system).abs().max()


def test_padding() -> None:
    padding, values = Padding.of(torch.tensor([0, 0, 0, 1, 2, 2]), 3), random(0, 6, 2)
    packed = padding.pack(values)
    assert packed.shape == (3, 6) and packed[1, 2:].abs().sum() == 0 and torch.equal(padding.unpack(packed), values)
