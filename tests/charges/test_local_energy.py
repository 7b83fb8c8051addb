"""Local: energies against the published sums of latent charges (LES), and what is particular to each mode."""

import math

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import Local
from leyden.coulomb import Coulomb
from leyden.coulomb.pair import self_interaction
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.system import System
from leyden.testing.assembly import HYDROXIDE, assembled, batch
from leyden.testing.backbone import CRYSTAL, MOLECULE
from leyden.testing.numeric import close
from leyden.units import COULOMB

SIGMA = 0.6
LES_WIDTH = math.sqrt(2) * SIGMA
FAR = 1e5


def local(mode: str, lmax: int = 0, keep: bool = False, accuracy: float = 1e-5) -> Potential:
    potential = assembled(lambda c, e: Local(c, e, GaussianBasis(SIGMA, lmax), mode, keep, hidden=4))
    potential.coulomb = Coulomb(accuracy)
    return potential


def pair_sum(q: Tensor, r: Tensor) -> Tensor:
    """LES in open boundaries: sum_{i<j} k_e q_i q_j erf(r / sqrt2 s) / r."""
    total = torch.zeros((), dtype=q.dtype)
    for i in range(len(q)):
        for j in range(i):
            distance = (r[i] - r[j]).norm()
            total = total + COULOMB * q[i] * q[j] * torch.erf(distance / (math.sqrt(2) * LES_WIDTH)) / distance
    return total


def reciprocal_sum(q: Tensor, r: Tensor, cell: Tensor, largest: int = 14) -> Tensor:
    """LES in three periodic axes, without the interaction of each charge with itself."""
    n = torch.arange(-largest, largest + 1, dtype=q.dtype)
    k = 2 * math.pi * torch.cartesian_prod(n, n, n) @ torch.linalg.inv(cell).T
    square = (k * k).sum(1)
    k, square = k[square > 0], square[square > 0]
    phase = k @ r.T
    structure = (torch.cos(phase) @ q) ** 2 + (torch.sin(phase) @ q) ** 2
    total = (torch.exp(-(LES_WIDTH**2) * square / 2) / square * structure).sum()
    own = (q * q).sum() / (LES_WIDTH * math.sqrt(2 * math.pi))
    return COULOMB * (2 * math.pi / torch.linalg.det(cell).abs() * total - own)


@pytest.mark.parametrize("mode", ["free", "softness"])
def test_open_energy_is_that_of_les(mode: str) -> None:
    system = System.from_ase(MOLECULE, charge=1)
    output = local(mode)(system)
    close(output.energy_long[0], pair_sum(output.charges, system.positions), 1e-12)
    assert output.energy_long.abs() > 0.1


@pytest.mark.parametrize("charge", [0, 1])
def test_periodic_energy_is_that_of_les(charge: int) -> None:
    """A charged cell has the background beside it that LES leaves out: -(pi k_e / V) s^2 Q^2."""
    system = System.from_ase(CRYSTAL, charge=charge)
    output = local("softness", accuracy=1e-12)(system)
    background = -math.pi * COULOMB / system.volume[0] * LES_WIDTH**2 * charge**2
    expected = reciprocal_sum(output.charges, system.positions, system.cell[0]) + background
    close(output.energy_long[0], expected, 1e-10)
    assert output.energy_long.abs() > 0.1


@pytest.mark.parametrize("lmax", [0, 1, 2])
def test_self_interaction_is_the_difference_of_the_options(lmax: int) -> None:
    """In every boundary condition, and in forces: removing it takes 1/2 sum_i p_i T_ii p_i away and nothing else."""
    system = batch()
    with_, without = (forces(local("softness", lmax, keep), system) for keep in (True, False))
    density = with_.output.density
    assert torch.equal(density, without.output.density)
    own = self_interaction(torch.full_like(density[:, 0], SIGMA), lmax)
    expected = torch.zeros(4, dtype=torch.float64).index_add(0, system.index, 0.5 * (own * density**2).sum(1))
    close(with_.output.energy_long - without.output.energy_long, expected, 1e-13)
    assert torch.equal(with_.output.energy_short, without.output.energy_short)
    assert expected.min() > 0.01
    assert (with_.forces - without.forces).abs().max() > 1e-2
    literature = COULOMB / (2 * math.sqrt(math.pi) * SIGMA)
    close(0.5 * own[:, 0], torch.full_like(own[:, 0], literature), 1e-12)


def apart(charge: int = 0) -> tuple[System, System]:
    """Two fragments infinitely far from each other, as one structure and as two."""
    there = HYDROXIDE.copy()
    there.translate([FAR, 0, 0])
    return System.from_ase(MOLECULE + there, charge=charge), System.from_ase([MOLECULE, HYDROXIDE], charge=[0, charge])


def test_free_charges_of_distant_fragments_are_those_of_each() -> None:
    """Energy: of one, of the other, and k_e Q_A Q_B / r; in the limit nothing is left."""
    together, alone = apart()
    one, two = local("free")(together), local("free")(alone)
    close(one.density, two.density, 1e-9)
    first, second = one.charges[:7].sum(), one.charges[7:].sum()
    assert first.abs() > 0.1 and second.abs() > 0.1
    close(one.energy_long[0] - two.energy_long.sum(), COULOMB * first * second / FAR, 1e-8)
    close(one.energy[0], two.energy.sum(), 1e-7)


@pytest.mark.parametrize("mode", ["shift", "softness"])
def test_shifted_charges_flow_between_distant_fragments(mode: str) -> None:
    """Documents a limit of the global shift: the fragments exchange charge at any distance."""
    together, alone = apart()
    one, two = local(mode)(together), local(mode)(alone)
    assert two.charges[:7].sum().abs() < 1e-12
    assert one.charges[:7].sum().abs() > 1e-2
    assert one.charges.sum().abs() < 1e-10


def test_softness_decides_where_the_charge_goes() -> None:
    """Uniform shift: every atom takes Q/N. Softness: atoms differ, and all take a share of the same sign."""
    system = System.from_ase([MOLECULE, MOLECULE], charge=[0, 1], spin=[1, 1])
    potential = local("shift")
    potential.backbone.embedding.conditioning.state.data.zero_()
    q = potential(system).charges.view(2, 7)
    close(q[1] - q[0], torch.full((7,), 1 / 7, dtype=torch.float64), 1e-12)
    potential = local("softness")
    potential.backbone.embedding.conditioning.state.data.zero_()
    q = potential(system).charges.view(2, 7)
    assert (q[1] - q[0]).min() > 0 and (q[1] - q[0]).std() > 1e-3


@pytest.mark.parametrize("mode", ["free", "shift", "softness"])
def test_orient_makes_electronegative_atoms_negative_and_keeps_energies(mode: str) -> None:
    potential = local(mode, lmax=1)
    system = System.from_ase([MOLECULE, CRYSTAL], charge=0)
    with torch.no_grad():
        potential.charges.charge.bias.copy_(torch.tensor([-0.4, 0.1, 0.5]))
    before = forces(potential, system)
    assert potential.charges.orient(system.numbers, before.output.charges) is True
    after = forces(potential, system)
    assert torch.equal(after.output.density, -before.output.density)
    assert torch.equal(after.output.energy, before.output.energy)
    assert torch.equal(after.forces, before.forces)
    oxygen = after.output.charges[system.numbers == 8].mean()
    assert oxygen < 0 < after.output.charges[system.numbers == 1].mean()
    assert potential.charges.orient(system.numbers, after.output.charges) is False
    assert "charges.sign" in potential.state_dict()


def test_training_starts_with_electronegative_atoms_negative() -> None:
    torch.manual_seed(0)
    potential = local("softness")
    fresh = Local(potential.backbone.channels, (1, 6, 8), GaussianBasis(SIGMA))
    assert fresh.charge.bias[2] < -0.05 < 0.02 < fresh.charge.bias[0]
    assert fresh.charge.bias.sum().abs() < 1e-6


def test_order_of_elements_does_not_matter() -> None:
    potentials = []
    for order in ((1, 6, 8), (8, 1, 6)):
        potentials.append(assembled(lambda c, e, order=order: Local(c, order, GaussianBasis(SIGMA), hidden=4)))
    a, b = (p(System.from_ase(MOLECULE)).charges for p in potentials)
    assert torch.equal(a, b)


def test_what_cannot_be_built_is_said() -> None:
    channels = local("free").backbone.channels
    with pytest.raises(ValueError, match="expected mode to be one of"):
        Local(channels, (1,), GaussianBasis(), "uniform")
    with pytest.raises(ValueError, match="vector features"):
        Local(type(channels)(4, 0, 0), (1,), GaussianBasis(lmax=1))
    with pytest.raises(ValueError, match="features of rank 2"):
        Local(type(channels)(4, 4, 0), (1,), GaussianBasis(lmax=2))


def test_lone_atom_carries_the_charge() -> None:
    output = local("softness")(System.from_ase([Atoms("O"), Atoms("H")], charge=[-1, 1]))
    close(output.charges, torch.tensor([-1.0, 1.0], dtype=torch.float64), 1e-14)
    close(output.energy_long, torch.zeros(2, dtype=torch.float64), 1e-12)
