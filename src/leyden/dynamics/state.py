"""State of a simulation on disk: enough to go on exactly as if it had not stopped. Plain arrays, nothing executable."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from leyden.checks import InputError


@dataclass(frozen=True)
class State:
    """After `step` steps: positions and momenta (N, 3), the random generator, the length of the trajectory in bytes.

    log: rows (time in ps, temperature, potential, total and conserved energy in eV) so far; heat: energy given by the thermostat.
    """

    step: int
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
                file, step=self.step, positions=self.positions, momenta=self.momenta, log=self.log, heat=self.heat,
                generator=np.frombuffer(json.dumps(self.generator).encode(), np.uint8), trajectory_bytes=self.trajectory_bytes,
            )  # fmt: skip
        os.replace(partial, path)

    @staticmethod
    def read(path: Path, atoms: Atoms) -> "State":
        """The state of an earlier run of these atoms. Raises InputError if there is none or it belongs to others."""
        try:
            with np.load(path, allow_pickle=False) as data:
                state = State(
                    int(data["step"]), data["positions"], data["momenta"], json.loads(data["generator"].tobytes().decode()),
                    int(data["trajectory_bytes"]), float(data["heat"]), data["log"],
                )  # fmt: skip
        except (OSError, KeyError, ValueError):
            raise InputError(
                f"{path}: expected the state of an earlier run, found none; run without --resume."
            ) from None
        if state.positions.shape != atoms.positions.shape:
            raise InputError(
                f"{path}: expected the state of {len(atoms)} atoms, got one of {len(state.positions)}; give the structure that"
                " the run began with."
            )
        return state
