"""What a trajectory carries, what a model adds, and what is refused."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator

from leyden.checks import InputError
from leyden.potential import Potential
from leyden.properties import born_charges, dipole
from leyden.properties.electric import polarizability
from leyden.properties.recorded import Electrical, along, polarization
from leyden.properties.trajectory import Trajectory
from leyden.system import System
from leyden.testing.backbone import MOLECULE


def moving(count: int = 5, step: float = 0.02, atoms: Atoms = MOLECULE) -> list[Atoms]:
    """Straight lines, 0.1 fs apart, with dipole and Born charges of fixed charges."""
    rng, frames = np.random.default_rng(0), []
    velocities = rng.normal(size=(len(atoms), 3)) * step
    charges = rng.normal(size=len(atoms))
    for n in range(count):
        frame = atoms.copy()
        frame.positions += 0.1 * n * velocities
        frame.set_velocities(velocities / units.fs)
        frame.info |= {"time_ps": 1e-4 * n, "polarizability": np.eye(3) * n, "total_charge": 0}
        frame.arrays["born_effective_charges"] = charges[:, None] * np.eye(3).ravel()
        frame.calc = SinglePointCalculator(frame, dipole=charges @ frame.positions)
        frames.append(frame)
    return frames


def test_what_is_recorded() -> None:
    run = Trajectory.of(moving())
    source = Electrical(run)
    assert run.timestep == pytest.approx(0.1) and run.volume is None and not source.recorded_dipoles
    np.testing.assert_allclose(run.velocities, np.diff([frame.positions for frame in moving(6)], axis=0) / 0.1)
    np.testing.assert_allclose(source.polarizabilities[3], 3 * np.eye(3))
    np.testing.assert_allclose(source.current, np.gradient(run.dipoles(), 0.1, axis=0), atol=1e-12)
    np.testing.assert_allclose(source.dipoles, run.dipoles() - run.dipoles()[0], atol=1e-12)


def test_temperature() -> None:
    atoms = Atoms("Ar1000", np.zeros((1000, 3)))
    atoms.set_momenta(np.random.default_rng(0).normal(size=(1000, 3)) * np.sqrt(39.95 * units.kB * 250))
    atoms.info["time_ps"] = 0.0
    later = atoms.copy()
    later.info["time_ps"] = 0.001
    found = Trajectory.of([atoms, later]).temperature
    assert found == pytest.approx(atoms.get_temperature()) and found == pytest.approx(250, rel=0.05)


def test_polarization_across_the_boundary() -> None:
    """Atoms that are wrapped back leave no jump."""
    frames = moving(40, step=2.0)
    for frame in frames:
        frame.set_cell([6.0, 7.0, 8.0])
        frame.set_pbc(True)
    charges = frames[0].arrays["born_effective_charges"][:, 0]
    straight = np.array([charges @ (frame.positions - frames[0].positions) for frame in frames])
    jumping = np.array([frame.positions for frame in frames])
    for frame in frames:
        frame.wrap()
    assert np.abs(np.array([frame.positions for frame in frames]) - jumping).max() > 5.0
    run = Trajectory.of(frames)
    assert run.volume == pytest.approx(336.0)
    np.testing.assert_allclose(polarization(run.born_charges, run), straight, atol=1e-10)


def test_current_by_a_model_is_the_derivative_of_its_dipole(potential: Potential) -> None:
    """Also in batches of frames, watched; the model comes before what is recorded."""
    seen: list[tuple[str, int]] = []

    def watch(items, title, total):  # type: ignore[no-untyped-def]
        seen.append((title, total))
        return items

    frames = moving(9, step=1e-3)
    run = Trajectory.of(frames)
    moments = dipole(potential, System.from_ase(frames)).detach().numpy()
    source = Electrical(run, potential, watch=watch)
    slope = (8 * (moments[5] - moments[3]) - (moments[6] - moments[2])) / (12 * 0.1)
    np.testing.assert_allclose(source.current[4], slope, atol=1e-9)
    np.testing.assert_allclose(source.dipoles, moments - moments[0], atol=1e-7)
    np.testing.assert_allclose(Electrical(run, potential, scale=1.3).current, 1.3 * source.current)
    assert np.abs(slope).max() > 1e-4 and seen == [("Born charges", 9)] * 3


@pytest.mark.parametrize("atoms", [1, 14, 1000])
def test_portions(potential: Potential, atoms: int) -> None:
    frames = moving(4)
    found = np.array(list(along(lambda system: born_charges(potential, system), frames, atoms)))
    one = born_charges(potential, System.from_ase(frames[2])).numpy()
    assert found.shape == (4, 7, 3, 3)
    np.testing.assert_allclose(found[2], one, atol=1e-12)
    alpha = np.array(list(along(lambda system: polarizability(potential, system), frames, atoms)))
    assert alpha.shape == (4, 1, 3, 3)


def changed(name: str) -> list[Atoms]:
    frames = moving()
    if name == "time":
        del frames[2].info["time_ps"]
    if name == "uneven":
        frames[4].info["time_ps"] += 1e-5
    if name == "backwards":
        for n, frame in enumerate(frames):
            frame.info["time_ps"] = -float(n)
    if name == "other":
        frames[3] = moving(5, atoms=Atoms("OH", [[0.0, 0, 0], [1.0, 0, 0]]))[3]
    if name == "velocities":
        del frames[1].arrays["momenta"]
    if name == "dipole":
        frames[3].calc = None
    if name == "born":
        del frames[2].arrays["born_effective_charges"]
    if name == "nothing":
        for frame in frames:
            del frame.arrays["born_effective_charges"], frame.info["polarizability"]
    if name == "pbc":
        for frame in frames:
            frame.set_cell([9.0, 9.0, 9.0])
            frame.set_pbc(True)
    return frames


@pytest.mark.parametrize(
    ("name", "ask", "message"),
    [
        ("time", lambda run: run, r"expected time_ps in the header of every frame, got none in frame 2"),
        ("uneven", lambda run: run, r"expected frames at even times, 0\.1 fs apart, got 0\.11 fs after frame 3"),
        ("backwards", lambda run: run, r"expected frames at even times, -1000 fs apart"),
        ("other", lambda run: run, r"expected the atoms of frame 0, COCH4, got OH in frame 3"),
        ("velocities", lambda run: run.velocities, r"expected velocities, got none in frame 1"),
        ("velocities", lambda run: run.temperature, r"temperature: expected velocities to take it from"),
        ("dipole", lambda run: run.dipoles(), r"expected a dipole in every frame, got none in frame 3"),
        ("", lambda run: run.dipoles("mu"), r"expected a dipole under 'mu' in every frame, got none in frame 0"),
        ("", lambda run: run.dipoles("polarizability"), r"got shape \(3, 3\) in frame 0"),
        ("born", lambda run: run.born_charges, r"expected Born charges \(N, 9\) in every frame, got none in frame 2"),
        ("pbc", lambda run: run.dipoles(), r"expected open structures, got periodic ones, .* cell vector; give Born"),
        ("nothing", lambda run: Electrical(run).born_charges, r"expected a model, or frames that carry them"),
        ("nothing", lambda run: Electrical(run).polarizabilities, r"expected a model, or frames that carry it"),
    ],
)
def test_mistakes(name: str, ask, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        ask(Trajectory.of(changed(name)))


def test_more_mistakes(potential: Potential) -> None:
    with pytest.raises(InputError, match="expected two frames or more, got 1"):
        Trajectory.of(moving(1))
    with pytest.raises(InputError, match="expected a model or the key of recorded dipoles, got both"):
        Electrical(Trajectory.of(moving()), potential, "mu")
    with pytest.raises(InputError, match="scale: expected a model whose Born charges it multiplies, got none"):
        Electrical(Trajectory.of(moving()), scale=1.3)
    with pytest.raises(InputError, match="scale: expected a positive number, got -1"):
        Electrical(Trajectory.of(moving()), potential, scale=-1.0)
    assert Trajectory.of(changed("time"), 0.3).timestep == 0.3


def test_model_without_charges(short_range: Potential) -> None:
    source = Electrical(Trajectory.of(moving()), short_range)
    with pytest.raises(InputError, match="expected a model with charges"):
        _ = source.current
