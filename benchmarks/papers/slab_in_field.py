"""What a slab of metal or of water makes of charge and of a field along its normal z, by a reference and by a model.

From the energies E(Q, F) of the same atoms, of the reference and of a model,

    alpha = -(E(0, F) + E(0, -F) - 2 E(0, 0)) / F^2            polarizability along z
    eta   = E(1, 0) + E(-1, 0) - 2 E(0, 0)                     hardness
    chi   = (E(-1, 0) - E(1, 0)) / 2                           minus the chemical potential of electrons
    image = (alpha / (eps_0 A) - d) / 2                        image planes beyond outermost layers, on average

A: area of the cell, d: distance of the outermost layers of metal. An ideal conductor between image planes at distance L
has alpha = eps_0 A L and charges +- eps_0 A F on both halves: `induced` is what a model has of it. Its eta is
-L / (4 eps_0 A), negative because a charged sheet, whose field never ends, has no energy in slab boundaries: half of
the charge on either plane has less. From the density of a model comes the potential that a field leaves between the
outermost layers of a slab as well.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.io import read

from leyden.potential import Potential
from leyden.properties.electrostatic import electrostatic_potential
from leyden.system import System
from leyden.units import COULOMB

FIELD = 0.2
"""V/Å, of the frames in fields."""
POINTS, LATERAL = 97, 6
"""Heights at which the potential is taken, and points along both edges of the cell at each."""
EPSILON = 1 / (4 * math.pi * COULOMB)
"""Permittivity of vacuum, e/(V Å)."""
State = tuple[int, float]
"""Total charge, e, and field along z, V/Å."""
NEUTRAL: State = (0, 0.0)


def state(info: Mapping) -> State:
    """Of a frame."""
    return int(info["total_charge"]), float(info["external_field"][2])


def by_geometry(path: Path) -> dict[str, dict[State, Atoms]]:
    """All frames, those of one geometry together."""
    out: dict[str, dict[State, Atoms]] = {}
    for atoms in read(path, ":"):
        out.setdefault(atoms.info["geometry"], {})[state(atoms.info)] = atoms
    return out


def answers(potential: Potential, frames: Mapping[State, Atoms]) -> dict:
    """Of one geometry: what charge and field do to the energy, reference and model, and to the potential along z.

    missed: charge, field, and by how much (eV) a model misses what they add to the energy.
    """
    systems = {key: System.from_ase(atoms) for key, atoms in frames.items()}
    outputs = {key: potential(system) for key, system in systems.items()}
    energies = {key: output.energy.item() for key, output in outputs.items()}
    reference = {key: atoms.info["REF_energy"] for key, atoms in frames.items()}
    bare = frames[NEUTRAL]
    edges, area = layers(bare), bare.cell.volume / bare.cell.lengths()[2]
    out: dict = {"kind": bare.info["config_type"]}
    out["reference"], out["model"] = (derived(each, edges[1] - edges[0], area) for each in (reference, energies))
    off = {key: energies[key] - reference[key] for key in frames}
    out["missed"] = [(*key, off[key] - off[NEUTRAL]) for key in frames if key != NEUTRAL]
    upper = torch.as_tensor(bare.positions[:, 2] > np.mean(edges))
    moved = (outputs[0, FIELD].charges - outputs[NEUTRAL].charges)[upper].sum()
    out["induced"] = float(moved.detach()) / (FIELD * area * EPSILON)
    change = outputs[0, FIELD].density - outputs[NEUTRAL].density
    heights, induced = along(potential, systems[NEUTRAL], change.detach())
    total = induced - FIELD * heights
    inside = np.interp(edges, heights, total)
    out["left"] = float((inside[1] - inside[0]) / (-FIELD * (edges[1] - edges[0])))
    out["profile"] = {"z": heights.tolist(), "potential": (total - total.mean()).tolist(), "edges": list(edges)}
    return out


def derived(energies: Mapping[State, float], thickness: float, area: float) -> dict[str, float]:
    """alpha (e Å^2/V), image (Å), and of charged slabs eta (V/e) and chi (V)."""
    zero = energies[NEUTRAL]
    out = {"alpha": -(energies[0, FIELD] + energies[0, -FIELD] - 2 * zero) / FIELD**2}
    out["image"] = (out["alpha"] / (EPSILON * area) - thickness) / 2
    if (1, 0.0) in energies:
        plus, minus = energies[1, 0.0], energies[-1, 0.0]
        out |= {"eta": plus + minus - 2 * zero, "chi": (minus - plus) / 2}
    return out


def along(potential: Potential, system: System, density: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Heights (POINTS,) Å and the potential (POINTS,) V of a density, mean over the plane at each."""
    cell = system.cell[0]
    heights = torch.linspace(0, float(cell[2, 2]), POINTS, dtype=cell.dtype)
    steps = torch.arange(LATERAL, dtype=cell.dtype) / LATERAL
    plane = (steps[:, None, None] * cell[0] + steps[None, :, None] * cell[1]).reshape(-1, 3)
    points = (plane[None] + heights[:, None, None] * torch.tensor([0, 0, 1.0], dtype=cell.dtype)).reshape(-1, 3)
    index = torch.zeros(len(points), dtype=torch.long)
    found = electrostatic_potential(potential, system, points, index, density)
    return heights.numpy(), found.detach().reshape(POINTS, -1).mean(1).numpy()


def layers(atoms: Atoms) -> tuple[float, float]:
    """Heights of the outermost layers of metal, or of the outermost oxygens of a film, Å."""
    z = atoms.positions[atoms.numbers == 13, 2]
    if not len(z):
        z = np.sort(atoms.positions[atoms.numbers == 8, 2])
        return float(z[0]), float(z[-1])
    thickness = np.ptp(z) / 4
    return float(z[z < z.min() + thickness].mean()), float(z[z > z.max() - thickness].mean())
