"""What a simulation recorded, as arrays over its frames; every way it can be incomplete is turned into one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units

from leyden.checks import InputError, require
from leyden.properties.wavenumber import Array

BORN_KEYS = ("born_effective_charges", "REF_born_effective_charges")
POLARIZABILITY_KEYS = ("polarizability", "REF_polarizability")
UNEVEN = 1e-3
"""Times between frames differ by less, relative to their mean."""


@dataclass(frozen=True)
class Trajectory:
    """T frames of the same N atoms, timestep fs apart, as ASE's Atoms."""

    frames: list[Atoms]
    timestep: float

    @staticmethod
    def of(frames: Sequence[Atoms], timestep: float | None = None) -> "Trajectory":
        """From frames with their time_ps in info, or with the time between them (fs).

        Raises InputError for fewer than two frames, other atoms, and times that are missing or uneven.
        """
        frames = list(frames)
        require(len(frames) > 1, f"trajectory: expected two frames or more, got {len(frames)}; simulate longer.")
        numbers = frames[0].numbers
        for n, frame in enumerate(frames):
            require(
                np.array_equal(frame.numbers, numbers),
                f"trajectory: expected the atoms of frame 0, {frames[0].symbols}, got {frame.symbols} in frame {n}.",
            )
        return Trajectory(frames, _spacing(frames) if timestep is None else timestep)

    @property
    def periodic(self) -> bool:
        """Whether any frame is periodic along any axis."""
        return any(frame.pbc.any() for frame in self.frames)

    @property
    def volume(self) -> float | None:
        """Mean volume, Å^3, of a structure that is periodic along three axes."""
        bulk = all(frame.pbc.all() for frame in self.frames)
        return float(np.mean([frame.get_volume() for frame in self.frames])) if bulk else None

    @property
    def velocities(self) -> Array:
        """(T, N, 3) Å/fs. Raises InputError for frames without."""
        for n, frame in enumerate(self.frames):
            require(
                frame.has("momenta"),
                f"trajectory: expected velocities, got none in frame {n}; write momenta with the positions, as"
                " leyden md does.",
            )
        return np.array([frame.get_velocities() for frame in self.frames]) * units.fs

    @property
    def temperature(self) -> float:
        """Mean kinetic temperature (K), 3 N degrees of freedom. Raises InputError for frames without velocities."""
        moving = all(frame.has("momenta") for frame in self.frames)
        require(moving, "temperature: expected velocities to take it from, got frames without; give the temperature.")
        weighted = self.velocities**2 * self.frames[0].get_masses()[:, None]
        return float(weighted.mean() * units.fs**-2 / units.kB)

    def dipoles(self, key: str | None = None) -> Array:
        """(T, 3) e Å, of open structures; or what info has under a key, of which the caller knows that it goes on
        without jumps. Raises InputError for frames without, and for periodic structures without a key."""
        if key is not None:
            found = [frame.info.get(key) for frame in self.frames]
        else:
            require(
                not self.periodic,
                "dipoles: expected open structures, got periodic ones, whose dipole is known only up to e times a cell"
                " vector; give Born charges, or name the key of a polarization without jumps.",
            )
            found = [frame.calc.results.get("dipole") if frame.calc else None for frame in self.frames]
        return self._complete(found, (3,), f"a dipole{'' if key is None else f' under {key!r}'}")

    @property
    def born_charges(self) -> Array | None:
        """(T, N, 3, 3) e, row = polarization, where the first frame has them. Raises InputError where others do not."""
        key = next((key for key in BORN_KEYS if key in self.frames[0].arrays), None)
        if key is None:
            return None
        found = [frame.arrays.get(key) for frame in self.frames]
        count = len(self.frames[0])
        return self._complete(found, (count, 9), "Born charges (N, 9)").reshape(-1, count, 3, 3)

    @property
    def polarizabilities(self) -> Array | None:
        """(T, 3, 3) Å^3, where the first frame has them. Raises InputError where others do not."""
        key = next((key for key in POLARIZABILITY_KEYS if key in self.frames[0].info), None)
        if key is None:
            return None
        found = [frame.info.get(key) for frame in self.frames]
        flat = [None if value is None else np.ravel(value) for value in found]
        return self._complete(flat, (9,), "a polarizability of 9 numbers").reshape(-1, 3, 3)

    def _complete(self, found: list, shape: tuple[int, ...], what: str) -> Array:
        for n, value in enumerate(found):
            right = value is not None and np.shape(value) == shape
            got = "none" if value is None else f"shape {np.shape(value)}"
            require(right, f"trajectory: expected {what} in every frame, got {got} in frame {n}.")
        return np.array(found, dtype=float)


def _spacing(frames: list[Atoms]) -> float:
    """fs between frames, from time_ps in their info."""
    missing = [n for n, frame in enumerate(frames) if "time_ps" not in frame.info]
    if missing:
        raise InputError(
            f"trajectory: expected time_ps in the header of every frame, got none in frame {missing[0]}; give the time"
            " between frames, in fs."
        )
    steps = 1000.0 * np.diff([float(frame.info["time_ps"]) for frame in frames])
    typical = float(np.median(steps))
    wrong = np.flatnonzero(~(np.abs(steps - typical) <= UNEVEN * abs(typical)))
    require(
        len(wrong) == 0 and typical > 0.0,
        f"trajectory: expected frames at even times, {typical:g} fs apart, got"
        f" {steps[wrong[0]] if len(wrong) else typical:g} fs after frame {wrong[0] if len(wrong) else 0}; leave out the"
        " frames before it or after it.",
    )
    return float(steps.mean())
