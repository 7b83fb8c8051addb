"""Molecules of open and periodic structures, and the charge that moves between them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.neighborlist import build_neighbor_list, natural_cutoffs
from scipy.sparse.csgraph import connected_components

from leyden.charges import Equilibration, Local, Problem, Split
from leyden.density import GaussianBasis
from leyden.solve import Solution, Status
from leyden.system import System
from leyden.testing.assembly import assembled
from leyden.train.batch import Frame, Labels
from leyden.train.data import with_pairs
from leyden.train.evaluate import evaluate
from leyden.train.molecules import molecular_charges, molecules

NAN = np.nan


def pair(distance: float, **arrays: list[float]) -> Atoms:
    """Water and formaldehyde, a distance apart."""
    other = molecule("H2CO")
    other.positions += [0.0, 0.0, distance]
    atoms = molecule("H2O") + other
    for name, values in arrays.items():
        atoms.new_array(name, np.array(values))
    return atoms


def labels(atoms: Atoms) -> list[int]:
    return molecules(System.from_ase(Atoms(atoms), charge=0.0)).tolist()


@pytest.mark.parametrize("pbc", [False, True, (True, False, True)])
def test_bonds_are_those_of_ase(pbc: object) -> None:
    """The same atoms together as by ASE's neighbor list with 1.2 times its natural cutoffs, in a skewed cell."""
    rng = np.random.default_rng(3)
    several = set()
    for _ in range(20):
        cell = 6 * np.eye(3) + rng.uniform(-1, 1, (3, 3))
        atoms = Atoms("OCHNaHHOCHH", rng.uniform(0, 1, (10, 3)) @ cell, cell=cell, pbc=pbc)
        bonds = build_neighbor_list(atoms, natural_cutoffs(atoms, mult=1.2), skin=0, self_interaction=False)
        count, expected = connected_components(bonds.get_connectivity_matrix(), directed=False)
        found = np.array(labels(atoms))
        assert set(found) == set(range(count))
        assert ((found[:, None] == found) == (expected[:, None] == expected)).all()
        several.add(count)
    assert len(several) > 2


def test_a_molecule_across_the_boundary_is_one() -> None:
    atoms = molecule("H2O", cell=[8, 8, 8], pbc=True)
    atoms.positions += [0.0, 0.0, 0.05]
    atoms.wrap()
    assert np.ptp(atoms.positions, axis=0).max() > 6 and labels(atoms) == [0, 0, 0]
    atoms.pbc = False
    assert len(set(labels(atoms))) > 1


def test_hydrogen_bonds_join_nothing() -> None:
    atoms = Atoms("OHHOHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [2.75, 0, 0], [3.2, 0.8, 0], [3.2, -0.8, 0]])
    assert labels(atoms) == [0, 0, 0, 1, 1, 1]


def test_a_batch_is_its_structures() -> None:
    assert molecules(System.from_ase([pair(9.0), molecule("H2O"), pair(9.0)])).tolist() == (
        [0] * 3 + [1] * 4 + [2] * 3 + [3] * 3 + [4] * 4
    )


def test_fragments_and_electrodes() -> None:
    """A fragment with a charge is whole, bonded or not; others follow bonds within their number; electrodes none."""
    given = dict(fragment_charge=[0.5, NAN, 0.5, NAN, NAN, NAN, NAN], fragment=[1, 0, 1, 0, 0, 2, 2])
    system = System.from_ase(pair(9.0, **given), charge=0.0)
    found = molecules(system).tolist()
    assert found[0] == found[2] and len({found[0], found[1], found[3], found[5], found[6]}) == 5
    assert found[3] == found[4]  # C and O of formaldehyde; its hydrogens are fragments' own
    electrode = [NAN, NAN, NAN, NAN, NAN, 0.2, 0.2]
    system = System.from_ase(pair(9.0, electrode_potential=electrode), charge=0.0)
    assert molecules(system).tolist() == [0, 0, 0, 1, 1, -1, -1]
    system = System.from_ase([pair(9.0, **given), pair(9.0)], charge=0.0)
    together = molecules(system)
    assert together[7:].tolist() == [together[7].item()] * 3 + [together[10].item()] * 4
    assert set(together[:7].tolist()).isdisjoint(together[7:].tolist())


def test_what_is_bonded_to_an_electrode_stays_apart() -> None:
    atoms = Atoms("OCAuCO", [[0, 0, z] for z in (0.0, 1.15, 3.1, 5.05, 6.2)])
    assert labels(atoms) == [0] * 5
    atoms.new_array("electrode_potential", np.array([NAN, NAN, 0.0, NAN, NAN]))
    assert molecules(System.from_ase(atoms, charge=0.0)).tolist() == [0, 0, -1, 1, 1]


def test_charges_by_hand() -> None:
    """A pair, a molecule alone, a pair whose fragments have charges, a pair left out, an ion pair."""
    held = pair(9.0, fragment=[0] * 3 + [1] * 4, fragment_charge=[0.4] * 3 + [-0.4] * 4)
    systems = System.from_ase([pair(9.0), molecule("H2O"), held, pair(9.0), pair(9.0)], charge=0.0).split()
    water, formaldehyde = [0.1, 0.05, 0.05], [-0.1, 0.0, 0.0, -0.1]
    charges = [*water, *formaldehyde, 5, 5, 5, *water, *formaldehyde, *7 * [9.0], 1.0, 0.0, -0.3, *4 * [-0.175]]
    found = molecular_charges(systems, np.array(charges), left_out=[3])
    assert found is not None
    assert found.frame.tolist() == [0, 0, 2, 2, 4, 4]
    assert found.charge == pytest.approx([0.2, -0.2, 0.2, -0.2, 0.7, -0.7])
    assert found.expected == pytest.approx([0.0, 0.0, 0.4, -0.4, 1.0, -1.0])
    assert not np.signbit(found.expected[:2]).any()
    assert found.transferred == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.3, 0.3])
    one, two = [0] * 3 + [1] * 4, [-1] * 3
    expected = [*one, *two, *(2 + n for n in one), *7 * [-1], *(4 + n for n in one)]
    assert found.of.tolist() == expected


def test_nothing_without_several_molecules() -> None:
    systems = System.from_ase([molecule("H2O"), molecule("CO")]).split()
    assert molecular_charges(systems, np.zeros(5)) is None
    assert molecular_charges(System.from_ase([pair(9.0)]).split(), np.zeros(7), left_out=[0]) is None


@pytest.fixture
def far() -> list[Frame]:
    """Molecules 40 Å apart, open and periodic, and a molecule alone."""
    periodic = pair(40.0)
    periodic.set_cell([20.0, 20.0, 80.0])
    periodic.pbc = True
    systems = System.from_ase([pair(40.0), molecule("H2O"), periodic]).split()
    energy = torch.zeros(1, dtype=torch.float64)
    return with_pairs([Frame(system, Labels(energy)) for system in systems], 3.0)


@pytest.mark.parametrize(("model", "flows"), [(Equilibration, True), (Local, True), (Split, False)])
def test_which_models_let_charge_flow(far: list[Frame], model: type, flows: bool) -> None:
    """Charges equilibrate or are shifted at any distance; along bonds nothing leaves a molecule."""
    found = evaluate(assembled(lambda c, e: model(c, e, GaussianBasis(0.6), hidden=4)), far).molecules
    assert found is not None and found.frame.tolist() == [0, 0, 2, 2]
    assert found.transferred.min() > 1e-3 if flows else found.transferred.max() < 1e-10


def test_held_fragments_keep_their_charges(far: list[Frame]) -> None:
    held = pair(40.0, fragment=[0] * 3 + [1] * 4, fragment_charge=[0.3] * 3 + [-0.3] * 4)
    frames = with_pairs([replace(far[0], system=System.from_ase(held, charge=0.0))], 3.0)
    found = evaluate(assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4)), frames).molecules
    assert found is not None and found.expected.tolist() == [0.3, -0.3] and found.transferred.max() < 1e-9


def test_structures_whose_density_was_not_found(far: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    solve = Equilibration.solve

    def stubborn(model: Equilibration, problem: Problem) -> Solution:
        found = solve(model, problem)
        return replace(found, status=(Status.LIMIT, *found.status[1:]))

    monkeypatch.setattr(Equilibration, "solve", stubborn)
    found = evaluate(assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4)), far).molecules
    assert found is not None and found.frame.tolist() == [2, 2]
