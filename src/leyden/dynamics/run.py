"""NVE and NVT molecular dynamics by ASE, with a trajectory that carries charges, and a state file to resume from."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.verlet import VelocityVerlet

from leyden.calculators import LeydenCalculator
from leyden.calculators.ase import STATE_KEYS
from leyden.checks import InputError
from leyden.dynamics.inputs import keep_inputs
from leyden.dynamics.state import State
from leyden.info import DISPLACEMENT_KEY, FIELD_KEYS
from leyden.memory import keep_freed_memory
from leyden.solve import Unconverged

ARRAYS = (*FIELD_KEYS, DISPLACEMENT_KEY)


@dataclass(frozen=True)
class Settings:
    """thermostat: none (NVE), langevin or bussi; K; timestep and time constant in fs; every: steps between frames."""

    steps: int = 1000
    timestep: float = 0.5
    temperature: float = 300.0
    thermostat: str = "langevin"
    time_constant: float = 100.0
    every: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Summary:
    """What a run gave: steps done, mean temperature (K), drift of the conserved energy (eV/atom/ps) or None, ns/day."""

    steps: int
    temperature: float
    drift: float | None
    ns_per_day: float


Log = list[tuple[float, ...]]
Thermostat = Callable[[Atoms, Settings, np.random.RandomState], MolecularDynamics]


def _verlet(atoms: Atoms, settings: Settings, generator: np.random.RandomState) -> MolecularDynamics:
    return VelocityVerlet(atoms, settings.timestep * units.fs)


def _langevin(atoms: Atoms, settings: Settings, generator: np.random.RandomState) -> MolecularDynamics:
    return Langevin(
        atoms, settings.timestep * units.fs, temperature_K=settings.temperature,
        friction=1.0 / (settings.time_constant * units.fs), rng=generator, fixcm=False,
    )  # fmt: skip


def _bussi(atoms: Atoms, settings: Settings, generator: np.random.RandomState) -> MolecularDynamics:
    return Bussi(
        atoms, settings.timestep * units.fs, settings.temperature, settings.time_constant * units.fs, rng=generator
    )


THERMOSTATS: dict[str, Thermostat] = {"none": _verlet, "langevin": _langevin, "bussi": _bussi}


def run(
    atoms: Atoms, calculator: LeydenCalculator, settings: Settings, trajectory: Path, resume: bool = False
) -> Iterator[Summary]:
    """Simulate, yielding a Summary after each block of `every` steps; the trajectory is extxyz with charges and forces.

    Forces of a field (external_field in info, V/Å) derive from the energy -mu.F in it, those of a displacement
    (displacement_field) from its energy (coulomb/macroscopic.py): with them the total energy is conserved, as positions
    are never wrapped. A resumed run keeps its fields, charge, spin and masses.

    Raises InputError for an unknown thermostat, nothing to resume, others of these than the run to resume had, a
    trajectory that would be overwritten, or charges that a solver does not find.
    """
    if settings.thermostat not in THERMOSTATS:
        raise InputError(f"thermostat: expected one of {', '.join(THERMOSTATS)}, got {settings.thermostat!r}.")
    if not resume and trajectory.exists():
        raise InputError(
            f"{trajectory}: expected a new file, found an earlier run; use --resume or choose another output."
        )
    keep_freed_memory()
    atoms, generator = atoms.copy(), np.random.RandomState(settings.seed)
    atoms.calc = calculator
    given = {"total_charge": calculator.charge, "total_spin": calculator.multiplicity}
    atoms.info |= {key: value for key, value in given.items() if value is not None}
    atoms.info |= {key: np.array(atoms.info[key], dtype=float) for key in ARRAYS if key in atoms.info}
    state = _resumed(atoms, generator, trajectory) if resume else _started(atoms, generator, settings)
    motion = THERMOSTATS[settings.thermostat](atoms, settings, generator)
    heat, log, done = state.heat, [tuple(row) for row in state.log], state.step
    if not resume:
        _record(trajectory, atoms, generator, settings, done, heat, log)
    began, first = time.perf_counter(), done
    while done < settings.steps:
        block = min(settings.every, settings.steps - done)
        _advance(motion, block, done, trajectory)
        done += block
        transferred = heat + (motion.transferred_energy if isinstance(motion, Bussi) else 0.0)
        _record(trajectory, atoms, generator, settings, done, transferred, log)
        speed = (done - first) * settings.timestep * 1e-6 / (time.perf_counter() - began) * 86400
        yield _summary(done, np.array(log), settings, len(atoms), speed)


def _advance(motion: MolecularDynamics, block: int, done: int, trajectory: Path) -> None:
    """Some steps. Raises InputError where a density is not found: what was recorded before stays."""
    try:
        motion.run(block)
    except Unconverged as error:
        raise InputError(
            f"{trajectory}: the simulation stopped after step {done}, which is kept; {error} Go on from there with"
            " --resume."
        ) from None


def _started(atoms: Atoms, generator: np.random.RandomState, settings: Settings) -> State:
    """Momenta of the Maxwell-Boltzmann distribution, without drift of the whole, unless the structure has its own."""
    if not atoms.get_momenta().any():
        masses = atoms.get_masses()[:, None]
        spread = np.sqrt(masses * units.kB * settings.temperature)
        momenta = spread * generator.standard_normal((len(atoms), 3))
        atoms.set_momenta(momenta - masses * momenta.sum(0) / masses.sum())
    return _state(0, atoms, generator, 0, 0.0, [])


def _resumed(atoms: Atoms, generator: np.random.RandomState, trajectory: Path) -> State:
    """Put atoms and generator back, and cut the trajectory to the frames that the state knows."""
    state = State.read(_state_path(trajectory), atoms)
    size = trajectory.stat().st_size if trajectory.is_file() else 0
    if size < state.trajectory_bytes:
        raise InputError(
            f"{trajectory}: expected the trajectory of the run to resume, {state.trajectory_bytes} bytes or more,"
            f" got {size}; put it back, or run without --resume to another output."
        )
    keep_inputs(atoms, trajectory)
    atoms.positions = state.positions
    atoms.set_momenta(state.momenta)
    kind, keys, position, has_gauss, gauss = (
        state.generator[k] for k in ("kind", "keys", "position", "has_gauss", "gauss")
    )
    generator.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, gauss))
    with trajectory.open("r+b") as file:
        file.truncate(state.trajectory_bytes)
    return state


def _record(
    trajectory: Path,
    atoms: Atoms,
    generator: np.random.RandomState,
    settings: Settings,
    step: int,
    heat: float,
    log: Log,
) -> None:
    """A row of the log (which evaluates the structure), a frame, then the state, which counts only what is on disk."""
    passed = step * settings.timestep / 1000
    log.append(_row(atoms, passed, heat))
    _write_frame(trajectory, atoms, passed)
    _state(step, atoms, generator, trajectory.stat().st_size, heat, log).write(_state_path(trajectory))


def _state(step: int, atoms: Atoms, generator: np.random.RandomState, size: int, heat: float, log: Log) -> State:
    rows = np.array(log).reshape(-1, 5)
    return State(step, atoms.numbers, atoms.positions, atoms.get_momenta(), _stored(generator), size, heat, rows)


def _stored(generator: np.random.RandomState) -> dict:
    kind, keys, position, has_gauss, gauss = generator.get_state(legacy=True)
    return {
        "kind": kind,
        "keys": np.asarray(keys).tolist(),
        "position": position,
        "has_gauss": has_gauss,
        "gauss": gauss,
    }


def _state_path(trajectory: Path) -> Path:
    return trajectory.with_suffix(".state.npz")


def _row(atoms: Atoms, passed: float, heat: float) -> tuple[float, ...]:
    """Time (ps), temperature (K), potential, total and conserved energy (eV)."""
    potential, total = atoms.get_potential_energy(), atoms.get_total_energy()
    return passed, atoms.get_temperature(), potential, total, total - heat


def _write_frame(trajectory: Path, atoms: Atoms, passed: float) -> None:
    frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, momenta=atoms.get_momenta())
    if atoms.has("masses"):
        frame.set_masses(atoms.get_masses())
    frame.info = {key: atoms.info[key] for key in STATE_KEYS if key in atoms.info} | {"time_ps": passed}
    results = {
        key: atoms.calc.results[key] for key in ("energy", "forces", "charges", "dipole") if key in atoms.calc.results
    }
    frame.calc = SinglePointCalculator(frame, **results)
    try:
        write(trajectory, frame, format="extxyz", append=True)
    except OSError as error:
        raise InputError(
            f"{trajectory}: expected a file that can be written, got {error.strerror}; choose another."
        ) from None


def _summary(done: int, log: np.ndarray, settings: Settings, atoms: int, speed: float) -> Summary:
    """Drift by a straight line through the conserved energy; Langevin dynamics conserves none."""
    drift = None
    if settings.thermostat != "langevin" and len(log) > 2:
        drift = float(np.polyfit(log[:, 0], log[:, 4], 1)[0] / atoms)
    return Summary(done, float(log[len(log) // 2 :, 1].mean()), drift, speed)
