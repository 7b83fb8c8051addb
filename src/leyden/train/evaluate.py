"""A potential on labelled frames: errors of every label, the split of the energy, the latent charges."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from leyden.derivatives import Derivatives, forces
from leyden.potential import Potential
from leyden.solve import Solution, Status
from leyden.train.batch import Batch, Frame, collate
from leyden.train.compared import COMPARED, Found
from leyden.train.electric import electric
from leyden.train.metrics import Evaluation, Parity, Solved
from leyden.train.molecules import molecular_charges
from leyden.train.points import at_points
from leyden.train.progress import track

Row = tuple[str, str, Tensor, Tensor, Tensor]
"""Name, unit, reference, predicted, frame of each entry."""


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


def _rows(potential: Potential, batch: Batch, derivatives: Derivatives) -> list[Row]:
    """Reference and prediction of every label that this batch has and the potential can give."""
    system, charges, density = batch.system, potential.charges, derivatives.output.density
    others = electric(potential, batch) | at_points(potential, batch, density)
    found = Found(derivatives, system, batch.labels, None if charges is None else charges.basis, others)
    rows = []
    for each in COMPARED:
        pair = each.pair(found)
        if pair is None:
            continue
        unit = each.across(each.shown(system), system, pair[1])
        predicted, label = (side / unit for side in pair)
        meant = each.across(each.meant(charges, system), system, label)  # others of a mixed batch have none
        there = ~label.isnan() & meant
        if bool(there.any()):
            owners = each.across(torch.arange(system.count, device=label.device), system, label)
            rows.append((each.name, each.unit, label[there], predicted.detach()[there], owners[there]))
    return rows


def _parity(parts: list[Row]) -> Parity:
    name, unit = parts[0][:2]
    reference, predicted, frame = (torch.cat([part[n] for part in parts]) for n in (2, 3, 4))  # type: ignore[misc]
    return Parity(name, unit, _numpy(reference), _numpy(predicted), frame.numpy())


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()
