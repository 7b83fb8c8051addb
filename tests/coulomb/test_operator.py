"""Coulomb: what it refuses, and what its policy for charged cells covers."""

import pytest
import torch
from ase import Atoms

from leyden import Coulomb, GaussianBasis, System
from leyden.checks import InputError

CELL = [4.0, 4.0, 4.0]
PAIR = [[0.0, 0.0, 0.0], [1.5, 0.2, 0.1]]
BASIS = GaussianBasis()


def pair(pbc: bool | list[bool]) -> System:
    """Two atoms."""
    return System.from_ase(Atoms("NaCl", PAIR, cell=CELL, pbc=pbc))


@pytest.mark.parametrize("pbc", [[True, True, False], [False, True, False]])
def test_partly_periodic(pbc: list[bool]) -> None:
    system = System.join([pair(False), pair(pbc)])
    with pytest.raises(
        InputError, match=r"pbc: expected an open structure or one periodic along three axes.*structure 1"
    ):
        Coulomb().bind(system, BASIS)


@pytest.mark.parametrize(
    ("method", "periodic", "remedy"), [("direct", True, "reciprocal"), ("reciprocal", False, "direct")]
)
def test_method_cannot_treat_boundary(method: str, periodic: bool, remedy: str) -> None:
    with pytest.raises(InputError, match=f"'{method}' cannot treat.*use 'auto' or '{remedy}'"):
        Coulomb(method=method).bind(pair(periodic), BASIS)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"accuracy": 0.0}, "accuracy between 0 and 0.1, got 0.0"),
        ({"accuracy": 0.5}, "accuracy between 0 and 0.1, got 0.5"),
        ({"method": "ewald"}, "expected method to be one of .*got 'ewald'"),
        ({"charged": "ignore"}, "expected charged to be one of .*got 'ignore'"),
    ],
)
def test_options(option: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Coulomb(**option)  # type: ignore[arg-type]


def test_charged_cells_refused() -> None:
    """charged='error' names the periodic structure and its charge; neutral and open ones pass."""
    system = System.join([pair(False), pair(True), pair(True)])
    bound = Coulomb(charged="error").bind(system, BASIS)
    neutral = torch.tensor([[1.0], [0.0], [0.5], [-0.5], [0.2], [-0.2]], dtype=torch.float64)
    charged = neutral + torch.tensor([[0.0], [0.0], [0.0], [0.0], [0.3], [0.0]], dtype=torch.float64)
    assert bound.energy(neutral).shape == (3,)
    for evaluate in (bound.energy, bound.apply, lambda p: bound.at(p, torch.zeros(1, 3).double(), torch.tensor([2]))):
        with pytest.raises(InputError, match=r"total charge of 0.3 e in structure 2; .*charged='background'"):
            evaluate(charged)


def test_charged_cells_refused_still_has_a_matrix() -> None:
    """The matrix V exists whatever the policy; only charged densities are refused."""
    refusing, usual = (Coulomb(charged=policy).bind(pair(True), BASIS) for policy in ("error", "background"))
    assert torch.equal(refusing.dense(), usual.dense())


def test_roundoff_is_not_a_charge() -> None:
    """float32 charges that were shifted to zero total charge pass as neutral."""
    count, charges = 1000, torch.randn(1000, generator=torch.Generator().manual_seed(0))
    charges = charges - charges.mean()
    assert charges.sum().abs() > 1e-6
    grid = Atoms(
        f"Na{count}", [(x, y, z) for x in range(10) for y in range(10) for z in range(10)], cell=[10.0] * 3, pbc=True
    )
    system = System.from_ase(grid, dtype=torch.float32)
    Coulomb(0.05, charged="error").bind(system, GaussianBasis(2.0)).energy(charges[:, None])


def test_shape_of_density() -> None:
    bound = Coulomb().bind(pair(False), BASIS)
    for wrong in (torch.zeros(2), torch.zeros(3, 1), torch.zeros(2, 4)):
        with pytest.raises(InputError, match=r"density: expected shape \(2, 1\), got"):
            bound.energy(wrong)
        with pytest.raises(InputError, match=r"density: expected shape \(2, 1\), got"):
            bound.apply(wrong)


def test_shape_of_points() -> None:
    bound = Coulomb().bind(pair(False), BASIS)
    with pytest.raises(InputError, match=r"points: expected shape \(1, 3\), got \(2, 3\)"):
        bound.at(torch.zeros(2, 1).double(), torch.zeros(2, 3), torch.zeros(1, dtype=torch.long))


def test_element_without_width() -> None:
    with pytest.raises(InputError, match=r"width for every element, got none for Z = \[17\]; add it to width"):
        Coulomb().bind(pair(True), GaussianBasis({11: 0.5}))


def test_atoms_on_one_point() -> None:
    """Gaussians may coincide: energies and forces stay finite (the neighbor list is what refuses such atoms)."""
    system = System.from_ase(Atoms("NaCl", [[0, 0, 0], [0, 0, 0]]))
    positions = system.positions.requires_grad_()
    energy = Coulomb().bind(system, GaussianBasis(lmax=1)).energy(torch.ones(2, 4).double())
    (slope,) = torch.autograd.grad(energy.sum(), positions)
    assert torch.isfinite(energy).all() and torch.isfinite(slope).all()
