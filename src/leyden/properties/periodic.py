"""Born charges along periodic axes, of models with a polarization P = sum_i q_i r_i + rest (charges/model.py),

    Z*_j = q_j + sum_i (r_i - r_j) dq_i/dr_j + d rest/dr_j,

in which dq_i is what changes about j (charges/polarization.py). sum_i q_i r_i itself depends on which images of the
atoms are given, as soon as q_i depends on neighbors. What is needed is the derivative of each charge by each position,
with their distance along the pairs of the graph. It is found for all atoms at once: with a probe k, derivatives of
sum_i q_i by r_j come out multiplied by 1 + k.(r_i - r_j) (Graph.of), and the derivative by k is the sum above. There is
no error in the size of the cell, as the phase form of it has (King et al., arXiv 2504.05169).
"""

from dataclasses import replace

import torch
from torch import Tensor

from leyden import segment
from leyden.charges.model import Polarized
from leyden.charges.polarization import Flow
from leyden.checks import InputError
from leyden.neighbors import Graph, NeighborList
from leyden.potential import Potential
from leyden.system import System


def periodic_born_charges(
    potential: Potential, system: System, pairs: NeighborList, create_graph: bool = False
) -> Tensor:
    """Z* (N, 3, 3) e, rows along periodic axes; the others do not know how charge is spread over the structure.

    Raises InputError for a model whose charges can flow round the cell.
    """
    charges = potential.charges
    if not isinstance(charges, Polarized):
        raise InputError(
            f"born_charges: expected a model with a polarization in periodic structures, got {type(charges).__name__},"
            " whose charge can flow round the cell; take one with the preset 'les', 'split' or 'sqe'."
        )
    positions = system.positions.detach().requires_grad_()
    probe = torch.zeros_like(system.field, requires_grad=True)
    moving = replace(system, positions=positions)
    graph = Graph.of(moving, pairs, probe)
    with potential.asked(order=4 if create_graph else 3):
        problem = potential.problem(moving, potential.features(graph), graph)
    polarization = charges.polarization(problem, charges.solve(problem).density)
    flow = _carried(polarization.flows, positions, probe, create_graph)
    if polarization.share is not None:
        missing = segment.total(flow, system.index, system.count)
        flow = flow - polarization.share[:, None, None] * missing[system.index]
    born = flow + _each(polarization.rest, positions, create_graph)
    born = born + polarization.carried[:, None, None] * torch.eye(3).to(born)
    return born if create_graph else born.detach()


def _carried(flows: tuple[Flow, ...], positions: Tensor, probe: Tensor, create_graph: bool) -> Tensor:
    """sum_i (r_i - r_j) dq_i/dr_j, (N, 3, 3)."""
    kept = [(values, factors) for values, factors in flows if values.requires_grad]
    if not kept:
        return positions.new_zeros(len(positions), 3, 3)
    values, factors = zip(*kept, strict=True)
    (slope,) = torch.autograd.grad(values, positions, factors, create_graph=True, materialize_grads=True)
    direction = torch.zeros_like(slope, requires_grad=True)
    (turned,) = torch.autograd.grad((slope * direction).sum(), probe, create_graph=True, materialize_grads=True)
    return _each(turned, direction, create_graph)


def _each(vector: Tensor, by: Tensor, create_graph: bool) -> Tensor:
    """Derivatives of vectors (S, 3) by (N, 3): (N, 3, 3)."""
    if not vector.requires_grad:
        return by.new_zeros(len(by), 3, 3)
    rows = [
        torch.autograd.grad(
            vector[:, axis].sum(), by, create_graph=create_graph, retain_graph=True, materialize_grads=True
        )[0]
        for axis in range(3)
    ]
    return torch.stack(rows, 1)
