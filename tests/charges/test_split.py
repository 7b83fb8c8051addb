"""Split: the contract of a charge model, and what is particular to charges by transfer."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import segment
from leyden.charges import Problem
from leyden.charges.electronegativity import electronegativity
from leyden.charges.model import ChargeModel
from leyden.charges.split import INITIAL_TRANSFER, Split
from leyden.charges.transfer import REACH
from leyden.coulomb import Coulomb, field
from leyden.density import GaussianBasis, dipole
from leyden.features import Channels, Features
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.system import System
from leyden.testing.assembly import HYDROXIDE, assembled, batch, molecules
from leyden.testing.backbone import CRYSTAL, MOLECULE
from leyden.testing.charges import ChargeModelContract
from leyden.testing.numeric import close
from leyden.units import COULOMB

FORMAL = {1: 1.0, 6: 0.3, 8: -2.0}
CUTOFF = 3.0


class TestCharges(ChargeModelContract):
    size_consistent = True
    responds = False
    lmax, formal, self_interaction = 0, None, False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        basis = GaussianBasis({1: 0.5, 6: 0.7, 8: 0.6}, self.lmax)
        return Split(channels, elements, basis, self.formal, self.self_interaction, hidden=4)


class TestFormalDipoles(TestCharges):
    size_consistent = False
    responds = False
    silent = False
    lmax, formal, self_interaction = 1, FORMAL, True


class TestQuadrupoles(TestCharges):
    lmax, self_interaction = 2, True


def split(lmax: int = 0, formal: dict[int, float] | None = None) -> Potential:
    return assembled(lambda c, e: Split(c, e, GaussianBasis(0.6, lmax), formal, hidden=4))


def charges(potential: Potential, system: System) -> Tensor:
    found = potential(system).charges
    assert found is not None
    return found


def problem_of(potential: Potential, system: System) -> Problem:
    assert potential.charges is not None
    graph = Graph.of(system, neighbor_list(system, potential.backbone.cutoff))
    basis = potential.charges.basis
    bound = potential.coulomb.bind(system, basis)
    return Problem(system, potential.backbone(graph), graph, bound, field.uniform(system, basis))


def polarization(potential: Potential, system: System) -> Tensor:
    assert isinstance(potential.charges, Split)
    problem = problem_of(potential, system)
    return potential.charges.polarization(problem, potential.charges.solve(problem).density).of(system)


def untrained(atoms: Atoms, elements: tuple[int, ...] = (1, 8)) -> Tensor:
    """Charges that follow from the initial biases alone."""
    model = Split(Channels(1, 0, 0), elements, GaussianBasis(0.6)).double()
    torch.nn.init.zeros_(model.transfer.last.weight)
    return model.solve(bare(System.from_ase(atoms))).density[:, 0].detach()


def bare(system: System) -> Problem:
    """Atoms whose features are the same wherever they are."""
    one = torch.ones_like(system.positions[:, 0])
    features = Features(0 * one, one[:, None], one.new_zeros(len(one), 3, 0), one.new_zeros(len(one), 3, 3, 0))
    graph = Graph.of(system, neighbor_list(system, CUTOFF))
    basis = GaussianBasis(0.6)
    return Problem(system, features, graph, Coulomb().bind(system, basis), field.uniform(system, basis))


def test_distant_molecules_have_the_charges_they_have_alone() -> None:
    there = HYDROXIDE.copy()
    there.translate([50, 0, 0])
    potential = split()
    together = charges(potential, System.from_ase(MOLECULE + there))
    alone = charges(potential, System.from_ase([MOLECULE, HYDROXIDE]))
    close(together, alone, 1e-12)
    assert alone[:7].sum().abs() < 1e-12 and alone[7:].sum().abs() < 1e-12
    assert alone.abs().min() > 1e-3


def test_distant_ions_have_their_formal_charges() -> None:
    """A pair of ions, and an ion alone; a charge that the formal ones do not explain is spread over both atoms."""
    pair = Atoms("HO", [[0, 0, 0], [50, 0, 0]])
    potential = split(formal={1: 1.0, 8: -1.0})
    found = charges(potential, System.from_ase([pair, Atoms("O")], charge=[0, -1]))
    close(found, torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64), 1e-14)
    spread = charges(potential, System.from_ase(pair, charge=1)) - found[:2]
    close(spread.sum(), torch.ones((), dtype=torch.float64), 1e-14)
    assert spread.min() > 1e-3 and spread.std() > 1e-3


@pytest.mark.parametrize("lmax", [0, 1, 2])
def test_polarization_of_open_structures_is_their_dipole(lmax: int) -> None:
    potential, system = split(lmax, FORMAL), molecules()
    found = potential(system)
    close(polarization(potential, system), found.dipole, 1e-13)
    assert found.dipole.abs().min() > 1e-2


@pytest.mark.parametrize("formal", [None, FORMAL])
def test_polarization_of_a_crystal_does_not_jump(formal: dict[int, float] | None) -> None:
    """An atom that moves by a cell vector adds its formal charge times that vector; the dipole changes by another."""
    potential, system = split(1, formal), System.from_ase(CRYSTAL, charge=0.3 - 4 + 1 if formal else 0)
    step = torch.zeros_like(system.positions)
    step[1] = system.cell[0, 0] - 2 * system.cell[0, 2]
    moved = replace(system, positions=system.positions + step)
    quantum = (formal or {}).get(8, 0.0) * step[1:2]
    close(polarization(potential, moved) - polarization(potential, system), quantum, 1e-12)
    before, after = potential(system), potential(moved)
    close(after.charges, before.charges, 1e-12)
    jump = dipole(after.density, moved, GaussianBasis(0.6, 1)) - dipole(before.density, system, GaussianBasis(0.6, 1))
    assert (jump - quantum).abs().max() > 0.1


@pytest.mark.parametrize("lmax", [0, 1])
def test_self_interaction_is_kept_or_removed(lmax: int) -> None:
    """Removing it takes 1/2 sum_i p_i T_ii p_i away, k_e q^2 / (2 sqrt(pi) sigma) of a charge, and nothing else."""
    potential, system = split(lmax), batch()
    assert isinstance(potential.charges, Split)
    kept = potential(system)
    potential.charges.self_interaction = False
    removed = potential(system)
    p = kept.density
    own = torch.full_like(p, COULOMB / (6 * math.sqrt(math.pi) * 0.6**3))
    own[:, 0] = COULOMB / (math.sqrt(math.pi) * 0.6)
    expected = segment.total(0.5 * (own * p * p).sum(1), system.index, system.count)
    close(kept.energy_long - removed.energy_long, expected, 1e-12)
    assert torch.equal(p, removed.density) and expected.min() > 1e-3


def test_transfers_of_both_directions_are_given_with_their_bonds() -> None:
    potential, system = split(), batch()
    assert isinstance(potential.charges, Split)
    initial, bonds, transfers = potential.charges.transfers(problem_of(potential, system))
    expected = initial[:, 0].clone()
    for i, j, t in zip(bonds.receivers.tolist(), bonds.givers.tolist(), transfers[:, 0], strict=True):
        expected[i] += t
        expected[j] -= t
    close(charges(potential, system), expected, 1e-13)
    there = {(i, j) for i, j in zip(bonds.receivers.tolist(), bonds.givers.tolist(), strict=True)}
    assert there == {(j, i) for i, j in there} and transfers.abs().max() > 1e-2


def test_training_starts_from_differences_of_electronegativity() -> None:
    """q = 2 a (chi_j - chi_i) f(r) of a pair; in water oxygen is negative."""
    difference = electronegativity(8) - electronegativity(1)
    envelope = math.exp(-0.5 * (1.2 / REACH) ** 2) * (1 - (1.2 / CUTOFF) ** 2) ** 3
    expected = 2 * INITIAL_TRANSFER * difference * envelope
    found = untrained(Atoms("HO", [[0, 0, 0], [0, 1.2, 0]]))
    close(found, torch.tensor([expected, -expected], dtype=torch.float64), 1e-7)
    water = untrained(Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]))
    assert -0.8 < water[0] < -0.15


def test_charges_vanish_smoothly_at_the_cutoff() -> None:
    """Value, slope and curvature of the charge of a pair of atoms, by its distance."""
    torch.manual_seed(0)
    model = Split(Channels(1, 0, 0), (1, 8), GaussianBasis(0.6)).double()

    def found(x: float) -> list[float]:
        r = torch.tensor(x * CUTOFF, dtype=torch.float64, requires_grad=True)
        system = System.from_ase(Atoms("HO", [[0, 0, 0], [0, 0, x * CUTOFF]]))
        positions = torch.stack([0 * r, 0 * r, 0 * r, 0 * r, 0 * r, r]).view(2, 3)
        derivatives = [model.solve(bare(replace(system, positions=positions))).density[0, 0]]
        for _ in range(2):
            derivatives.append(torch.autograd.grad(derivatives[-1], r, create_graph=True)[0])
        return [abs(d.item()) for d in derivatives]

    assert min(found(0.4)) > 1e-2
    assert max(found(1 - 1e-4)) < 1e-3


def test_images_of_an_atom_give_it_no_charge() -> None:
    system = System.from_ase(Atoms("O", cell=[2.5, 2.6, 2.7], pbc=True))
    potential = split()
    close(charges(potential, system), torch.zeros(1, dtype=torch.float64), 1e-14)
    close(polarization(potential, system), torch.zeros(1, 3, dtype=torch.float64), 1e-14)


def test_order_of_elements_does_not_matter() -> None:
    a, b = (
        charges(assembled(lambda c, e, z=z: Split(c, z, GaussianBasis(0.6), FORMAL)), System.from_ase(MOLECULE))
        for z in ((1, 6, 8), (8, 1, 6))
    )
    assert torch.equal(a, b)


def test_what_cannot_be_built_is_said() -> None:
    with pytest.raises(ValueError, match="expected one shell, got 2"):
        Split(Channels(4, 4, 4), (1,), GaussianBasis((0.5, 0.7), lmax=2))
    with pytest.raises(ValueError, match="features of rank 2"):
        Split(Channels(4, 4, 0), (1,), GaussianBasis(lmax=2))
    with pytest.raises(ValueError, match="vector features"):
        Split(Channels(4, 0, 0), (1,), GaussianBasis(lmax=1))
    with pytest.raises(ValueError, match=r"got Z = \[8\]; remove"):
        Split(Channels(4, 0, 0), (1, 6), GaussianBasis(), {1: 1.0, 8: -2.0})


def test_fragments_and_electrodes() -> None:
    """Charges of fragments are exact, as no bond leaves them; electrodes are refused."""
    atoms = MOLECULE.copy()
    atoms.new_array("fragment", np.array([0, 0, 1, 1, 1, 1, 0]))
    atoms.new_array("fragment_charge", np.array([0.4, 0.4, -0.4, -0.4, -0.4, -0.4, 0.4]))
    found = charges(split(), System.from_ase(atoms))
    sums = torch.stack([found[[0, 1, 6]].sum(), found[2:6].sum()])
    close(sums, torch.tensor([0.4, -0.4], dtype=torch.float64), 1e-12)
    assert found[2:6].std() > 1e-3
    electrode = HYDROXIDE.copy()
    electrode.new_array("electrode_potential", np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="expected no electrode_potential"):
        split()(System.from_ase(electrode))
