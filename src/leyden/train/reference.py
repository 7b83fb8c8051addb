"""Energies of isolated atoms for a trained backbone: whether those of its file suit the data, and others that do."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from leyden.baseline import Baseline, energy_of_charging
from leyden.potential import Potential
from leyden.spec import ModelSpec, PretrainedSpec
from leyden.system import System
from leyden.train.batch import Frame, collate

FAR = 0.2
"""eV/atom: data whose energies are further from those of a model, on average, have another reference."""
MOST = 200
"""Structures that are looked at, evenly spread over the data."""
CHUNK = 8
"""Structures at once."""


def fitted(potential: Potential, model: ModelSpec, frames: Sequence[Frame]) -> list[str]:
    """Give a potential with the backbone of a file the energies of isolated atoms that the config wants.

    Those of the file stay, or are fitted to what the model leaves of the energies of the data; what a unit of total
    charge costs is fitted to that in any case. Returns warnings.
    """
    section = model.backbone
    chosen = [frame for frame in frames[:: max(1, len(frames) // MOST)] if frame.labels.energy is not None]
    if not isinstance(section, PretrainedSpec) or section.source is None or not chosen:
        return []
    missing, systems = _missing(potential, chosen), [frame.system for frame in chosen]
    if section.reference == "data":
        potential.baseline = Baseline.fit(systems, missing)
        return []
    charging = energy_of_charging(systems, _less(missing, potential.baseline, systems))
    potential.baseline = replace(potential.baseline, charging=potential.baseline.charging + charging)
    atoms = sum(len(system.numbers) for system in systems)
    away = sum(_less(missing, potential.baseline, systems)) / atoms
    if abs(away) < FAR:
        return []
    return [
        f"model.backbone.reference: energies of the data are {away:+.3f} eV/atom from those of {section.source}, with"
        " its energies of isolated atoms; if the data have another reference, set model.backbone.reference=data."
    ]


def _less(energies: Sequence[float], baseline: Baseline, systems: Sequence[System]) -> list[float]:
    """What reference energies leave, eV."""
    return [energy - float(baseline(system)) for energy, system in zip(energies, systems, strict=True)]


@torch.no_grad()
def _missing(potential: Potential, frames: Sequence[Frame]) -> list[float]:
    """Energies of the data less all of the model but its energies of isolated atoms, eV."""
    dtype, out = next(potential.parameters()).dtype, []
    for first in range(0, len(frames), CHUNK):
        batch = collate(frames[first : first + CHUNK])
        system = batch.system.to(dtype=dtype)
        rest = potential(system, batch.pairs.to(dtype=dtype)).energy - potential.baseline(system)
        out += (batch.labels.energy - rest).tolist()
    return out
