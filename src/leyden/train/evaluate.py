"""A potential on labelled frames: errors of every label, the split of the energy, the latent charges."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from leyden.charges.model import ChargeModel
from leyden.density.moments import quadrupole
from leyden.derivatives import Derivatives, forces
from leyden.potential import Potential
from leyden.solve import Solution, Status
from leyden.system import System
from leyden.train.batch import Batch, Frame, Labels, collate
from leyden.train.electric import ELECTRIC, defined, electric
from leyden.train.metrics import Evaluation, Parity, Solved
from leyden.train.molecules import molecular_charges
from leyden.train.progress import track

Row = tuple[str, str, Tensor, Tensor, Tensor]
"""Name, unit, reference, predicted, frame of each entry."""

MEANT: dict[str, Callable[[Tensor], Tensor]] = {
    "stress": lambda pbc: pbc.all(1), "dipole": lambda pbc: ~pbc.any(1), "quadrupole": lambda pbc: ~pbc.any(1)
}  # fmt: skip
"""Which structures have a property, by their periodic axes (S, 3): moments of others depend on the cell chosen."""


def evaluate(potential: Potential, frames: Sequence[Frame], batch_size: int = 8) -> Evaluation:
    """Evaluate frames that have their pairs (with_pairs), in the potential's dtype.

    Structures whose density is not found are left out of the errors and named in `solved`.
    """
    dtype = next(potential.parameters()).dtype
    solutions: list[Solution] = []
    rows: dict[str, list[Row]] = defaultdict(list)
    short, long, charges = [], [], []
    started = time.perf_counter()
    for start in track(range(0, len(frames), batch_size), "evaluating"):
        batch = collate(frames[start : start + batch_size]).to(dtype=dtype)
        periodic = bool(batch.system.pbc.all(1).any())
        with potential.asked(report=True):
            level = batch.labels.chemical_potential is not None
            found = forces(potential, batch.system, batch.pairs, stress=periodic, chemical_potential=level)
            solution = found.output.solution
            if solution is not None and Status.DIRECT not in solution.status:
                solutions.append(solution)
                batch = replace(batch, labels=batch.labels.without(solution.failed, batch.system))
            for row in _rows(potential, batch, found):
                rows[row[0]].append((*row[:4], row[4] + start))
        short.append(found.output.energy_short)
        long.append(found.output.energy_long)
        if found.output.charges is not None:
            charges.append(found.output.charges)
    seconds = time.perf_counter() - started
    systems = [frame.system for frame in frames]
    solved = _solved(solutions) if solutions else None
    latent = _numpy(torch.cat(charges)) if charges else None
    return Evaluation(
        parities={name: _parity(parts) for name, parts in rows.items()},
        config_type=[frame.config_type for frame in frames],
        energy_short=_numpy(torch.cat(short)),
        energy_long=_numpy(torch.cat(long)),
        atoms=np.array([len(system.positions) for system in systems]),
        numbers=torch.cat([system.numbers for system in systems]).numpy(),
        charges=latent,
        total_charge=_numpy(torch.cat([system.charge for system in systems])),
        seconds=seconds,
        solved=solved,
        molecules=None if latent is None else molecular_charges(systems, latent, solved.failed if solved else ()),
    )


def _solved(solutions: Sequence[Solution]) -> Solved:
    iterations, residual, curvature, radius, failed = (
        torch.cat([getattr(solution, name) for solution in solutions]).detach().cpu()
        for name in ("iterations", "residual", "curvature", "radius", "failed")
    )
    numbers = failed.nonzero().squeeze(1).tolist()
    hard = [solution.hardness for solution in solutions if solution.hardness is not None]
    hardness = _numpy(torch.cat(hard)) if hard else None
    return Solved(iterations.numpy(), _numpy(residual), _numpy(curvature), _numpy(radius), numbers, hardness)


def _rows(potential: Potential, batch: Batch, found: Derivatives) -> list[Row]:
    """Reference and prediction of every label that this batch has and the potential can give."""
    system, labels, output = batch.system, batch.labels, found.output
    frame, atom = torch.arange(system.count), system.index
    charges, density, response = potential.charges, output.density, electric(potential, batch)
    offered: list[tuple[str, str, Tensor | None, Callable[[], Tensor | None], Tensor]] = [
        ("energy", "eV/atom", labels.energy, lambda: output.energy, frame),
        ("forces", "eV/Å", labels.forces, lambda: found.forces, atom),
        ("stress", "eV/Å^3", labels.stress, lambda: found.stress, frame),
        ("dipole", "e Å", labels.dipole, lambda: output.dipole, frame),
        (
            "quadrupole", "e Å^2", labels.quadrupole,
            lambda: None if density is None or charges is None else quadrupole(density, system, charges.basis), frame,
        ),
        (
            "density_coefficients", "e, e Å", labels.density_coefficients,
            lambda: density if _same_basis(potential, labels) else None, atom,
        ),
        ("chemical_potential", "eV/e", labels.chemical_potential, lambda: found.chemical_potential, frame),
        (
            "born_effective_charges", "e", labels.born_effective_charges,
            lambda: response.get("born_effective_charges"), atom,
        ),
        ("polarizability", "Å^3", labels.polarizability, lambda: response.get("polarizability"), frame),
    ]  # fmt: skip
    rows = []
    for name, unit, label, predict, owner in offered:
        predicted = predict() if label is not None else None
        if label is None or predicted is None:
            continue
        if name == "energy":
            label, predicted = label / system.size, predicted / system.size
        meant = _meant(name, charges, system)[owner]  # for the others of a mixed batch
        there = ~label.isnan() & meant.view(-1, *[1] * (label.dim() - 1))
        if not bool(there.any()):
            continue
        owners = owner.view(-1, *[1] * (label.dim() - 1)).expand_as(label)
        rows.append((name, unit, label[there], predicted.detach()[there], owners[there]))
    return rows


def _meant(name: str, charges: ChargeModel | None, system: System) -> Tensor:
    """Which structures (S,) have a property."""
    if name in ELECTRIC:
        return defined(name, charges, system)
    return MEANT[name](system.pbc) if name in MEANT else torch.ones_like(system.pbc[:, 0])


def _same_basis(potential: Potential, labels: Labels) -> bool:
    """Whether labelled density coefficients are those of the model's basis."""
    given = labels.density_coefficients
    return given is not None and potential.charges is not None and given.shape[1] == potential.charges.basis.dim


def _parity(parts: list[Row]) -> Parity:
    name, unit = parts[0][:2]
    reference, predicted, frame = (torch.cat([part[n] for part in parts]) for n in (2, 3, 4))  # type: ignore[misc]
    return Parity(name, unit, _numpy(reference), _numpy(predicted), frame.numpy())


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()
