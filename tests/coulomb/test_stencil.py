"""Stencil: compiled loops do what the tensor operations do, and are never required."""

import math
from importlib import util
from typing import Any

import pytest
import torch
from torch import Tensor

from leyden.coulomb import splines, stencil
from leyden.coulomb.stencil import Compiled, Stencil
from leyden.density.harmonics import multi_indices
from leyden.testing.numeric import close, random

SIZES = torch.tensor([[12, 14, 16], [16, 12, 20]])
MESH = torch.tensor([0, 1, 0, 1, 1, 0, 0, 1])
NODES = int(SIZES.prod(1).sum())
CASES = [(4, 0, torch.float64), (7, 3, torch.float64), (8, 1, torch.float32), (12, 2, torch.float64)]


@pytest.fixture(autouse=True)
def _needs_numba() -> None:
    pytest.importorskip("numba")


def both(p: int, dtype: torch.dtype) -> tuple[Stencil, Stencil]:
    """Eight sites on two meshes, of which some reach over each face, in both ways."""
    sizes = SIZES[MESH]
    s = torch.cat([random(0, 6, 3) % 1.0, torch.tensor([[0.0, 0.5, 0.999], [0.97, 0.01, 0.0]], dtype=torch.float64)])
    first = torch.tensor([0, int(SIZES[0].prod())])[MESH]
    given = s * sizes + p / 2, sizes, first, p, dtype
    return Stencil(*given), Compiled(*given)


@pytest.mark.parametrize(("p", "order", "dtype"), CASES)
def test_same(p: int, order: int, dtype: torch.dtype) -> None:
    """Density and what is read, to roundoff."""
    plain, compiled = both(p, dtype)
    c, potential = random(1, 8, len(multi_indices(order))).to(dtype), random(2, NODES).to(dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-13
    for expected, found in (
        (plain.lay(c, order, NODES), compiled.lay(c, order, NODES)),
        (plain.read(potential, order), compiled.read(potential, order)),
    ):
        assert found.dtype == dtype and expected.abs().max() > 1e-2
        close(found / expected.abs().max(), expected / expected.abs().max(), tolerance)


@pytest.mark.parametrize(("p", "order", "dtype"), CASES)
def test_transpose(p: int, order: int, dtype: torch.dtype) -> None:
    """<potential, lay c> = <read potential, c>."""
    compiled = both(p, dtype)[1]
    c, potential = random(1, 8, len(multi_indices(order))).to(dtype), random(2, NODES).to(dtype)
    left = (compiled.lay(c, order, NODES) * potential).sum()
    torch.testing.assert_close(left, (compiled.read(potential, order) * c).sum(), rtol=1e-4, atol=0.0)


def test_definition() -> None:
    """One charge: weights M_p(v - floor(v) + j) at the nodes j - floor(v), on each axis."""
    p, x = 6, torch.tensor([0.3, 4.8, 11.2], dtype=torch.float64)
    sizes = torch.tensor([[12, 12, 12]])
    density = Compiled(x[None] + p / 2, sizes, torch.zeros(1, dtype=torch.long), p, torch.float64).lay(
        torch.ones(1, 1, dtype=torch.float64), 0, 12**3
    )
    expected = torch.ones(1, 1, 1, dtype=torch.float64)
    for axis in range(3):
        line, v = torch.zeros(12, dtype=torch.float64), x[axis] + p / 2
        for j, w in enumerate(splines.weights(v - v.floor(), p, 0)):
            line[(j - math.floor(v)) % 12] += w
        expected = expected * line.view([12 if a == axis else 1 for a in range(3)])
    close(density.view(12, 12, 12), expected, 1e-14)


def use(v: Tensor) -> Stencil:
    return stencil.stencil(v, SIZES[:1], torch.zeros(1, dtype=torch.long), 4, torch.float64)


def test_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numba is there, unless switched off; without it, or where it does not work, by tensor operations."""
    v = torch.full((1, 3), 2.5, dtype=torch.float64)
    assert isinstance(use(v), Compiled)
    monkeypatch.setattr(stencil, "COMPILED", False)
    assert not isinstance(use(v), Compiled)
    monkeypatch.setattr(stencil, "COMPILED", True)
    stencil._loops.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(stencil, "find_spec", lambda name: None)
        assert not isinstance(use(v), Compiled)
    stencil._loops.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(stencil, "import_module", broken)
        with pytest.warns(UserWarning, match="without compiled loops.*needs NumPy"):
            assert not isinstance(use(v), Compiled)
    stencil._loops.cache_clear()
    assert util.find_spec("numba") is not None and isinstance(use(v), Compiled)


def broken(name: str) -> Any:
    raise ImportError("Numba needs NumPy 2.0 or less")
