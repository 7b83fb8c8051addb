"""Molecular dynamics: conservation, temperature, and going on after an interruption as if there had been none."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.io import read

from leyden.calculators import LeydenCalculator
from leyden.charges import Equilibration, Problem
from leyden.checks import InputError
from leyden.density import GaussianBasis
from leyden.dynamics import Settings, run
from leyden.dynamics.run import THERMOSTATS, Summary
from leyden.dynamics.state import State
from leyden.solve import Solution, Status
from leyden.testing.assembly import assembled

SHORT = Settings(steps=20, timestep=0.5, temperature=300.0, time_constant=20.0, every=5, seed=3)


def simulate(
    atoms: Atoms, calculator: LeydenCalculator, settings: Settings, trajectory: Path, resume: bool = False
) -> list[Summary]:
    return list(run(atoms, calculator, settings, trajectory, resume))


def test_nve_conserves_energy(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """Momentum too; half the step leaves a quarter of the fluctuation, as the integrator is of second order."""
    fluctuation = []
    for timestep in (0.4, 0.2):
        path = tmp_path / f"{timestep}.xyz"
        settings = Settings(round(48 / timestep), timestep, 300.0, "none", every=round(2 / timestep))
        last = simulate(water, calculator, settings, path)[-1]
        energies = State.read(path.with_suffix(".state.npz"), water).log[:, 3]
        fluctuation.append(np.ptp(energies))
        momenta = [atoms.get_momenta().sum(0) for atoms in read(path, ":")]
        np.testing.assert_allclose(momenta, 0.0, atol=1e-6)
    assert abs(last.drift) < 5e-4
    assert 1e-7 < fluctuation[1] < 2e-4
    assert fluctuation[0] / fluctuation[1] == pytest.approx(4.0, rel=0.25)


def solved() -> LeydenCalculator:
    """Charges that are solved for, in every step from those of the last one."""
    return LeydenCalculator(assembled(lambda c, e: Equilibration(c, e, GaussianBasis(0.6, 1), hidden=4)))


def test_solved_charges_conserve_energy(water: Atoms, tmp_path: Path) -> None:
    """As explicit ones do: the drift is that of the integrator."""
    fluctuation = []
    for timestep in (0.4, 0.2):
        path = tmp_path / f"{timestep}.xyz"
        simulate(water, solved(), Settings(round(24 / timestep), timestep, 300.0, "none", every=5), path)
        fluctuation.append(np.ptp(State.read(path.with_suffix(".state.npz"), water).log[:, 3]))
    assert fluctuation[0] / fluctuation[1] == pytest.approx(4.0, rel=0.3)


def test_density_that_is_not_found(water: Atoms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and what was done before is kept: the run goes on from there."""
    solve, calls, path = Equilibration.solve, [0], tmp_path / "md.xyz"

    def failing(model: Equilibration, problem: Problem) -> Solution:
        calls[0] += 1
        found = solve(model, problem)
        return found if calls[0] < 9 else replace(found, status=(Status.LIMIT,)).require()

    monkeypatch.setattr(Equilibration, "solve", failing)
    with pytest.raises(
        InputError, match=r"stopped after step 5, which is kept; .* iterations for structure 0.*--resume"
    ):
        simulate(water, solved(), SHORT, path)
    monkeypatch.setattr(Equilibration, "solve", solve)
    assert simulate(water, solved(), SHORT, path, resume=True)[-1].steps == 20
    assert len(read(path, ":")) == 5


def test_charges_and_energies_move(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """The system of these tests is not trivial: charges fluctuate, and kinetic energy is exchanged."""
    simulate(water, calculator, replace(SHORT, thermostat="none", every=1), tmp_path / "md.xyz")
    frames = read(tmp_path / "md.xyz", ":")
    assert np.std([atoms.get_charges()[0] for atoms in frames]) > 1e-3
    assert np.std([atoms.get_potential_energy() for atoms in frames]) > 1e-2


@pytest.mark.parametrize("thermostat", ["langevin", "bussi"])
def test_thermostats_heat_to_their_temperature(
    water: Atoms, calculator: LeydenCalculator, tmp_path: Path, thermostat: str
) -> None:
    momenta = np.random.default_rng(0).normal(size=(3, 3))
    water.set_momenta(0.05 * (momenta - momenta.mean(0)))
    assert water.get_temperature() < 30
    settings = Settings(250, 0.5, 400.0, thermostat, time_constant=5.0, every=2)
    last = simulate(water, calculator, settings, tmp_path / "md.xyz")[-1]
    assert last.temperature == pytest.approx(400.0, rel=0.3)
    assert (last.drift is None) == (thermostat == "langevin")


def test_bussi_conserves_energy_with_what_it_gave(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """Also across an interruption; the energy itself is not conserved."""
    settings = Settings(100, 0.25, 300.0, "bussi", time_constant=10.0, every=10)
    path = tmp_path / "md.xyz"
    simulate(water, calculator, replace(settings, steps=50), path)
    simulate(water, calculator, settings, path, resume=True)
    log = State.read(path.with_suffix(".state.npz"), water).log
    assert len(log) == 11
    assert np.ptp(log[:, 4]) < 2e-3 < 1e-2 < np.ptp(log[:, 3])


def test_initial_velocities(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """Maxwell-Boltzmann without drift from the seed, unless the structure has its own."""
    first = []
    for seed in range(40):
        path = tmp_path / f"{seed}.xyz"
        settings = Settings(1, temperature=500.0, thermostat="none", seed=seed)
        next(run(water, calculator, settings, path))
        first.append(read(path, 0))
    assert np.mean([atoms.get_temperature() for atoms in first]) == pytest.approx(500.0 * 2 / 3, rel=0.2)
    np.testing.assert_allclose([atoms.get_momenta().sum(0) for atoms in first], 0.0, atol=1e-6)
    own = water.copy()
    own.set_momenta([[0.1, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 0.3]])
    next(run(own, calculator, Settings(1, thermostat="none"), tmp_path / "own.xyz"))
    np.testing.assert_allclose(read(tmp_path / "own.xyz", 0).get_momenta(), own.get_momenta(), atol=1e-7)


@pytest.mark.parametrize("thermostat", sorted(THERMOSTATS))
def test_resumed_equals_uninterrupted(
    water: Atoms, calculator: LeydenCalculator, tmp_path: Path, thermostat: str
) -> None:
    """Bitwise: positions and momenta of the state, and every byte of the trajectory."""
    settings = replace(SHORT, thermostat=thermostat)
    whole, parts = tmp_path / "whole.xyz", tmp_path / "parts.xyz"
    simulate(water, calculator, settings, whole)
    simulate(water, calculator, replace(settings, steps=10), parts)
    done = simulate(water, calculator, settings, parts, resume=True)
    assert [summary.steps for summary in done] == [15, 20]
    same_run(whole, parts, water)


def same_run(one: Path, other: Path, atoms: Atoms) -> None:
    """Assert that two runs ended in the same state and wrote the same trajectory."""
    a, b = (State.read(path.with_suffix(".state.npz"), atoms) for path in (one, other))
    assert a.step == b.step and a.generator == b.generator
    np.testing.assert_array_equal(a.positions, b.positions)
    np.testing.assert_array_equal(a.momenta, b.momenta)
    np.testing.assert_allclose(a.log, b.log, rtol=1e-13)
    assert one.read_bytes() == other.read_bytes()


def test_killed_between_trajectory_and_state(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """The frames that the state does not know are dropped, half written ones included."""
    whole, killed = tmp_path / "whole.xyz", tmp_path / "killed.xyz"
    simulate(water, calculator, SHORT, whole)
    simulate(water, calculator, replace(SHORT, steps=10), killed)
    state = killed.with_suffix(".state.npz")
    shutil.copy(state, tmp_path / "older.npz")
    simulate(water, calculator, replace(SHORT, steps=15), killed, resume=True)
    shutil.copy(tmp_path / "older.npz", state)
    with killed.open("a") as file:
        file.write("3\nhalf a frame")
    simulate(water, calculator, SHORT, killed, resume=True)
    same_run(whole, killed, water)
    assert len(read(killed, ":")) == 5


class KilledError(Exception):
    pass


class Deadly(LeydenCalculator):
    """Evaluates two structures, then dies."""

    calls = 0

    def calculate(self, *args: object, **kwargs: object) -> None:
        self.calls += 1
        if self.calls > 2:
            raise KilledError
        super().calculate(*args, **kwargs)


def test_killed_in_the_first_block_goes_on(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.xyz", tmp_path / "killed.xyz"
    simulate(water, calculator, SHORT, whole)
    with pytest.raises(KilledError):
        simulate(water, Deadly(calculator.potential), SHORT, killed)
    assert State.read(killed.with_suffix(".state.npz"), water).step == 0
    simulate(water, calculator, SHORT, killed, resume=True)
    same_run(whole, killed, water)


def test_finished_run_has_nothing_to_do(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    path = tmp_path / "md.xyz"
    simulate(water, calculator, SHORT, path)
    before = path.read_bytes()
    assert simulate(water, calculator, SHORT, path, resume=True) == []
    assert path.read_bytes() == before


def test_earlier_run_is_not_overwritten(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    path = tmp_path / "md.xyz"
    path.write_text("precious")
    with pytest.raises(InputError, match=r"md\.xyz: expected a new file, found an earlier run; use --resume .*\.$"):
        simulate(water, calculator, SHORT, path)
    assert path.read_text() == "precious"


def test_nothing_to_resume(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the state of an earlier run, found none"):
        simulate(water, calculator, SHORT, tmp_path / "md.xyz", resume=True)


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04 torn", None])
def test_damaged_state(water: Atoms, calculator: LeydenCalculator, tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "md.xyz"
    simulate(water, calculator, SHORT, path)
    state = path.with_suffix(".state.npz")
    state.write_bytes(state.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(InputError, match="expected the state of an earlier run"):
        simulate(water, calculator, SHORT, path, resume=True)


@pytest.mark.parametrize("other", ["OH", "H2O", "OHO"])
def test_state_of_other_atoms(water: Atoms, calculator: LeydenCalculator, tmp_path: Path, other: str) -> None:
    """Another number of atoms, another order, other elements."""
    path = tmp_path / "md.xyz"
    simulate(water, calculator, SHORT, path)
    before = path.read_bytes()
    atoms = Atoms(other, water.positions[: len(Atoms(other))])
    with pytest.raises(InputError, match=r"expected the state of .*, got one of .*; give the structure"):
        simulate(atoms, calculator, replace(SHORT, steps=40), path, resume=True)
    assert path.read_bytes() == before


def test_lost_trajectory(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """Neither a missing nor a shortened trajectory is filled with zeros."""
    path = tmp_path / "md.xyz"
    simulate(water, calculator, SHORT, path)
    path.write_bytes(path.read_bytes()[:-10])
    for _ in range(2):
        with pytest.raises(InputError, match="expected the trajectory of the run to resume"):
            simulate(water, calculator, replace(SHORT, steps=40), path, resume=True)
        path.unlink(missing_ok=True)


def test_trajectory(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """Frames carry time, momenta, charges, forces, and the state that gives their energy again."""
    path = tmp_path / "md.xyz"
    water.info |= {"total_charge": 1, "total_spin": 2, "external_field": [0.0, 0.1, 0.0], "comment": "dropped"}
    simulate(water, calculator, SHORT, path)
    frames = read(path, ":")
    assert [atoms.info["time_ps"] for atoms in frames] == pytest.approx([0.0, 0.0025, 0.005, 0.0075, 0.01])
    np.testing.assert_allclose(frames[0].positions, water.positions, atol=1e-8)
    for atoms in frames:
        assert atoms.get_charges().sum() == pytest.approx(1.0, abs=1e-6)
        again = atoms.copy()
        again.calc = calculator
        assert again.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
        np.testing.assert_allclose(again.get_forces(), atoms.get_forces(), atol=1e-5)
        np.testing.assert_allclose(again.get_dipole_moment(), atoms.get_dipole_moment(), atol=1e-5)
        assert atoms.info["total_spin"] == 2 and "comment" not in atoms.info


def test_charge_given_to_the_calculator_is_in_the_trajectory(
    water: Atoms, calculator: LeydenCalculator, tmp_path: Path
) -> None:
    charged = LeydenCalculator(calculator.potential, charge=-1, multiplicity=2)
    simulate(water, charged, SHORT, tmp_path / "md.xyz")
    for atoms in read(tmp_path / "md.xyz", ":"):
        assert atoms.info["total_charge"] == -1 and atoms.info["total_spin"] == 2
        assert atoms.get_charges().sum() == pytest.approx(-1.0, abs=1e-6)


def test_energy_in_a_field(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """The conserved energy has -mu.F in it: it fluctuates as without a field, while -mu.F changes a hundred times as
    much."""
    fluctuation, settings = [], Settings(100, 0.4, 300.0, "none", every=5)
    for field in ([0.0, 0.0, 0.0], [0.6, 0.8, 0.0]):
        water.info["external_field"] = field
        path = tmp_path / f"{field[0]}.xyz"
        last = simulate(water, calculator, settings, path)[-1]
        assert abs(last.drift) < 5e-4
        fluctuation.append(np.ptp(State.read(path.with_suffix(".state.npz"), water).log[:, 3]))
    work = np.ptp([atoms.get_dipole_moment() @ field for atoms in read(path, ":")])
    assert fluctuation[1] < 3 * fluctuation[0] and work > 100 * fluctuation[1]


def test_an_ion_in_a_field_is_accelerated(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """Its momentum grows by Q F t, and what its motion gains is what -mu.F loses, with mu about the origin."""
    water.info |= {"total_charge": 1, "external_field": [0.5, 0.0, 0.0]}
    simulate(water, calculator, Settings(100, 0.2, 0.0, "none", every=25), tmp_path / "md.xyz")
    momenta = [atoms.get_momenta().sum(0) for atoms in read(tmp_path / "md.xyz", ":")]
    expected = np.arange(5)[:, None] * 25 * 0.2 * units.fs * np.array([0.5, 0.0, 0.0])
    np.testing.assert_allclose(momenta, expected, atol=1e-5)
    energies = State.read(tmp_path / "md.state.npz", water).log[:, 3]
    gained = np.sum(momenta[-1] ** 2) / (2 * water.get_masses().sum())
    assert gained > 0.01 and np.ptp(energies) < 0.1 * gained


@pytest.mark.parametrize("again", [True, False])
def test_resumed_run_keeps_its_field(water: Atoms, calculator: LeydenCalculator, tmp_path: Path, again: bool) -> None:
    """Whether it is given again or not, the run is the one that was not stopped."""
    whole, parts = tmp_path / "whole.xyz", tmp_path / "parts.xyz"
    bare = water.copy()
    water.info["external_field"] = [0.0, 1 / 3, -0.1]
    simulate(water, calculator, SHORT, whole)
    simulate(water, calculator, replace(SHORT, steps=10), parts)
    simulate(water if again else bare, calculator, SHORT, parts, resume=True)
    same_run(whole, parts, water)


@pytest.mark.parametrize(("first", "second"), [([0.0, 0.1, 0.0], [0.0, 0.2, 0.0]), (None, [0.0, 0.1, 0.0])])
def test_another_field_at_resume(
    water: Atoms, calculator: LeydenCalculator, tmp_path: Path, first: list | None, second: list
) -> None:
    path = tmp_path / "md.xyz"
    if first is not None:
        water.info["external_field"] = first
    simulate(water, calculator, SHORT, path)
    before = path.read_bytes()
    water.info["external_field"] = second
    with pytest.raises(InputError, match=r"^external_field: expected the field of the run to resume, \[0.*, got \[0"):
        simulate(water, calculator, replace(SHORT, steps=40), path, resume=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("key", "name"), [("total_charge", "charge"), ("total_spin", "spin")])
def test_another_charge_or_spin_at_resume(
    water: Atoms, calculator: LeydenCalculator, tmp_path: Path, key: str, name: str
) -> None:
    """Refused; left out, the run goes on with its own."""
    whole, parts = tmp_path / "whole.xyz", tmp_path / "parts.xyz"
    bare = water.copy()
    bare.info.pop(key, None)
    water.info[key] = 2
    simulate(water, calculator, SHORT, whole)
    simulate(water, calculator, replace(SHORT, steps=10), parts)
    before, other = parts.read_bytes(), water.copy()
    other.info[key] = 3
    with pytest.raises(
        InputError, match=rf"^{key}: expected the {name} of the run to resume, 2.0.*, got 3.0.*; leave it"
    ):
        simulate(other, calculator, SHORT, parts, resume=True)
    assert parts.read_bytes() == before
    simulate(bare, calculator, SHORT, parts, resume=True)
    same_run(whole, parts, water)


def test_masses_are_kept(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """Heavy water: the trajectory says so, and a resumed run goes on with it, given again or not."""
    heavy, path = water.copy(), tmp_path / "md.xyz"
    heavy.set_masses([2.014 if z == 1 else 15.999 for z in heavy.numbers])
    simulate(heavy, calculator, SHORT, path)
    state = State.read(path.with_suffix(".state.npz"), water)
    frames = read(path, ":")
    assert frames[-1].get_temperature() == pytest.approx(state.log[-1, 1], rel=1e-4)
    for name, again in (("bare", water), ("given", heavy)):
        copy = tmp_path / f"{name}.xyz"
        shutil.copy(path, copy)
        shutil.copy(path.with_suffix(".state.npz"), copy.with_suffix(".state.npz"))
        simulate(again, calculator, replace(SHORT, steps=40), copy, resume=True)
        np.testing.assert_allclose(read(copy, -1).get_masses(), heavy.get_masses(), atol=1e-6)
    np.testing.assert_allclose(*(read(tmp_path / f"{n}.xyz", -1).positions for n in ("bare", "given")), atol=1e-6)


def test_other_masses_at_resume(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    path, heavy = tmp_path / "md.xyz", water.copy()
    simulate(water, calculator, SHORT, path)
    heavy.set_masses([2.014 if z == 1 else 15.999 for z in heavy.numbers])
    with pytest.raises(
        InputError, match=r"^masses: expected those of the run to resume, 1\.008 u for atom 1, got 2\.014 u"
    ):
        simulate(heavy, calculator, replace(SHORT, steps=40), path, resume=True)


def test_another_file_in_place_of_the_trajectory(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    path = tmp_path / "md.xyz"
    simulate(water, calculator, SHORT, path)
    path.write_text("no frames\n" * 1000)
    with pytest.raises(InputError, match="expected the trajectory of the run to resume, got another file"):
        simulate(water, calculator, replace(SHORT, steps=40), path, resume=True)


def test_summaries(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    """One after each block, the last block shorter; the structure given is left alone."""
    before = water.copy()
    summaries = simulate(water, calculator, replace(SHORT, steps=12, thermostat="none"), tmp_path / "md.xyz")
    assert [summary.steps for summary in summaries] == [5, 10, 12]
    assert all(0 < summary.ns_per_day < math.inf and summary.temperature > 0 for summary in summaries)
    assert summaries[0].drift is None and summaries[-1].drift is not None
    assert water == before and water.calc is None


def test_unknown_thermostat(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"thermostat: expected one of none, langevin, bussi, got 'nose'\."):
        simulate(water, calculator, replace(SHORT, thermostat="nose"), tmp_path / "md.xyz")
    assert not (tmp_path / "md.xyz").exists()


def test_folder_that_does_not_exist(water: Atoms, calculator: LeydenCalculator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a file that can be written, got No such file or directory"):
        simulate(water, calculator, SHORT, tmp_path / "nowhere" / "md.xyz")
