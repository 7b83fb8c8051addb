"""Geometry of the embedding: what is kept, what is replaced, how large it is."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from leyden.coulomb.embedding import embed, embed_given
from leyden.system import System
from leyden.testing.numeric import random

PATTERNS = list(itertools.product([False, True], repeat=3))
REACH = torch.linspace(3.0, 4.0, 8, dtype=torch.float64)


def batch(cell: Tensor, positions: Tensor | None = None) -> System:
    """Eight structures of five atoms, one of each choice of periodic axes, in cells (8, 3, 3)."""
    index = torch.arange(8).repeat_interleave(5)
    positions = 2 * random(1, 40, 3) if positions is None else positions
    charge = torch.zeros(8, dtype=torch.float64)
    return System(
        positions, torch.ones_like(index), cell, torch.tensor(PATTERNS), index, charge, charge, random(0, 8, 3)
    )


def cells(seed: int = 2) -> Tensor:
    """Triclinic cells, half of them left-handed."""
    cell = 4 * torch.eye(3, dtype=torch.float64) + random(seed, 8, 3, 3)
    cell[::2] = cell[::2, [1, 0, 2]]
    return cell


@pytest.mark.parametrize("truncate", [True, False])
def test_cell(truncate: bool) -> None:
    """Periodic vectors are kept, open ones orthogonal to all others; volume, section and metrics belong to the cell."""
    system = batch(cells())
    embedding = embed(system, REACH) if truncate else embed_given(system)
    pbc = system.pbc if truncate else torch.ones_like(system.pbc)
    gram = embedding.cell @ embedding.cell.mT
    length = gram.diagonal(dim1=1, dim2=2).sqrt()
    open_pair = (~pbc[:, :, None] | ~pbc[:, None, :]) & ~torch.eye(3, dtype=torch.bool)
    section = torch.where(pbc, 1.0, length).prod(1)
    torch.testing.assert_close(embedding.cell[pbc], system.cell[pbc], rtol=0, atol=0)
    assert gram[open_pair].abs().sum() < 1e-11
    assert embedding.axes.tolist() == pbc.sum(1).tolist()
    torch.testing.assert_close(embedding.section, section)
    torch.testing.assert_close(embedding.volume, torch.linalg.det(embedding.cell).abs())
    torch.testing.assert_close(embedding.metric, (2 * math.pi) ** 2 * torch.linalg.inv(gram), rtol=1e-11, atol=1e-13)
    expected = torch.diag_embed(torch.where(pbc, 0.0, (2 * math.pi / length) ** 2))
    torch.testing.assert_close(embedding.open_metric, expected)
    assert not (embedding.metric - embedding.open_metric)[open_pair | torch.diag_embed(~pbc)].any()


def test_size() -> None:
    """Pairs of one structure are within R - reach, images along open axes beyond R + reach; a slab has L = 2 R."""
    system = batch(cells())
    embedding = embed(system, REACH)
    for s, part in enumerate(system.split()):
        r, reach, radius = part.positions[:, None] - part.positions[None], REACH[s], embedding.radius[s]
        vectors = embedding.cell[s][~part.pbc[0]]
        unit = torch.nn.functional.normalize(vectors, dim=1)
        across = r @ unit.T
        assert torch.linalg.vector_norm(across, dim=2).max() <= radius - reach + 1e-12
        for vector in vectors @ unit.T:
            image = torch.linalg.vector_norm(across + vector, dim=2).min()
            assert image >= radius + reach - 1e-12
        if len(vectors) == 1:
            torch.testing.assert_close(torch.linalg.vector_norm(vectors[0]), 2 * radius)


@pytest.mark.parametrize("filling", [0.0, 1e9, math.nan])
def test_open_vectors_do_not_matter(filling: float) -> None:
    """Neither values nor gradients see the given vectors of open axes."""
    first = embed(batch(cells()), REACH)
    given = torch.where(torch.tensor(PATTERNS)[:, :, None], cells(), filling).requires_grad_()
    positions = (2 * random(1, 40, 3)).requires_grad_()
    second = embed(batch(given, positions), REACH)
    for name in ("cell", "radius", "volume", "section", "metric", "open_metric"):
        torch.testing.assert_close(getattr(first, name), getattr(second, name), rtol=0.0, atol=0.0)
    total = second.volume.log().sum() + second.metric.sum() + second.radius.sum()
    slopes = torch.autograd.grad(total, (given, positions), create_graph=True)
    curvatures = torch.autograd.grad(sum((x * x).sum() for x in slopes), (given, positions))
    for x in (*slopes, *curvatures):
        assert x.isfinite().all()
    assert not slopes[0][~torch.tensor(PATTERNS)].any()
    assert slopes[0].abs().sum() > 1.0


def test_coinciding_atoms() -> None:
    """Structures without extent: finite cells with finite derivatives."""
    positions = torch.ones(40, 3, dtype=torch.float64, requires_grad=True)
    embedding = embed(batch(cells(), positions), REACH)
    gradient = torch.autograd.grad(embedding.volume.sum() + embedding.radius.sum(), positions, create_graph=True)[0]
    assert gradient.isfinite().all()
    assert torch.autograd.grad((gradient + positions).square().sum(), positions)[0].isfinite().all()
    assert (embedding.radius >= REACH).all()
