"""Spin: the contract of a charge model, the spin of a structure, and dense equations of both channels."""

from dataclasses import replace

import torch

from leyden.charges import Problem
from leyden.charges.model import ChargeModel
from leyden.charges.spin import Polarized, SpinEquilibration
from leyden.density import GaussianBasis
from leyden.features import Channels
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.segment import total
from leyden.testing.assembly import assembled, batch
from leyden.testing.charges import ChargeModelContract
from leyden.testing.numeric import close

BASIS = GaussianBasis(0.6)


class TestSpin(ChargeModelContract):
    size_consistent = False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return SpinEquilibration(channels, elements, BASIS, hidden=4)


def potential() -> Potential:
    return assembled(lambda channels, elements: SpinEquilibration(channels, elements, BASIS, hidden=4))


def test_spins() -> None:
    """They sum to the unpaired electrons; those of another multiplicity are elsewhere, and so are the charges."""
    system, model = batch(), potential()
    out = model(system)
    assert isinstance(out.solution, Polarized) and out.density is not None
    close(total(out.solution.spin, system.index, 4), system.spin - 1, 1e-10)
    assert out.solution.spin.abs().max() > 0.05
    higher = model(replace(system, spin=system.spin + 2))
    assert (higher.density - out.density).abs().max() > 1e-3 and (higher.energy - out.energy).abs().min() > 1e-2


def test_minimum() -> None:
    """The energy that is reported is the least one: any exchange of spin or charge between atoms raises it."""
    system, model = batch(), potential()
    out = model(system)
    charges = model.charges
    assert isinstance(charges, SpinEquilibration) and out.density is not None
    matrix = model.coulomb.bind(system, BASIS).dense()
    graph = Graph.of(system, neighbor_list(system, model.backbone.cutoff))
    problem = Problem(
        system, model.backbone(graph), graph, model.coulomb.bind(system, BASIS), torch.zeros_like(out.density)
    )
    linear, curvature = charges.parameters_of(problem)
    n = len(linear)
    whole = torch.zeros(2 * n, 2 * n, dtype=torch.float64)
    whole[:n, :n] = matrix + torch.diag(curvature[:, 0, 0])
    whole[n:, n:] = torch.diag(curvature[:, 1, 1])
    whole[:n, n:] = whole[n:, :n] = torch.diag(curvature[:, 0, 1])
    assert torch.linalg.eigvalsh(curvature).min() > 0.01
    sums = torch.nn.functional.one_hot(system.index).double().T
    held = torch.block_diag(sums, sums)
    kkt = torch.cat([torch.cat([whole, held.T], 1), torch.cat([held, torch.zeros(8, 8).double()], 1)])
    exact = torch.linalg.solve(kkt, torch.cat([-linear.T.flatten(), system.charge, system.spin - 1]))[: 2 * n]
    assert isinstance(out.solution, Polarized)
    close(torch.cat([out.density[:, 0], out.solution.spin]), exact, 1e-5)
    energy = exact @ linear.T.flatten() + 0.5 * exact @ whole @ exact
    close(out.energy_long.sum(), energy, 1e-7)
