"""Coulomb: what it refuses, and what its policy for charged cells covers."""

from dataclasses import replace

import pytest
import torch
from ase import Atoms

from leyden import Coulomb, GaussianBasis, System
from leyden.checks import InputError
from leyden.testing.assembly import batch
from leyden.testing.numeric import central, close, random

CELL = [4.0, 4.0, 4.0]
PAIR = [[0.0, 0.0, 0.0], [1.5, 0.2, 0.1]]
BASIS = GaussianBasis()


def pair(pbc: bool | list[bool], cell: object = CELL) -> System:
    """Two atoms."""
    return System.from_ase(Atoms("NaCl", PAIR, cell=cell, pbc=pbc))


@pytest.mark.parametrize("pbc", [[True, True, False], [False, True, False], [True, True, True]])
def test_direct_is_for_open_structures(pbc: list[bool]) -> None:
    system = System.join([pair(False), pair(pbc)])
    with pytest.raises(InputError, match=r"'direct' cannot treat pbc \[.*\] of structure 1; use 'auto', 'reciprocal'"):
        Coulomb(method="direct").bind(system, BASIS)


@pytest.mark.parametrize("method", ["auto", "reciprocal", "mesh"])
def test_others_are_for_all(method: str) -> None:
    """And agree on what the energy is."""
    density = torch.tensor([[1.0], [-0.5]] * 4, dtype=torch.float64)
    system = System.join([pair([True] * n + [False] * (3 - n)) for n in range(4)])
    energy = Coulomb(1e-5, method).bind(system, BASIS).energy(density)
    torch.testing.assert_close(energy, Coulomb(1e-8).bind(system, BASIS).energy(density), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"accuracy": 0.0}, "accuracy between 0 and 0.1, got 0.0"),
        ({"accuracy": 0.5}, "accuracy between 0 and 0.1, got 0.5"),
        ({"accuracy": float("nan")}, "accuracy between 0 and 0.1, got nan"),
        ({"method": "ewald"}, "expected method to be one of .*got 'ewald'"),
        ({"charged": "ignore"}, "expected charged to be one of .*got 'ignore'"),
        ({"images": "repeated"}, "expected images to be one of .*got 'repeated'"),
        ({"surroundings": 0.0}, "relative permittivity of at least 1, got 0.0"),
    ],
    ids=str,
)
def test_options(option: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Coulomb(**option)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pbc", "cell", "message"),
    [
        ([False, True, False], CELL, r"knows slabs and cubic boxes, got pbc \[False, True, False\] of structure 0"),
        ([True, True, False], CELL, r"height of at least 7\.. Å for images='corrected' .* got 4.0 Å for structure 0"),
        (False, [4.0, 4.0, 5.0], r"expected a cubic box around an open structure .*use images='truncated'"),
        (False, [[4.0, 0, 0], [1.0, 4.0, 0], [0, 0, 4.0]], "expected a cubic box around an open structure"),
        (False, [0.0, 0.0, 0.0], "expected three independent vectors"),
    ],
    ids=["wire", "thin slab", "tetragonal box", "skewed box", "no box"],
)
def test_images_that_cannot_be_corrected(pbc: bool | list[bool], cell: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Coulomb(method="reciprocal", images="corrected").bind(pair(pbc, cell), BASIS)


@pytest.mark.parametrize("pbc", [[True, True, True], [True, True, False], [True, False, False]], ids=str)
def test_charged_cells_refused(pbc: list[bool]) -> None:
    """charged='error' names the periodic structure and its charge; neutral and open ones pass."""
    system = System.join([pair(False), pair(pbc), pair(pbc)])
    bound = Coulomb(charged="error").bind(system, BASIS)
    neutral = torch.tensor([[1.0], [0.0], [0.5], [-0.5], [0.2], [-0.2]], dtype=torch.float64)
    charged = neutral + torch.tensor([[0.0], [0.0], [0.0], [0.0], [0.3], [0.0]], dtype=torch.float64)
    assert bound.energy(neutral).shape == (3,)
    for evaluate in (
        bound.energy,
        bound.apply,
        lambda p: bound.project(BASIS, p),
        lambda p: bound.at(p, torch.zeros(1, 3).double(), torch.tensor([2])),
    ):
        with pytest.raises(InputError, match=r"total charge of 0.3 e in structure 2; .*charged='background'"):
            evaluate(charged)


def test_charge_of_all_shells() -> None:
    """Shells of opposite charge are neutral together; dipoles and quadrupoles carry none."""
    bound = Coulomb(charged="error").bind(pair(True), GaussianBasis([0.6, 0.9], 2))
    density = torch.ones(2, 18, dtype=torch.float64)
    density[:, 9] = -1.0
    assert bound.energy(density).isfinite().all()
    density[0, 9] = 0.0
    with pytest.raises(InputError, match="total charge of 1 e in structure 0"):
        bound.energy(density)


def test_charged_cells_refused_still_has_a_matrix() -> None:
    """The matrix V exists whatever the policy; only charged densities are refused."""
    refusing, usual = (Coulomb(charged=policy).bind(pair(True), BASIS) for policy in ("error", "background"))
    assert torch.equal(refusing.dense(), usual.dense())


def test_roundoff_is_not_a_charge() -> None:
    """float32 charges that were shifted to zero total charge pass as neutral."""
    charges = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    charges = charges - charges.mean()
    assert charges.sum().abs() > 1e-6
    places = [(x, y, z) for x in range(10) for y in range(10) for z in range(10)]
    system = System.from_ase(Atoms("Na1000", places, cell=[10.0] * 3, pbc=True), dtype=torch.float32)
    Coulomb(0.05, charged="error").bind(system, GaussianBasis(2.0)).energy(charges[:, None])


def test_shape_of_density() -> None:
    bound = Coulomb().bind(pair(False), BASIS)
    for wrong in (torch.zeros(2), torch.zeros(3, 1), torch.zeros(2, 4)):
        for evaluate in (bound.energy, bound.apply, lambda p: bound.project(BASIS, p)):
            with pytest.raises(InputError, match=r"density: expected shape \(2, 1\), got"):
                evaluate(wrong)


def test_shape_of_points() -> None:
    bound = Coulomb().bind(pair(False), BASIS)
    with pytest.raises(InputError, match=r"points: expected shape \(1, 3\), got \(2, 3\)"):
        bound.at(torch.zeros(2, 1).double(), torch.zeros(2, 3), torch.zeros(1, dtype=torch.long))


def test_element_without_width() -> None:
    with pytest.raises(InputError, match=r"width for every element, got none for Z = \[17\]; add it to width"):
        Coulomb().bind(pair(True), GaussianBasis({11: 0.5}))


@pytest.mark.parametrize("method", ["auto", "direct", "reciprocal", "mesh"])
def test_positions_that_are_not_finite(method: str) -> None:
    positions = torch.tensor(PAIR, dtype=torch.float64)
    positions[1, 2] = torch.nan
    with pytest.raises(InputError, match=r"positions: expected finite numbers, got nan at index \(1, 2\)"):
        Coulomb(method=method).bind(replace(pair(False), positions=positions), BASIS)


@pytest.mark.parametrize("pbc", [False, True])
def test_points_on_one_point(pbc: bool) -> None:
    system = System.from_ase(Atoms("NaCl", [[0, 0, 0], [0, 0, 0.1]], cell=CELL, pbc=pbc))
    message = r"point multipoles at least 0.25 Å apart, got atoms \d and \d at 0.1 Å; move them"
    with pytest.raises(InputError, match=message):
        Coulomb().bind(system, GaussianBasis(0.0))
    Coulomb().bind(system, GaussianBasis({11: 0.0, 17: 0.5}))


def test_atoms_on_one_point() -> None:
    """Gaussians may coincide: energies and forces stay finite (the neighbor list is what refuses such atoms)."""
    system = System.from_ase(Atoms("NaCl", [[0, 0, 0], [0, 0, 0]]))
    positions = system.positions.requires_grad_()
    energy = Coulomb().bind(system, GaussianBasis(lmax=1)).energy(torch.ones(2, 4).double())
    (slope,) = torch.autograd.grad(energy.sum(), positions)
    assert torch.isfinite(energy).all() and torch.isfinite(slope).all()


def test_too_large_for_memory() -> None:
    """Refused before anything is computed, with the way out."""
    wide = System.from_ase(Atoms("Na2", [[0, 0, 0], [9e3, 9e3, 9e3]]))
    with pytest.raises(
        InputError, match=r"fits into .* GiB of memory, got method 'reciprocal' for 2 atoms.*method='mesh'"
    ):
        Coulomb(method="reciprocal").bind(wide, BASIS)
    assert Coulomb().bind(wide, BASIS).energy(torch.ones(2, 1).double()).isfinite().all()


def test_projection_is_made_once() -> None:
    """Geometry is bound at the first call, with derivatives even where that call needs none."""
    system, basis, receivers = batch(), GaussianBasis(0.7, 1), GaussianBasis(1.1, 1)
    positions = system.positions.clone().requires_grad_()
    density = random(0, len(positions), 4)
    bound = Coulomb(1e-6).bind(replace(system, positions=positions), basis)
    with torch.no_grad():
        first = bound.project(receivers, density)
    again = bound.project(receivers, density)
    (slope,) = torch.autograd.grad(again.square().sum(), positions)
    step = random(1, *positions.shape)
    measured = central(
        lambda h: (
            Coulomb(1e-6)
            .bind(replace(system, positions=system.positions + h * step), basis)
            .project(receivers, density)
            .square()
            .sum()
        )
    )
    assert torch.equal(first, again) and len(bound.kept) == 1
    close((slope * step).sum() / measured.abs(), measured / measured.abs(), 1e-6)
    assert not torch.equal(bound.project(receivers, density, own=False), first) and len(bound.kept) == 2
