"""Electrodes: charges that make 1/2 <q|V|q> + <q|v_ext> stationary, between plates and in a metal.

Two plates of area A at the distance d hold q = A sigma and -q at the voltage Psi, with (all lengths in Å)

    Psi = 4 pi k_e sigma (d + 2 l),    C / A = sigma / Psi = eps0 / (d + 2 l),    eps0 = 1 / (4 pi k_e).

The field enters each plate to the depth l. Gaussians of width s overlap with their own plate, which brings plates
nearer; the lattice of period a and a hardness eta (eV/e^2) of each of its atoms take them apart:

    l = -s / sqrt(pi) + 1/2 sum_{g != 0} erfc(s |g|) / |g| + eta a^2 / (4 pi k_e),    g on the reciprocal lattice.
"""

import math

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import Coulomb, GaussianBasis, System
from leyden.checks import InputError
from leyden.coulomb import BoundCoulomb, field
from leyden.units import COULOMB

EPS0 = 1 / (4 * math.pi * COULOMB)
"""e^2 / (eV Å)."""
A, WIDTH, SIDE = 2.5, 0.7, 2
"""Period of the plates and width of the charges in Å; atoms along one edge of the cell."""
AREA = (SIDE * A) ** 2
PER_PLATE = SIDE * SIDE
BASIS = GaussianBasis(WIDTH)
OPERATOR = Coulomb(1e-12)


def plates(heights: list[float], strength: float = 0.0) -> System:
    """Square lattices of atoms at the heights (Å), in a field along z (V/Å)."""
    sites = [[A * i, A * j, z] for z in heights for i in range(SIDE) for j in range(SIDE)]
    atoms = Atoms(["Au"] * len(sites), sites, cell=[SIDE * A, SIDE * A, 0.0], pbc=[True, True, False])
    atoms.info["external_field"] = [0.0, 0.0, strength]
    return System.from_ase(atoms)


def stationary(bound: BoundCoulomb, external: Tensor, eta: float = 0.0, total: float | None = None) -> Tensor:
    """q (N, 1) with (V + eta) q + v_ext = mu and, where a total charge (e) is given, sum q = total; else mu = 0."""
    size = len(external)
    matrix = external.new_zeros(size + 1, size + 1)
    matrix[:size, :size] = bound.dense() + eta * torch.eye(size, dtype=external.dtype)
    matrix[size, size] = 1.0
    if total is not None:
        matrix[:size, size], matrix[size, :size], matrix[size, size] = -1.0, 1.0, 0.0
    right = torch.cat([-external[:, 0], external.new_tensor([total or 0.0])])
    return torch.linalg.solve(matrix, right)[:size, None]


def capacitor(distance: float, voltage: float, eta: float = 0.0) -> tuple[BoundCoulomb, Tensor]:
    """Plates at -d/2 and d/2, held at -Psi/2 and Psi/2."""
    bound = OPERATOR.bind(plates([-distance / 2, distance / 2]), BASIS)
    potential = torch.tensor([-voltage / 2, voltage / 2], dtype=torch.float64).repeat_interleave(PER_PLATE)
    return bound, stationary(bound, field.electrodes(potential, BASIS), eta)


def depth(eta: float) -> float:
    """l of the formula above, Å."""
    m = torch.arange(-20, 21, dtype=torch.float64)
    g = 2 * math.pi / A * torch.hypot(m[:, None], m[None]).flatten()
    g = g[g > 0]
    return -WIDTH / math.sqrt(math.pi) + 0.5 * (torch.erfc(WIDTH * g) / g).sum().item() + eta * A * A * EPS0


def along(bound: BoundCoulomb, charges: Tensor, heights: list[float], x: float = 0.3 * A, y: float = 0.1 * A) -> Tensor:
    """Potential of the charges at heights (Å) above (x, y), V."""
    points = torch.tensor([[x, y, z] for z in heights], dtype=torch.float64)
    return bound.at(charges, points, torch.zeros(len(points), dtype=torch.long))


@pytest.mark.parametrize("eta", [0.0, 8.0])
def test_capacitance(eta: float) -> None:
    """C / A = eps0 / (d + 2 l): the slope of A / C is 1 / eps0, and its intercept the depth of the formula."""
    voltage, distances = 1.5, [8.0, 11.0, 16.0]
    inverse = []
    for distance in distances:
        _, charges = capacitor(distance, voltage, eta)
        lower, upper = charges.view(2, PER_PLATE)
        torch.testing.assert_close(upper, charges[-1].expand(PER_PLATE), rtol=1e-9, atol=0.0)
        torch.testing.assert_close(lower, -upper, rtol=1e-9, atol=0.0)
        assert upper[0] > 0
        inverse.append(voltage * AREA / upper.sum().item())
    for near, far, d, e in zip(inverse, inverse[1:], distances, distances[1:], strict=False):
        assert (far - near) / (e - d) == pytest.approx(1 / EPS0, rel=1e-9)
    assert EPS0 * inverse[0] - distances[0] == pytest.approx(2 * depth(eta), abs=1e-8)
    assert abs(depth(eta)) > 0.1


def test_charges_minimise() -> None:
    """Neutral changes of the charges raise the energy, which is -1/2 C Psi^2 at the minimum."""
    voltage = 2.0
    bound, charges = capacitor(9.0, voltage)
    potential = torch.tensor([-voltage / 2, voltage / 2], dtype=torch.float64).repeat_interleave(PER_PLATE)
    external = field.electrodes(potential, BASIS)

    def energy(q: Tensor) -> float:
        return (bound.energy(q).sum() + (q * external).sum()).item()

    least = energy(charges)
    assert least == pytest.approx(-0.5 * voltage * charges[PER_PLATE:].sum().item(), rel=1e-10)
    for seed in range(4):
        change = torch.randn(len(charges), 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert energy(charges + 0.01 * (change - change.mean())) > least + 1e-5
    neutral = stationary(bound, external, total=0.0)
    torch.testing.assert_close(neutral, charges, rtol=1e-9, atol=0.0)


def test_charged_capacitor() -> None:
    """A given total charge is shared by equal plates and leaves the voltage to the rest: superposition."""
    bound, charges = capacitor(9.0, 1.0)
    potential = torch.tensor([-0.5, 0.5], dtype=torch.float64).repeat_interleave(PER_PLATE)
    charged = stationary(bound, field.electrodes(potential, BASIS), total=0.4)
    torch.testing.assert_close(charged, charges + 0.4 / (2 * PER_PLATE), rtol=1e-9, atol=1e-12)


def test_field_between_plates() -> None:
    """Uniform where the waves of the lattice have died out: F = -sigma / eps0, and the same above any point."""
    bound, charges = capacitor(16.0, 1.5)
    sigma = charges[PER_PLATE:].sum().item() / AREA
    heights = [-2.0, -1.0, 0.0, 1.0, 2.0]
    values = along(bound, charges, heights)
    torch.testing.assert_close(values.diff(), torch.full_like(values[1:], sigma / EPS0), rtol=1e-5, atol=0.0)
    torch.testing.assert_close(along(bound, charges, heights, 0.5 * A, 0.5 * A), values, rtol=0.0, atol=1e-6)
    assert values[2].abs() < 1e-9


def test_drop_across_charged_plates() -> None:
    """Outside of the plates the potential is flat; from one side to the other it changes by sigma d / eps0."""
    distance, sigma = 6.0, 0.01
    system = plates([-12.0, 0.0, distance, 18.0])
    charges = sigma * A * A * torch.tensor([0.0, -1.0, 1.0, 0.0], dtype=torch.float64).repeat_interleave(PER_PLATE)
    below, low, high, above = along(OPERATOR.bind(system, BASIS), charges[:, None], [-12.0, -9.0, 15.0, 18.0])
    assert (high - low).item() == pytest.approx(sigma * distance / EPS0, rel=1e-8)
    assert (low - below).abs() < 1e-8
    assert (above - high).abs() < 1e-8


@pytest.mark.parametrize("eta", [0.0, 8.0])
def test_field_on_two_connected_plates(eta: float) -> None:
    """At the same potential, plates in a field F hold F d eps0 / (d + 2 l); the part 2 l / (d + 2 l) of F is left."""
    distance, strength = 14.0, 0.3
    system = plates([-distance / 2, distance / 2], strength)
    bound = OPERATOR.bind(system, BASIS)
    charges = stationary(bound, field.uniform(system, BASIS), eta, total=0.0)
    sigma = charges[PER_PLATE:].sum().item() / AREA
    thickness = distance + 2 * depth(eta)
    assert sigma == pytest.approx(strength * distance * EPS0 / thickness, rel=1e-8)
    inside = along(bound, charges, [-1.0, 1.0])
    left = strength - (inside[1] - inside[0]).item() / 2
    assert left == pytest.approx(strength * 2 * depth(eta) / thickness, abs=1e-5)


def test_metal_screens() -> None:
    """Five layers at one potential: charges sit on the surfaces, and next to nothing of the field is left inside."""
    strength, spacing, eta = 0.3, 2.0, 8.0
    heights = [spacing * (n - 2) for n in range(5)]
    system = plates(heights, strength)
    bound, external = OPERATOR.bind(system, BASIS), field.uniform(system, BASIS)
    charges = stationary(bound, external, eta, total=0.0)
    potential = bound.apply(charges) + eta * charges + external
    assert (potential - potential.mean()).abs().max() < 1e-9
    layers = charges.view(5, PER_PLATE).sum(1)
    assert layers[4] > 0.04
    assert layers[1:4].abs().max() < 0.06 * layers[4]
    inner = heights[1:4]
    total = along(bound, charges, inner, 0.0, 0.0) - strength * torch.tensor(inner, dtype=torch.float64)
    assert total.diff().abs().max() < 0.01 * strength * spacing


def test_with_shells_and_dipoles() -> None:
    """An electrode acts on every charge of its atoms and on nothing else."""
    basis = GaussianBasis([0.6, 1.0], 1)
    felt = field.electrodes(torch.tensor([0.0, 1.5]), basis).view(2, 2, 4)
    assert not felt[0].any()
    assert not felt[1, :, 1:].any()
    torch.testing.assert_close(felt[1, :, 0], torch.tensor([-1.5, -1.5]))
    with pytest.raises(InputError, match=r"potential: expected shape \(any\), got \(1, 2\)"):
        field.electrodes(torch.zeros(1, 2), basis)
