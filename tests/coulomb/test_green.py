"""The kernel of every boundary condition: Gaussian charges against exact sums that share no formula with it.

Pairs of Gaussians of width s = sqrt(2) sigma, averaged over the periodic directions with the phase of a wave k:

    open: erf(r / sqrt(2) s) / r;  wire: int_{s^2/2}^inf dt/t exp(-t k^2 - rho^2 / 4t);  slab: Parry's error functions.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from leyden.checks import InputError
from leyden.coulomb import green
from leyden.coulomb.embedding import Embedding, embed, embed_given
from leyden.coulomb.green import square
from leyden.coulomb.lattice import Lattice, Waves
from leyden.system import System
from leyden.testing.numeric import close, derivatives_of, random
from leyden.units import COULOMB

SIGMA = 0.5
PAIR = 2 * SIGMA**2
REACH = torch.tensor([10 * SIGMA], dtype=torch.float64)
CELL = torch.tensor([[[5.0, 0.6, 0.4], [-1.5, 4.4, 0.9], [0.3, -0.4, 6.0]]], dtype=torch.float64)
POSITIONS = torch.tensor([[0.0, 0.1, 0.2], [1.4, 0.3, -0.8], [0.2, 1.7, 0.9], [-0.9, 0.5, 1.3]], dtype=torch.float64)
CHARGES = {"neutral": [0.8, -0.5, 0.3, -0.6], "charged": [0.8, -0.5, 0.9, 0.4]}
OPEN, WIRE, SLAB, CRYSTAL = [False] * 3, [False, True, False], [True, True, False], [True] * 3
NODES, STEPS = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(100))


class Box(Waves):
    """All integer vectors with |m_d| <= top_d, for each of some structures."""

    def __init__(self, top: list[int], structures: int = 1, dtype: torch.dtype = torch.float64) -> None:
        m = torch.cartesian_prod(*(torch.arange(-n, n + 1) for n in top)).to(dtype)
        self.m = m.repeat(structures, 1)
        self.owner = torch.arange(structures).repeat_interleave(len(m))
        self.multiplicity = torch.ones(len(self.m), dtype=dtype)

    def quadratic(self, metric: Tensor) -> Tensor:
        return torch.einsum("kd,kde,ke->k", self.m, metric[self.owner], self.m)

    def at(self, s: Tensor, index: Tensor, kind: Tensor, kinds: int) -> Lattice:
        raise NotImplementedError


def weights(waves: Waves, embedding: Embedding) -> Tensor:
    """G of all waves."""
    return green.weights(waves, embedding, square(waves, embedding))


def structure(pbc: list[bool], positions: Tensor = POSITIONS, cell: Tensor = CELL) -> System:
    """One structure; its charges are given apart."""
    one, index = torch.ones(len(positions), dtype=torch.long), torch.zeros(len(positions), dtype=torch.long)
    return System(positions, one, cell, torch.tensor([pbc]), index, *random(0, 2, 1), random(0, 1, 3))


def charges(kind: str) -> Tensor:
    return torch.tensor(CHARGES[kind], dtype=torch.float64)


def energy(system: System, q: Tensor, reach: Tensor = REACH, truncate: bool = True) -> Tensor:
    """1/2 sum_k G |S|^2 exp(-sigma^2 k^2) of one structure, eV, all waves with exp(-sigma^2 k^2) > 1e-14."""
    embedding = embed(system, reach) if truncate else embed_given(system)
    largest = math.sqrt(14 * math.log(10)) / SIGMA
    lengths = torch.linalg.vector_norm(embedding.cell.detach()[0], dim=1)
    waves = Box([int(largest * length / (2 * math.pi)) + 1 for length in lengths.tolist()])
    k2 = square(waves, embedding)
    inside = (k2 < largest**2).nonzero().squeeze(1)
    angle = 2 * math.pi * waves.m[inside] @ torch.linalg.solve(embedding.cell[0].T, system.positions.T)
    intensity = (angle.cos() @ q) ** 2 + (angle.sin() @ q) ** 2
    return 0.5 * (weights(waves, embedding)[inside] * intensity * torch.exp(-(SIGMA**2) * k2[inside])).sum()


def exact(system: System, q: Tensor) -> Tensor:
    """The same by a direct sum, eV."""
    r = system.positions[:, None] - system.positions[None]
    periodic = system.cell[0][system.pbc[0]]
    form = (open_pairs, wire_pairs, slab_pairs)[len(periodic)]
    return 0.5 * COULOMB * (q[:, None] * q[None, :] * form(r, periodic)).sum()


def open_pairs(r: Tensor, periodic: Tensor) -> Tensor:
    """erf(r / sqrt(2 PAIR)) / r and its limit at r = 0."""
    same = torch.eye(len(r), dtype=torch.bool)
    distance = torch.where(same, 1.0, (r * r).sum(2) + same).sqrt()
    return torch.where(same, math.sqrt(2 / (math.pi * PAIR)), torch.erf(distance / math.sqrt(2 * PAIR)) / distance)


def wire_pairs(r: Tensor, periodic: Tensor) -> Tensor:
    """Waves along the axis times integrals over t; the one of k = 0 is -2 ln(rho) - E_1(rho^2 / 2 PAIR)."""
    length = torch.linalg.vector_norm(periodic[0])
    x = r @ periodic[0] / length
    rho2 = (r * r).sum(2) - x * x
    w = 0.5 * (NODES + 1)
    total = (
        np.euler_gamma - math.log(2 * PAIR) + (torch.expm1(-rho2[..., None] * w / (2 * PAIR)) * STEPS / w).sum(2) / 2
    )
    for m in range(1, 16):
        k = 2 * math.pi * m / length
        low, high = torch.full_like(k, 0.5 * PAIR).log(), (0.5 * PAIR + 40 / k**2).log()
        t = (low + (high - low) * w).exp()
        integral = (torch.exp(-t * k * k - rho2[..., None] / (4 * t)) * STEPS).sum(2) * 0.5 * (high - low)
        total = total + 2 * torch.cos(k * x) * integral
    return total / length


def slab_pairs(r: Tensor, periodic: Tensor) -> Tensor:
    """Waves in the plane times pi/k [exp(kz) erfc(ks/sqrt2 + z/sqrt2 s) + ...] (Parry, Surf. Sci. 49, 433 (1975))."""
    normal = torch.linalg.cross(*periodic)
    area = torch.linalg.vector_norm(normal)
    z, s = (r @ normal / area)[..., None], math.sqrt(PAIR)
    flat = z * torch.erf(z / (math.sqrt(2) * s)) + s * math.sqrt(2 / math.pi) * torch.exp(-z * z / (2 * PAIR))
    m = torch.cartesian_prod(torch.arange(-13, 14), torch.arange(-13, 14)).double()
    waves = 2 * math.pi * m[m.any(1)] @ torch.linalg.pinv(periodic).T
    k = torch.linalg.vector_norm(waves, dim=1)
    sides = sum(torch.exp(v * k) * torch.erfc((k * s + v / s) / math.sqrt(2)) for v in (z, -z))
    return (math.pi / k * torch.cos(r @ waves.T) * sides - 2 * math.pi * flat / len(k)).sum(2) / area


def strained(function: Callable[[System, Tensor], Tensor], pbc: list[bool], q: Tensor) -> list[Tensor]:
    """Energy, forces, strain derivatives, and the derivative of both along a direction of both."""
    positions, strain = (
        POSITIONS.clone().requires_grad_(),
        torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True),
    )
    value = function(structure(pbc, positions).strained(strain), q)
    first = torch.autograd.grad(value, (positions, strain), create_graph=True)
    slope = (first[0] * random(1, 4, 3)).sum() + (first[1] * random(2, 1, 3, 3)).sum()
    return [value, *first, *torch.autograd.grad(slope, (positions, strain))]


@pytest.mark.parametrize("kind", ["neutral", "charged"])
@pytest.mark.parametrize("pbc", [OPEN, WIRE, SLAB])
def test_exact(pbc: list[bool], kind: str) -> None:
    """Energy, first and second derivatives; a larger cell changes nothing."""
    q = charges(kind)
    actual, expected = strained(energy, pbc, q), strained(exact, pbc, q)
    for one, other, tolerance in zip(actual, expected, [1e-11, 1e-10, 1e-10, 1e-8, 1e-8], strict=True):
        close(one, other, tolerance)
    close(energy(structure(pbc), q, 1.3 * REACH), expected[0], 1e-11)
    assert expected[0].abs() > 0.5


def test_images() -> None:
    """A neutral wire is the sum over its images, whose tail falls as N^-2."""
    q, system = charges("neutral"), structure(WIRE)

    def images(count: int) -> float:
        shift = torch.arange(-count, count + 1)[:, None, None, None] * system.cell[0, 1]
        r = torch.linalg.vector_norm(POSITIONS[:, None] - POSITIONS[None] + shift, dim=3)
        form = torch.where(r > 0, torch.erf(r / math.sqrt(2 * PAIR)) / r, math.sqrt(2 / (math.pi * PAIR)))
        return 0.5 * COULOMB * torch.einsum("i,j,nij->", q, q, form).item()

    (a, first), (b, second) = ((n + 0.5, images(n)) for n in (200, 400))
    assert energy(system, q).item() == pytest.approx((b * b * second - a * a * first) / (b * b - a * a), abs=1e-8)


def test_crystal() -> None:
    """Madelung's constant of NaCl: Gaussians 12 SIGMA apart interact as points, besides their self-interaction."""
    d = 6.0
    cell = d * (1 - torch.eye(3, dtype=torch.float64))[None]
    system = structure(CRYSTAL, torch.tensor([[0.0, 0.0, 0.0], [d, 0.0, 0.0]], dtype=torch.float64), cell)
    madelung = -energy(system, torch.tensor([1.0, -1.0], dtype=torch.float64)) + COULOMB / (math.sqrt(math.pi) * SIGMA)
    assert madelung.item() * d / COULOMB == pytest.approx(1.7475645946331822, abs=1e-9)


@pytest.mark.parametrize("pbc", [WIRE, SLAB])
def test_any_axis(pbc: list[bool]) -> None:
    """The order and handedness of the cell vectors and a rotation of all leave the energy."""
    q, expected = charges("charged"), energy(structure(pbc), charges("charged"))
    turn = torch.linalg.qr(random(3, 3, 3))[0]
    for order in ([1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1]):
        system = structure([pbc[n] for n in order], POSITIONS @ turn, CELL[:, order] @ turn)
        close(energy(system, q), expected, 1e-11)


def mixed(dtype: torch.dtype = torch.float64) -> System:
    """One structure of each boundary condition."""
    return System.join([structure(pbc) for pbc in (SLAB, OPEN, CRYSTAL, WIRE)]).to(dtype=dtype)


def test_mixed_batch() -> None:
    """A batch has the weights of its structures, each multiplied by its multiplicity."""
    waves, single = Box([3, 2, 3], 4), Box([3, 2, 3])
    waves.multiplicity = torch.rand(len(waves.m), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([weights(single, embed(s, REACH)) for s in mixed().split()])
    close(weights(waves, embed(mixed(), REACH.expand(4))), alone * waves.multiplicity, 1e-14)


@pytest.mark.parametrize("pbc", [OPEN, WIRE, SLAB, CRYSTAL])
def test_derivatives(pbc: list[bool]) -> None:
    """First and second derivatives of the weights in strain and positions, waves with vanishing parts included."""
    waves = Box([1, 2, 1])

    def function(positions: Tensor, strain: Tensor) -> Tensor:
        return weights(waves, embed(structure(pbc, positions).strained(strain), REACH))

    derivatives_of(function, POSITIONS, 0.01 * random(4, 1, 3, 3))


def test_single_precision() -> None:
    """float32 keeps six digits of the largest weights, and gradients are finite."""
    system = mixed(torch.float32)
    strain = torch.zeros(4, 3, 3, requires_grad=True)
    single = weights(Box([9] * 3, 4, torch.float32), embed(system.strained(strain), REACH.float().expand(4)))
    double = weights(Box([9] * 3, 4), embed(mixed(), REACH.expand(4)))
    assert single.dtype == torch.float32
    close(single.double(), double, 2e-6)
    assert torch.autograd.grad(single.sum(), strain)[0].isfinite().all()


@pytest.mark.parametrize("kind", ["neutral", "charged"])
def test_untruncated(kind: str) -> None:
    """The given tall cell, not truncated, plus the correction of a charged slab (Ballenegger et al., JCP 131, 094107).

    dE = (2 pi k_e / V) [M^2 - Q sum_i q_i (z_i^2 + sigma^2) - Q^2 L^2 / 12], M = sum_i q_i z_i.
    """
    q, height = charges(kind), 30.0
    normal = torch.linalg.cross(CELL[0, 0], CELL[0, 1])
    area, z = torch.linalg.vector_norm(normal), POSITIONS @ torch.nn.functional.normalize(normal, dim=0)
    cell = torch.stack([CELL[0, 0], CELL[0, 1], normal / area * height + 0.3 * CELL[0, 0]])[None]
    second, total = (q * (z * z + SIGMA**2)).sum(), q.sum()
    bracket = (q * z).sum() ** 2 - total * second - (total * height) ** 2 / 12
    correction = 2 * math.pi * COULOMB / (area * height) * bracket
    close(energy(structure(SLAB, cell=cell), q, truncate=False) + correction, energy(structure(SLAB), q), 1e-10)


def test_untruncated_needs_a_cell() -> None:
    """A cell without extent along an open axis is an error that says so."""
    flat = CELL * torch.tensor([1.0, 1.0, 0.0])
    with pytest.raises(InputError, match=r"three independent vectors.*structure 1"):
        embed_given(System.join([structure(SLAB), structure(SLAB, cell=flat)]))
