"""Electrostatic potential at points against plain sums over the density, written down once more."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from ase import Atoms
from numpy.typing import NDArray
from scipy.special import erf
from torch import Tensor

from leyden.charges import Equilibration, Local
from leyden.charges.model import ChargeModel
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.potential import Potential
from leyden.properties.electrostatic import electrostatic_potential
from leyden.system import System
from leyden.testing.assembly import CHARGES, FRAMES, assembled, batch
from leyden.testing.numeric import central, close, derivatives_of, random
from leyden.units import COULOMB

Array = NDArray[np.float64]
BASES = [GaussianBasis(0.6), GaussianBasis(0.6, 1), GaussianBasis([0.45, 0.9], 1), GaussianBasis(0.25, 1)]
PAIR = Atoms("OH", [[0.1, 0.0, 0.2], [0.9, 0.7, -0.3]], cell=[[4.0, 0.3, 0.0], [0.0, 3.6, 0.5], [0.2, 0.0, 4.2]])


def local(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Local(channels, elements, GaussianBasis(0.6), hidden=4)


def equilibration(channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
    return Equilibration(channels, elements, GaussianBasis(0.6, 1), hidden=4)


def having(basis: GaussianBasis, accuracy: float) -> Potential:
    """A potential whose density is of this basis; what it is has to be given."""
    potential = assembled(local)
    assert potential.charges is not None
    potential.charges.basis, potential.coulomb = basis, replace(potential.coulomb, accuracy=accuracy)
    return potential


def sites(system: System, basis: GaussianBasis, density: Tensor) -> tuple[Array, Array, Array, Array]:
    """Positions (M, 3), widths (M,), charges (M,) and dipoles (M, 3) of all shells."""
    moments = density.reshape(-1, basis.multipoles)
    dipoles = moments[:, 1:4] if basis.lmax else torch.zeros(len(moments), 3, dtype=torch.float64)
    positions = system.positions.repeat_interleave(basis.shells, 0)
    widths = basis.widths(system.numbers, torch.float64).flatten()
    return positions.numpy(), widths.numpy(), moments[:, 0].numpy(), dipoles.numpy()


def pairwise(points: Array, positions: Array, widths: Array, charges: Array, dipoles: Array) -> Array:
    """sum k_e [q erf(x) / r + mu.r (erf(x) - 2 x exp(-x^2) / sqrt(pi)) / r^3], x = r / sqrt(2) sigma."""
    vectors = points[:, None] - positions
    r = np.maximum(np.linalg.norm(vectors, axis=2), 1e-4)  # on an atom: a place very close to it
    x = r / (np.sqrt(2) * widths)
    bare = charges * erf(x) / r
    along = (vectors * dipoles).sum(2) * (erf(x) - 2 / np.sqrt(np.pi) * x * np.exp(-(x**2))) / r**3
    return COULOMB * (bare + along).sum(1)


def waves(points: Array, cell: Array, positions: Array, widths: Array, charges: Array, dipoles: Array) -> Array:
    """4 pi k_e / V [sum_k exp(ik.(r - r_i) - sigma_i^2 k^2 / 2) (q_i - i k.mu_i) / k^2 - sum q sigma^2 / 2]."""
    m = np.array([m for m in product(range(-24, 25), repeat=3) if any(m)])
    k = 2 * np.pi * m @ np.linalg.inv(cell).T
    square, volume = (k**2).sum(1), abs(np.linalg.det(cell))
    k, square = k[square < 24.0**2], square[square < 24.0**2]
    form = np.exp(-0.5 * np.outer(square, widths**2) - 1j * k @ positions.T) * (charges - 1j * k @ dipoles.T)
    sums = np.exp(1j * points @ k.T) @ (form.sum(1) / square)
    return 4 * np.pi * COULOMB / volume * (sums.real - 0.5 * (charges * widths**2).sum())


def replicated(cells: list[range], cell: Array, positions: Array, *rest: Array) -> tuple[Array, ...]:
    """The sites in many cells."""
    shifts = np.array(list(product(*cells))) @ cell
    return (positions + shifts[:, None]).reshape(-1, 3), *(np.concatenate([x] * len(shifts)) for x in rest)


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_molecules(basis: GaussianBasis) -> None:
    system, density = System.from_ase([FRAMES[0], FRAMES[2]], charge=[0, -1]), random(1, 12, basis.dim)
    count, points = int(system.size[0]), 2.0 * random(2, 6, 3)
    index = torch.tensor([1, 0, 0, 1, 0, 0])
    points[4:] = system.positions[:2]
    density = density[: len(system.positions)]
    found = electrostatic_potential(having(basis, 1e-5), system, points, index, density)
    for n, single in enumerate(system.split()):
        own = density[:count] if n == 0 else density[count:]
        close(
            found[index == n], torch.as_tensor(pairwise(points[index == n].numpy(), *sites(single, basis, own))), 1e-6
        )
    assert found.abs().min() > 1e-2


@pytest.mark.parametrize("neutral", [True, False])
@pytest.mark.parametrize("basis", BASES, ids=str)
def test_bulk(basis: GaussianBasis, neutral: bool) -> None:
    """Neutral, or with a background; the second point is an atom."""
    system = System.from_ase(Atoms(PAIR.numbers, PAIR.positions, cell=PAIR.cell, pbc=True))
    density = random(1, 2, basis.dim)
    if neutral:
        charges = density.view(-1, basis.multipoles)[:, 0]
        density.view(-1, basis.multipoles)[:, 0] = charges - charges.mean()
    points, index = 2.0 * random(2, 5, 3), torch.zeros(5, dtype=torch.long)
    points[1] = system.positions[1]
    found = electrostatic_potential(having(basis, 1e-10), system, points, index, density)
    expected = waves(points.numpy(), system.cell[0].numpy(), *sites(system, basis, density))
    close(found, torch.as_tensor(expected), 1e-7)
    assert found.abs().min() > 1e-2


@pytest.mark.parametrize("axes", [1, 2])
def test_wires_and_slabs(axes: int) -> None:
    """A neutral one against many cells of it; in a slab of (2n + 1)^2 cells what is missing falls as 1/n."""
    basis, density = BASES[1], random(1, 2, 4)
    density[:, 0] = torch.tensor([0.7, -0.7], dtype=torch.float64)
    pbc = [axis < axes for axis in range(3)]
    system = System.from_ase(Atoms(PAIR.numbers, PAIR.positions, cell=PAIR.cell, pbc=pbc))
    points, index = 2.0 * random(2, 5, 3), torch.zeros(5, dtype=torch.long)
    found = electrostatic_potential(having(basis, 1e-8), system, points, index, density)

    def finite(n: int) -> Array:
        cells = [range(-n, n + 1) if periodic else range(1) for periodic in pbc]
        return pairwise(points.numpy(), *replicated(cells, system.cell[0].numpy(), *sites(system, basis, density)))

    expected = finite(300) if axes == 1 else 2 * finite(80) - finite(40)
    close(found, torch.as_tensor(expected), 1e-4)
    assert found.abs().min() > 1e-2


def test_of_the_density_of_the_model() -> None:
    """The one that is solved for in the field, whose own potential is left out; given, it is not solved for again."""
    potential = assembled(equilibration)
    system = replace(System.from_ase(FRAMES[2], charge=-1), field=torch.tensor([[0.3, -0.2, 0.5]], dtype=torch.float64))
    points, index = 2.0 * random(2, 4, 3), torch.zeros(4, dtype=torch.long)
    density, basis = potential(system).density.detach(), GaussianBasis(0.6, 1)
    found = electrostatic_potential(potential, system, points, index)
    close(found.detach(), torch.as_tensor(pairwise(points.numpy(), *sites(system, basis, density))), 1e-8)
    close(electrostatic_potential(potential, system, points, index, 2 * density), 2 * found.detach(), 1e-12)


def test_screened_by_what_the_density_leaves_out() -> None:
    """It is the potential of the energy: a small charge dq on top of a density costs dq times it."""
    potential = assembled(
        lambda channels, elements: Local(channels, elements, GaussianBasis(1e-3), scale=1.5, hidden=4)
    )
    system, index = System.from_ase(FRAMES[2], charge=-1), torch.zeros(2, dtype=torch.long)
    density, step = random(1, 2, 1), torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    found = electrostatic_potential(potential, system, system.positions, index, density)

    bound = potential.coulomb.bind(system, GaussianBasis(1e-3))
    expected = (step * (bound.apply(density) - bound.apply(step * density))).sum() / 1.5**2
    own = electrostatic_potential(potential, system, system.positions, index, step * density)[0]
    close(found[0] - own, expected, 1e-8)


def test_a_batch_is_its_structures(potential: Potential) -> None:
    """Open and periodic, neutral and charged, points in any order, and one structure without any."""
    system, points, index = batch(), 2.0 * random(2, 7, 3), torch.tensor([3, 0, 1, 3, 0, 1, 1])
    found = electrostatic_potential(potential, system, points, index)
    for n, single in enumerate(system.split()):
        here = points[index == n]
        if len(here):
            alone = electrostatic_potential(potential, single, here, torch.zeros(len(here), dtype=torch.long))
            close(found[index == n], alone, 1e-9)
    assert found.abs().min() > 1e-3 and len(index.unique()) == 3


def felt(potential: Potential, system: System, changes: tuple[Tensor, ...]) -> Tensor:
    """At two points of either structure, after changes of positions, points and charges; one point is an atom."""
    points = 2.0 * random(2, 4, 3)
    points[3] = system.positions[1]
    moved = replace(system, positions=system.positions + changes[0], charge=system.charge + changes[2])
    return electrostatic_potential(potential, moved, points + changes[1], torch.tensor([1, 0, 1, 0]))


@pytest.mark.parametrize("make", [local, equilibration])
def test_first_derivatives(make: Callable[[Channels, tuple[int, ...]], ChargeModel]) -> None:
    """By positions of atoms and the total charge, which move the density, and by points, of the sum of squares."""
    potential, system = assembled(make), System.from_ase(FRAMES[2:], charge=CHARGES[2:])
    steps = random(3, len(system.positions), 3), random(4, 4, 3), random(5, 2)
    free = tuple(torch.zeros_like(step, requires_grad=True) for step in steps)
    slopes = torch.autograd.grad((felt(potential, system, free) ** 2).sum(), free)
    for n, (slope, step) in enumerate(zip(slopes, steps, strict=True)):

        def along(h: float, n: int = n, step: Tensor = step) -> Tensor:
            changes = tuple(h * step if m == n else torch.zeros_like(s) for m, s in enumerate(steps))
            return (felt(potential, system, changes) ** 2).sum().detach()

        measured = central(along)
        close((slope * step).sum(), measured, 1e-7)
        assert measured.abs() > 1e-2


def test_second_derivatives() -> None:
    """Of a density that is a function of the features."""
    potential, system = assembled(local), System.from_ase(FRAMES[2:], charge=CHARGES[2:])
    changes = (torch.zeros_like(system.positions), torch.zeros(4, 3).double(), torch.zeros_like(system.charge))
    derivatives_of(lambda *free: felt(potential, system, free), *changes)


def test_single_precision(potential: Potential) -> None:
    points, index = 2.0 * random(2, 8, 3), torch.arange(8) % 4
    exact = electrostatic_potential(potential, batch(), points, index)
    rough = electrostatic_potential(potential.float(), batch(torch.float32), points.float(), index)
    assert rough.dtype == torch.float32
    close(rough.double(), exact, 1e-4)


def test_what_is_refused(potential: Potential, short_range: Potential) -> None:
    points, index = torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, dtype=torch.long)
    with pytest.raises(InputError, match=r"electrostatic_potential: expected a model with charges, got a short-range"):
        electrostatic_potential(short_range, batch(), points, index)
    with pytest.raises(InputError, match=r"points: expected torch.float64 like the positions, got torch.float32"):
        electrostatic_potential(potential, batch(), points.float(), index)
    with pytest.raises(InputError, match=r"index: expected structures from 0 to 3, got \[4\]"):
        electrostatic_potential(potential, batch(), points, index + 4)
