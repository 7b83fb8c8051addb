"""Split-charge equilibration: the contract of a charge model, a dense reference, and where charge may not flow."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import nn

from leyden.charges import Equilibration, Problem
from leyden.charges.bonded import STIFFNESS
from leyden.charges.compliance import SplitChargeEquilibration
from leyden.charges.model import ChargeModel
from leyden.charges.problem import Solving
from leyden.coulomb import Coulomb, field
from leyden.density import GaussianBasis, dipole
from leyden.features import Channels, Features
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.solve import Settings, Status, Unconverged
from leyden.system import System
from leyden.testing.assembly import HYDROXIDE, assembled, batch
from leyden.testing.backbone import CRYSTAL, MOLECULE
from leyden.testing.charges import ChargeModelContract
from leyden.testing.numeric import close

BASIS = GaussianBasis({1: 0.5, 6: 0.7, 8: 0.6})
POLAR = replace(BASIS, lmax=1)
FORMAL = {1: 1.0, 6: 0.5, 8: -2.0}
CUTOFF = 3.0


class TestCharges(ChargeModelContract):
    size_consistent = True
    formal: dict[int, float] | None = None

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return SplitChargeEquilibration(channels, elements, BASIS, self.formal, hidden=4)


class TestDipoles(ChargeModelContract):
    size_consistent = True

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return SplitChargeEquilibration(channels, elements, POLAR, None, hidden=4)


class TestFormalCharges(TestCharges):
    size_consistent = False
    silent = False
    formal = FORMAL


def split(settings: Settings | None = None) -> Potential:
    return assembled(lambda c, e: SplitChargeEquilibration(c, e, BASIS, None, 4, settings))


def equilibrated() -> Potential:
    return assembled(lambda c, e: Equilibration(c, e, BASIS, hidden=4))


def model_of(potential: Potential) -> SplitChargeEquilibration:
    assert isinstance(potential.charges, SplitChargeEquilibration)
    return potential.charges


def problem_of(potential: Potential, system: System) -> Problem:
    graph = Graph.of(system, neighbor_list(system, potential.backbone.cutoff))
    bound = potential.coulomb.bind(system, BASIS)
    return Problem(system, potential.backbone(graph), graph, bound, field.uniform(system, BASIS))


def bare(system: System) -> Problem:
    """Atoms whose features are the same wherever they are: weights are those of the elements."""
    one = torch.ones_like(system.positions[:, 0])
    features = Features(0 * one, one[:, None], one.new_zeros(len(one), 3, 0), one.new_zeros(len(one), 3, 3, 0))
    graph = Graph.of(system, neighbor_list(system, CUTOFF))
    return Problem(system, features, graph, Coulomb().bind(system, BASIS), field.uniform(system, BASIS))


def fresh(kind: type[SplitChargeEquilibration] | type[Equilibration], elements: tuple[int, ...]) -> ChargeModel:
    torch.manual_seed(0)
    return kind(Channels(1, 0, 0), elements, BASIS).double()


@pytest.mark.parametrize(("atoms", "charge"), [(MOLECULE, 1), (CRYSTAL, 0)], ids=["molecule", "crystal"])
def test_transfers_and_energy_are_those_of_a_dense_solution(atoms: Atoms, charge: int) -> None:
    """(1/c + T^T (eta + V) T) t = -T^T (chi + v_ext + (eta + V) q0), bond by bond."""
    potential, system = split(), System.from_ase(atoms, charge=charge)
    problem, model = problem_of(potential, system), model_of(potential)
    bonded = model.bind(problem)
    initial, chi, hardness, bonds, root = bonded.initial, bonded.chi, bonded.hardness[:, 0], bonded.bonds, bonded.root
    incidence = torch.zeros(len(system.positions), len(root), dtype=torch.float64)
    for bond, (i, j) in enumerate(zip(bonds.receivers.tolist(), bonds.givers.tolist(), strict=True)):
        incidence[i, bond], incidence[j, bond] = 1.0, -1.0
    v = problem.coulomb.dense()
    a, c, push = v + torch.diag(hardness[:, 0]), root[:, 0] ** 2 / STIFFNESS, chi + problem.external
    t = torch.linalg.solve(torch.diag(1 / c) + incidence.T @ a @ incidence, -incidence.T @ (push + a @ initial))
    q = initial + incidence @ t
    solution = model.solve(problem)
    close(solution.density, q, 1e-9)
    energy = (chi * q + 0.5 * hardness * q * q).sum() + (t[:, 0] ** 2 / (2 * c)).sum()
    close(model.energy(solution.density, problem)[0], energy, 1e-11)
    assert (q - initial).abs().max() > 1e-2 and solution.curvature[0] > STIFFNESS


def test_energy_is_stationary_at_the_solution() -> None:
    """Of the whole energy by the charges, where they are right; one that is wrong by d is wrong by d^2."""
    potential, system = split(), batch()
    problem, model = problem_of(potential, system), model_of(potential)
    q = model.solve(problem).density.detach().requires_grad_()
    energy = model.energy(q, problem) + problem.coulomb.energy(q) + problem.rows.dot(q, problem.external)
    (slope,) = torch.autograd.grad(energy.sum(), q)
    assert slope.abs().max() < 1e-7
    (alone,) = torch.autograd.grad(model.energy(q, problem).sum(), q)
    assert alone.abs().max() > 1.0


def test_each_bond_is_there_once() -> None:
    """Images of a pair, and of an atom itself, have bonds of their own, and direction plays no role."""
    potential = split()
    small = Atoms("OH", [[0, 0, 0], [0.9, 0.3, 0.1]], cell=[2.5, 2.7, 6.0], pbc=True)
    problem, model = problem_of(potential, System.from_ase([small, HYDROXIDE])), model_of(potential)
    bonds, pairs = model.bind(problem).bonds, problem.graph.pairs
    assert 2 * len(bonds.lengths) == len(pairs.centers) > int((pairs.centers != pairs.neighbors).sum())
    exchanged = replace(pairs, centers=pairs.neighbors, neighbors=pairs.centers)
    turned = replace(problem, graph=replace(problem.graph, pairs=exchanged))
    close(model.solve(turned).density, model.solve(problem).density, 1e-9)
    there = torch.stack([bonds.receivers, bonds.givers])
    assert len(there.T) > len(there.unique(dim=1).T)


def distant() -> tuple[System, System]:
    """Two molecules 1000 Å apart, as one structure and as two."""
    there = HYDROXIDE.copy()
    there.translate([1000, 0, 0])
    return System.from_ase(MOLECULE + there), System.from_ase([MOLECULE, HYDROXIDE])


def test_distant_molecules_exchange_no_charge() -> None:
    """PHYSICS T14; without bonds they do, however far they are."""
    together, alone = distant()
    one, two = (split()(system).charges for system in (together, alone))
    assert one is not None and two is not None
    assert one[:7].sum().abs() < 1e-12 and one[7:].sum().abs() < 1e-12
    close(one, two, 1e-8)
    assert one.abs().min() > 1e-3
    free = equilibrated()(together).charges
    assert free is not None and free[:7].sum().abs() > 1e-2


def polarizability(model: ChargeModel, atoms: int) -> float:
    """Along a chain of equal atoms, e Å^2/V."""
    chain = System.from_ase(Atoms("C" * atoms, [[1.6 * n, 0, 0] for n in range(atoms)]))
    along = torch.tensor([[0.1, 0, 0]], dtype=torch.float64)
    moments = [
        dipole(model.solve(bare(replace(chain, field=f * along))).density, chain, BASIS)[0, 0].item() for f in (1, -1)
    ]
    return (moments[0] - moments[1]) / 0.2


def test_chains_of_bonds_are_no_metal() -> None:
    """PHYSICS T15: exponents of the polarizability in the length of a chain, from 8 to 16 to 32 atoms."""
    for kind, low, high in ((SplitChargeEquilibration, 1.0, 1.2), (Equilibration, 2.0, 3.0)):
        short, middle, long = (polarizability(fresh(kind, (6,)), atoms) for atoms in (8, 16, 32))
        for exponent in (math.log2(middle / short), math.log2(long / middle)):
            assert low < exponent < high


def test_stiff_bonds_carry_nothing_and_soft_ones_equilibrate() -> None:
    """g -> 0: q = q0. Large g in a connected molecule: the charges of Equilibration with the same chi and eta."""
    system = System.from_ase(MOLECULE, charge=1)
    problem = bare(system)
    free = fresh(Equilibration, (1, 6, 8))
    model = fresh(SplitChargeEquilibration, (1, 6, 8))
    assert isinstance(model, SplitChargeEquilibration) and isinstance(free, Equilibration)
    model.quadratic = free
    nn.init.constant_(model.root.bias, -40.0)
    initial = model.bind(problem).initial
    close(model.solve(problem).density, initial, 1e-9)
    nn.init.constant_(model.root.bias, 300.0)
    expected = free.solve(problem).density
    close(model.solve(bare(system)).density, expected, 1e-4)
    assert (expected - initial).abs().max() > 0.1


def test_charges_vanish_smoothly_at_the_cutoff() -> None:
    """Value, slope and curvature of the charge of a pair of atoms, by its distance."""
    model = fresh(SplitChargeEquilibration, (1, 8))

    def found(x: float) -> list[float]:
        r = torch.tensor(x * CUTOFF, dtype=torch.float64, requires_grad=True)
        system = System.from_ase(Atoms("HO", [[0, 0, 0], [0, 0, x * CUTOFF]]))
        positions = torch.stack([0 * r, 0 * r, 0 * r, 0 * r, 0 * r, r]).view(2, 3)
        q = model.solve(bare(replace(system, positions=positions))).density[0, 0]
        (slope,) = torch.autograd.grad(q, r)
        return [abs(q.item()), abs(slope.item())]

    assert min(found(0.6)) > 1e-2
    assert max(found(1 - 1e-2)) < 1e-3


def test_atoms_without_bonds_keep_their_charge() -> None:
    """Beside molecules with bonds, and in a batch that has none."""
    output = split()(System.from_ase([Atoms("O"), HYDROXIDE, Atoms("H")], charge=[-1, 0, 1]))
    assert output.charges is not None and output.solution is not None
    assert output.charges[0] == -1 and output.charges[3] == 1 and output.charges[1].abs() > 1e-2
    assert output.solution.iterations.tolist()[::2] == [0, 0] and output.solution.iterations[1] > 0
    none = split()(System.from_ase([Atoms("O"), Atoms("H")], charge=[-1, 1]))
    assert none.solution is not None and none.solution.status == (Status.CONVERGED,) * 2
    close(none.charges, torch.tensor([-1.0, 1.0], dtype=torch.float64), 1e-14)


def test_warm_start() -> None:
    """From the density of the solution nothing is left to do, from one near it less; the density is the same."""
    potential, system = split(), batch()
    cold = potential(system)
    assert cold.density is not None
    moved = replace(system, positions=system.positions + 1e-3 * torch.sin(7.0 * system.positions))
    for target, least in ((system, 0), (moved, 1)):
        warm, again = potential(target, start=cold.density), potential(target)
        assert warm.solution is not None and again.solution is not None
        close(warm.density, again.density, 1e-8)
        assert least <= warm.solution.iterations.max() < again.solution.iterations.max()


def test_iterations_that_do_not_suffice() -> None:
    with pytest.raises(Unconverged, match="expected a converged, stable density"):
        split(Settings(iterations=2))(batch())
    reported = split(Settings(iterations=2, unconverged="report"))(batch()).solution
    assert reported is not None and Status.LIMIT in reported.status
    potential = split(Settings(iterations=2))
    asked = model_of(potential).solve(replace(problem_of(potential, batch()), solving=Solving(report=True)))
    assert asked.status == reported.status


def test_training_starts_with_electronegative_atoms_negative() -> None:
    water = System.from_ase(Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]))
    charges = fresh(SplitChargeEquilibration, (1, 8)).solve(bare(water)).density[:, 0]
    assert -0.8 < charges[0] < -0.15


def test_what_cannot_be_built_is_said() -> None:
    with pytest.raises(ValueError, match="one shell of charges"):
        SplitChargeEquilibration(Channels(4, 4, 0), (1,), GaussianBasis(lmax=2))
    with pytest.raises(ValueError, match="dipoles need a backbone with vector features"):
        SplitChargeEquilibration(Channels(4, 0, 0), (1,), GaussianBasis(lmax=1))
    with pytest.raises(ValueError, match=r"got Z = \[8\]; remove"):
        SplitChargeEquilibration(Channels(4, 0, 0), (1, 6), BASIS, {8: -2.0})


def test_fragments_and_electrodes() -> None:
    """Charges of fragments are exact, as no bond leaves them; electrodes are refused."""
    atoms = MOLECULE.copy()
    atoms.new_array("fragment", np.array([0, 0, 1, 1, 1, 1, 0]))
    atoms.new_array("fragment_charge", np.array([0.4, 0.4, -0.4, -0.4, -0.4, -0.4, 0.4]))
    found = split()(System.from_ase(atoms)).charges
    assert found is not None
    sums = torch.stack([found[[0, 1, 6]].sum(), found[2:6].sum()])
    close(sums, torch.tensor([0.4, -0.4], dtype=torch.float64), 1e-12)
    assert found[2:6].std() > 1e-3
    electrode = HYDROXIDE.copy()
    electrode.new_array("electrode_potential", np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="expected no electrode_potential"):
        split()(System.from_ase(electrode))
