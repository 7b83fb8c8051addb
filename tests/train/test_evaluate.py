"""A potential on labelled frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write

from leyden.charges import Equilibration, Problem
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties import born_charges, polarizability
from leyden.properties.electrostatic import electrostatic_potential
from leyden.solve import Solution, Status
from leyden.system import System
from leyden.testing.assembly import assembled
from leyden.testing.numeric import random
from leyden.train.batch import Frame, Labels
from leyden.train.data import with_pairs
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for


def structures(pbc: bool = False) -> list[Atoms]:
    rng = np.random.default_rng(0)
    base = np.array([[0.0, 0, 0], [1.1, 0, 0], [-0.3, 1.0, 0.1], [0.2, -0.6, 0.9]])
    symbols = ("CO", "COH", "HCOH", "HOH", "OC")
    return [
        Atoms(s, base[: len(s)] + 0.05 * rng.normal(size=(len(s), 3)), cell=np.eye(3) * 6, pbc=pbc) for s in symbols
    ]


def perfect(potential: Potential, atoms: list[Atoms]) -> list[Frame]:
    """Frames whose labels are the potential's own predictions."""
    frames = []
    for system in System.from_ase(atoms).split():
        found = forces(potential, system, stress=bool(system.pbc.all()))
        labels = Labels(found.output.energy, found.forces, found.stress, found.output.dipole)
        labels = replace(labels, dipole=None) if system.pbc.any() else labels
        frames.append(Frame(system, labels))
    return with_pairs(frames, potential.backbone.cutoff)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize("pbc", [False, True])
def test_no_error_on_its_own_predictions(potential: Potential, pbc: bool, batch_size: int) -> None:
    frames = perfect(potential, structures(pbc))
    found = evaluate(potential, frames, batch_size)
    assert set(found.parities) == {"energy", "forces", "stress" if pbc else "dipole"}
    for parity in found.parities.values():
        assert parity.rmse < 1e-9 < np.std(parity.reference)
        assert parity.slope == pytest.approx(1.0) and parity.r2 == pytest.approx(1.0)
    assert found.parities["forces"].frame.tolist() == np.repeat(range(5), [6, 9, 12, 9, 6]).tolist()
    energy = [float(f.labels.energy) for f in frames if f.labels.energy is not None]
    assert found.parities["energy"].reference == pytest.approx(np.array(energy) / found.atoms)


def test_known_error_and_missing_labels(potential: Potential) -> None:
    """An energy off by 0.6 eV in the one frame of three atoms that has it; no forces there."""
    frames = perfect(potential, structures()[:2])
    energy = frames[1].labels.energy
    assert energy is not None
    frames = [
        replace(frames[0], labels=replace(frames[0].labels, energy=None)),
        replace(frames[1], labels=Labels(energy + 0.6)),
    ]
    found = evaluate(potential, frames)
    assert found.parities["energy"].mae == pytest.approx(0.2) and found.parities["energy"].frame.tolist() == [1]
    assert found.parities["forces"].frame.tolist() == [0] * 6
    assert found.parities["energy"].unit == "eV/atom"


def test_split_and_charges(potential: Potential, short_range: Potential) -> None:
    frames = perfect(potential, structures())
    found, short = evaluate(potential, frames, 2), evaluate(short_range, frames, 2)
    assert short.charges is None and not short.energy_long.any() and "dipole" not in short.parities
    assert found.charges is not None and found.energy_long.all()
    single = potential(frames[2].system)
    assert found.charges[5:9] == pytest.approx(single.charges.detach().numpy())
    assert found.energy_long[2] == pytest.approx(single.energy_long.item())
    assert found.numbers.tolist() == [z for a in structures() for z in a.numbers]


def test_born_charges_and_quadrupole_where_labelled(potential: Potential) -> None:
    frame = perfect(potential, structures()[:1])[0]
    born = born_charges(potential, frame.system)
    quadrupole = torch.zeros(1, 3, 3, dtype=torch.float64)
    frame = replace(frame, labels=Labels(born_effective_charges=born, quadrupole=quadrupole))
    found = evaluate(potential, [frame]).parities
    assert set(found) == {"born_effective_charges", "quadrupole"}
    assert found["born_effective_charges"].rmse < 1e-12 < found["quadrupole"].rmse


def test_polarizability_where_labelled(potential: Potential) -> None:
    """Of models whose charges feel a field, and of the open structures of a mixed batch."""
    polarizable = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    frames = perfect(polarizable, [structures(pbc=True)[0], *structures()[1:3]])
    frames[0] = replace(frames[0], labels=Labels(polarizability=torch.ones(1, 3, 3, dtype=torch.float64)))
    frames[2] = replace(frames[2], labels=Labels(polarizability=polarizability(polarizable, frames[2].system) + 0.1))
    found = evaluate(polarizable, frames).parities["polarizability"]
    assert found.frame.tolist() == [2] * 9 and found.unit == "Å^3"
    assert found.predicted == pytest.approx(found.reference - 0.1)
    assert "polarizability" not in evaluate(potential, frames).parities


def test_born_charges_of_the_open_part_of_a_batch(potential: Potential) -> None:
    """Beside a periodic structure, for which only latent charges have them."""
    flowing = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    frames = perfect(flowing, [structures(pbc=True)[0], structures()[1]])
    for n, frame in enumerate(frames):
        zeros = torch.zeros(len(frame.system.positions), 3, 3, dtype=torch.float64)
        frames[n] = replace(frame, labels=Labels(born_effective_charges=zeros))
    assert set(evaluate(flowing, frames).parities["born_effective_charges"].frame) == {1}
    assert set(evaluate(potential, frames).parities["born_effective_charges"].frame) == {0, 1}


def test_potentials_at_points_where_labelled(potential: Potential) -> None:
    """Frames with different numbers of points, and one without; of a crystal relative to the mean over its points."""
    frames = perfect(potential, [*structures()[:2], *structures(pbc=True)[2:4]])
    for n, many in ((0, 3), (2, 5), (3, 1)):
        points = 2.0 * random(n, 1, many, 3)
        index = torch.zeros(many, dtype=torch.long)
        values = electrostatic_potential(potential, frames[n].system, points[0], index).detach()[None] + 0.5
        labels = Labels(electrostatic_potential=values, potential_points=points)
        frames[n] = replace(frames[n], labels=labels)
    found = evaluate(potential, frames).parities["electrostatic_potential"]
    assert found.unit == "V" and found.frame.tolist() == [0] * 3 + [2] * 5 + [3]
    assert found.predicted - found.reference == pytest.approx([-0.5] * 3 + [0.0] * 6)
    assert found.predicted[3:8].mean() == pytest.approx(0.0) and found.predicted[3:8].std() > 0.01
    assert "electrostatic_potential" not in evaluate(potential, frames[1:2]).parities


def test_charges_where_labelled(potential: Potential, short_range: Potential) -> None:
    frames = perfect(potential, structures()[:2])
    charges = potential(frames[1].system).charges.detach()
    frames[1] = replace(frames[1], labels=Labels(charges=charges - 0.1))
    found = evaluate(potential, frames).parities["charges"]
    assert found.unit == "e" and found.frame.tolist() == [1, 1, 1]
    assert found.predicted == pytest.approx(charges.numpy()) and found.mae == pytest.approx(0.1)
    assert "charges" not in evaluate(short_range, frames).parities


def test_moments_of_periodic_structures_are_not_compared(potential: Potential) -> None:
    frame = perfect(potential, structures(pbc=True)[:1])[0]
    labels = replace(frame.labels, dipole=torch.ones(1, 3, dtype=torch.float64))
    assert "dipole" not in evaluate(potential, [replace(frame, labels=labels)]).parities


def test_stress_in_a_mixed_batch(potential: Potential) -> None:
    frames = perfect(potential, [structures(pbc=True)[0], structures()[1]])
    stress = torch.zeros(1, 3, 3, dtype=torch.float64)
    frames[1] = replace(frames[1], labels=replace(frames[1].labels, stress=stress))
    assert evaluate(potential, frames).parities["stress"].frame.tolist() == [0] * 9


def test_files_that_cannot_be_evaluated(potential: Potential, tmp_path: Path) -> None:
    write(tmp_path / "bare.xyz", Atoms("CO", [[0, 0, 0], [1.1, 0, 0]]))
    with pytest.raises(
        InputError, match=r"bare.xyz: expected reference labels to compare with, got none; add REF_energy"
    ):
        frames_for(potential, tmp_path / "bare.xyz")
    known = Atoms("CO", [[0, 0, 0], [1.1, 0, 0]], info={"REF_energy": 0.0})
    write(tmp_path / "new.xyz", [known, Atoms("SiO", [[0, 0, 0], [1.6, 0, 0]], info={"REF_energy": 0.0})])
    with pytest.raises(
        InputError, match=r"new.xyz, frame 1: expected the elements .* H, C, O, got Si; remove the frame"
    ):
        frames_for(potential, tmp_path / "new.xyz")


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_hardness_of_every_atom(batch_size: int) -> None:
    potential = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    frames = perfect(potential, structures())
    solved = evaluate(potential, frames, batch_size).solved
    assert solved is not None and solved.hardness is not None and len(solved.hardness) == 14
    assert solved.hardness[5:9] == pytest.approx(potential(frames[2].system).solution.hardness.numpy())


def test_unsolved_structures_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, not averaged; afterwards, and after an error, the potential raises again."""
    potential = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6), hidden=4))
    frames, solve = perfect(potential, structures()), Equilibration.solve

    def stubborn(model: Equilibration, problem: Problem) -> Solution:
        found = solve(model, problem)
        return replace(found, status=(Status.LIMIT, *found.status[1:])) if problem.solving.report else found.require()

    monkeypatch.setattr(Equilibration, "solve", stubborn)
    found = evaluate(potential, frames, 3)
    assert found.solved is not None and found.solved.failed == [0, 3]
    assert set(found.parities["forces"].frame.tolist()) == {1, 2, 4}
    assert not potential.solving.report
    monkeypatch.setattr("leyden.train.evaluate.forces", lambda *given, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(potential, frames, 3)
    assert not potential.solving.report
