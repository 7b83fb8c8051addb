"""Uniform fields: <p|v_ext> = -mu.F along open axes of molecules, slabs and wires, and refused along periodic ones."""

from dataclasses import replace

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import Coulomb, GaussianBasis, System
from leyden.checks import InputError
from leyden.coulomb import field
from leyden.density import dipole
from leyden.testing.numeric import close, random
from leyden.testing.operator.case import FRAMES
from leyden.units import COULOMB

OPEN = [(False, False, False)]
WIRES = [(True, False, False), (False, True, False), (False, False, True)]
SLABS = [(False, True, True), (True, False, True), (True, True, False)]
STRENGTH = 0.2
"""V/Å."""


def allowed(cell: Tensor, pbc: tuple[bool, bool, bool]) -> Tensor:
    """A field (3,) V/Å orthogonal to all periodic axes of a triclinic cell."""
    given = random(5, 3)
    axes = cell[list(pbc)]
    if len(axes):
        given = given - torch.linalg.pinv(axes) @ (axes @ given)
    return STRENGTH * given / torch.linalg.vector_norm(given)


def structure(pbc: tuple[bool, bool, bool], number: int = 0) -> System:
    """A charged frame in an allowed field."""
    frame = FRAMES[number]
    system = System.from_ase(Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=pbc))
    return replace(system, field=allowed(system.cell[0], pbc)[None])


def coupling(system: System, basis: GaussianBasis, density: Tensor) -> Tensor:
    """<p|v_ext>, eV."""
    return (density * field.uniform(system, basis)).sum()


@pytest.mark.parametrize("pbc", OPEN + WIRES + SLABS, ids=str)
@pytest.mark.parametrize("lmax", [0, 1, 2])
def test_energy(lmax: int, pbc: tuple[bool, bool, bool]) -> None:
    system, basis = structure(pbc), GaussianBasis([0.6, 1.1], lmax)
    density = random(lmax, 4, basis.dim)
    shells = density.view(4, 2, basis.multipoles).sum(1)
    moment = shells[:, 0] @ system.positions
    if lmax > 0:
        moment = moment + shells[:, 1:4].sum(0)
    expected = -moment @ system.field[0]
    close(coupling(system, basis, density), expected, 1e-13)
    assert expected.abs() > 1e-2


def test_of_distant_charges() -> None:
    """What two large charges at +-L do near the middle: F = 2 k_e q / L^2 on all multipoles."""
    far = 1e4
    system = System.from_ase(FRAMES[0])
    apart = torch.tensor([[-far, 0.0, 0.0], [far, 0.0, 0.0]], dtype=torch.float64)
    numbers = torch.full((6,), 11)
    together = replace(
        system, positions=torch.cat([system.positions, apart]), numbers=numbers, index=torch.zeros_like(numbers)
    )
    basis = GaussianBasis(0.6, 2)
    density = torch.zeros(6, basis.dim, dtype=torch.float64)
    density[4:, 0] = torch.tensor([1.0, -1.0], dtype=torch.float64) * STRENGTH * far**2 / (2 * COULOMB)
    felt = Coulomb(method="direct").bind(together, basis).project(basis, density, own=False)[:4]
    uniform = torch.tensor([[STRENGTH, 0.0, 0.0]], dtype=torch.float64)
    close(felt, field.uniform(replace(system, field=uniform), basis), 1e-6)


@pytest.mark.parametrize("pbc", OPEN + WIRES + SLABS, ids=str)
def test_slope_is_the_dipole(pbc: tuple[bool, bool, bool]) -> None:
    system, basis = structure(pbc), GaussianBasis([0.6, 1.1], 2)
    density = random(3, 4, basis.dim)
    system.field.requires_grad_()
    slope = torch.autograd.grad(coupling(system, basis, density), system.field)[0]
    close(slope, -dipole(density, system, basis), 1e-13)


def test_not_on_quadrupoles() -> None:
    basis = GaussianBasis([0.6, 1.1], 2)
    felt = field.uniform(structure((True, True, False)), basis).view(4, 2, 9)
    assert not felt[..., 4:].any()
    assert felt[..., :4].abs().min() > 1e-4


@pytest.mark.parametrize("pbc", WIRES + SLABS, ids=str)
def test_images(pbc: tuple[bool, bool, bool]) -> None:
    """Atoms moved along periodic axes feel the same."""
    system, basis = structure(pbc), GaussianBasis(0.6, 1)
    shifts = torch.tensor(pbc) * torch.arange(-6, 6, dtype=torch.float64).view(4, 3)
    moved = replace(system, positions=system.positions + shifts @ system.cell[0])
    close(field.uniform(moved, basis), field.uniform(system, basis), 1e-13)


@pytest.mark.parametrize("pbc", [*OPEN, WIRES[0], SLABS[2]], ids=str)
def test_forces_add_up(pbc: tuple[bool, bool, bool]) -> None:
    """Coulomb forces cancel; what is left is Q F."""
    system, basis = structure(pbc), GaussianBasis([0.6, 1.1], 1)
    density = random(6, 4, basis.dim)
    system.positions.requires_grad_()
    energy = Coulomb(1e-8).bind(system, basis).energy(density).sum() + coupling(system, basis, density)
    total = -torch.autograd.grad(energy, system.positions)[0].sum(0)
    charge = density[:, 0].sum() + density[:, 4].sum()
    close(total, charge * system.field[0], 1e-7)
    assert charge.abs() > 0.3


def test_mixed_batch() -> None:
    parts = [structure(OPEN[0]), structure(SLABS[1], 1), structure(WIRES[2]), structure((True, True, True), 1)]
    parts[3] = replace(parts[3], field=torch.zeros_like(parts[3].field))
    basis = GaussianBasis([0.6, 1.1], 2)
    together = field.uniform(System.join(parts), basis)
    close(together, torch.cat([field.uniform(part, basis) for part in parts]), 1e-14)


@pytest.mark.parametrize("pbc", [*WIRES, *SLABS, (True, True, True)], ids=str)
def test_refused_along_periodic_axes(pbc: tuple[bool, bool, bool]) -> None:
    """Along a periodic axis, and also along a third cell vector that is not normal to a slab."""
    good, basis = structure(pbc), GaussianBasis(0.6)
    for direction in good.cell[0] if sum(pbc) > 1 else good.cell[0][list(pbc)]:
        bad = replace(good, field=STRENGTH * direction[None] / 4)
        with pytest.raises(InputError, match=r"expected no component along periodic axes, got .*turn"):
            field.uniform(bad, basis)
        with pytest.raises(InputError, match="structure 1, periodic along axis"):
            field.uniform(System.join([structure(OPEN[0]), bad]), basis)


@pytest.mark.parametrize("pbc", WIRES + SLABS, ids=str)
def test_rounding_is_forgiven(pbc: tuple[bool, bool, bool]) -> None:
    """In single precision a field along a tilted normal is orthogonal to the periodic axes to 1e-7 only."""
    system, basis = structure(pbc), GaussianBasis(0.6, 1)
    rounded = field.uniform(system.to(dtype=torch.float32), basis)
    close(rounded.double(), field.uniform(system, basis), 1e-6)
