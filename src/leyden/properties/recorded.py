"""The electrical side of a trajectory: what the frames recorded, or what a model gives for their positions."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray
from torch import Tensor

from leyden.checks import InputError, require
from leyden.potential import Potential
from leyden.properties.electric import born_charges, polarizability
from leyden.properties.trajectory import Trajectory
from leyden.properties.wavenumber import Array
from leyden.system import System

ATOMS = 400
"""Atoms that a model evaluates at a time: periodic Born charges of 2000 would take 6 GB."""

Watch = Callable[[Iterable[Array], str, int], Iterable[Array]]
"""Passes items on, with a title and their number: a progress bar."""


def _unwatched(items: Iterable[Array], title: str, total: int) -> Iterable[Array]:
    return items


@dataclass(frozen=True)
class Electrical:
    """Of a trajectory; by a float64 potential if there is one, whose Born charges are multiplied by a scale (of latent
    charges of a bulk, sqrt(eps_inf)); key: of dipoles in info that go on without jumps."""

    trajectory: Trajectory
    potential: Potential | None = None
    key: str | None = None
    scale: float = 1.0
    watch: Watch = _unwatched

    def __post_init__(self) -> None:
        both = self.potential is not None and self.key is not None
        require(not both, "dipoles: expected a model or the key of recorded dipoles, got both; drop one.")
        require(0.0 < self.scale < math.inf, f"scale: expected a positive number, got {self.scale:g}.")
        pointless = self.scale != 1.0 and self.potential is None
        require(not pointless, "scale: expected a model whose Born charges it multiplies, got none; drop it.")

    @property
    def recorded_dipoles(self) -> bool:
        """Whether dipoles are all there is to start from."""
        born = self.trajectory.born_charges
        return self.potential is None and (self.key is not None or born is None)

    @property
    def born_charges(self) -> Array:
        """(T, N, 3, 3) e. Raises InputError where there is no model and none are recorded."""
        recorded = self.trajectory.born_charges
        if self.potential is not None:
            return self.scale * self._along(partial(born_charges, self.potential), "Born charges")
        if recorded is None:
            raise InputError("Born charges: expected a model, or frames that carry them, got neither; give --model.")
        return recorded

    @property
    def polarizabilities(self) -> Array:
        """(T, 3, 3) Å^3. Raises InputError where there is no model and none are recorded."""
        if self.potential is not None:
            return self._along(partial(polarizability, self.potential), "polarizabilities")[:, 0]
        recorded = self.trajectory.polarizabilities
        if recorded is None:
            raise InputError("polarizability: expected a model, or frames that carry it, got neither; give --model.")
        return recorded

    @property
    def current(self) -> Array:
        """J = sum_i Z*_i v_i (T, 3), e Å/fs."""
        return np.einsum("tnab,tnb->ta", self.born_charges, self.trajectory.velocities)

    @property
    def dipoles(self) -> Array:
        """(T, 3) e Å: recorded ones, or else those of Born charges, up to a constant."""
        return (
            self.trajectory.dipoles(self.key)
            if self.recorded_dipoles
            else polarization(self.born_charges, self.trajectory)
        )

    def _along(self, function: Callable[[System], Tensor], title: str) -> Array:
        frames = self.trajectory.frames
        return np.array(list(self.watch(along(function, frames), title, len(frames))))


def polarization(born: Array, trajectory: Trajectory) -> Array:
    """M(t) - M(0), (T, 3) e Å, of Born charges (T, N, 3, 3): the sum of their means over a step times displacements to
    the nearest image; goes on without jumps in periodic structures too."""
    steps = []
    for n, (before, after) in enumerate(zip(trajectory.frames, trajectory.frames[1:], strict=False)):
        moved, _ = find_mic(after.positions - before.positions, after.cell, after.pbc)
        steps.append(np.einsum("nab,nb->a", 0.5 * (born[n] + born[n + 1]), moved))
    return np.concatenate([np.zeros((1, 3)), np.cumsum(steps, 0)])


def along(
    function: Callable[[System], Tensor], frames: Sequence[Atoms], atoms: int = ATOMS
) -> Iterator[NDArray[np.float64]]:
    """A property (n, 3, 3) of each frame, from a function that gives it for a batch in float64: that of every atom (n =
    N, Born charges) or of the structure (n = 1, polarizability). About so many atoms are evaluated at a time."""
    together = max(1, atoms // len(frames[0]))
    for first in range(0, len(frames), together):
        part = frames[first : first + together]
        values = function(System.from_ase(part)).detach().cpu()
        yield from values.unflatten(0, (len(part), -1)).numpy()
