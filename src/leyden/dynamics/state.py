"""State of a simulation on disk: enough to go on exactly as if it had not stopped. Plain arrays, nothing executable."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from ase import Atoms

from leyden.checks import InputError


@dataclass(frozen=True)
class State:
    """After `step` steps: atomic numbers (N,), positions and momenta (N, 3), the random generator.

    trajectory_bytes: length of the trajectory file; log: rows (time in ps, temperature, potential, total and conserved
    energy in eV) so far; heat: energy given by the thermostat.
    """

    step: int
    numbers: np.ndarray
    positions: np.ndarray
    momenta: np.ndarray
    generator: dict
    trajectory_bytes: int
    heat: float
    log: np.ndarray

    def write(self, path: Path) -> None:
        """Replace the state file in one step."""
        partial = path.with_name(f".{path.name}")
        with partial.open("wb") as file:
            np.savez(
                file, step=self.step, numbers=self.numbers, positions=self.positions, momenta=self.momenta,
                generator=np.frombuffer(json.dumps(self.generator).encode(), np.uint8),
                trajectory_bytes=self.trajectory_bytes, heat=self.heat, log=self.log,
            )  # fmt: skip
        os.replace(partial, path)

    @staticmethod
    def read(path: Path, atoms: Atoms) -> "State":
        """The state of an earlier run of these atoms. Raises InputError if there is none or it belongs to others."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                state = State(
                    int(data["step"]), data["numbers"], data["positions"], data["momenta"],
                    json.loads(data["generator"].tobytes().decode()),
                    int(data["trajectory_bytes"]), float(data["heat"]), data["log"],
                )  # fmt: skip
        except (OSError, KeyError, ValueError, EOFError, BadZipFile):
            raise InputError(
                f"{path}: expected the state of an earlier run, found none; run without --resume."
            ) from None
        if not np.array_equal(state.numbers, atoms.numbers):
            there = Atoms(state.numbers).get_chemical_formula()
            raise InputError(
                f"{path}: expected the state of {atoms.get_chemical_formula()}, got one of {there}; give the structure"
                " that the run began with, in the same order of atoms."
            )
        return state
