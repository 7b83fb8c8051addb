"""Dynamics with solved charges (PHYSICS T17): energy is conserved, time can be reversed, and no start matters.

The Verlet scheme conserves E only up to an oscillation of the order dt^2. It conserves

    E + dt^2 ( v.H v / 12 - F.M^-1 F / 24 ),    H v = -dF/dt,

up to the order dt^4 (Hairer, Lubich & Wanner, Acta Numerica 12, 399; Engle, Skeel & Drees, J. Comput. Phys. 206, 432),
if and only if F is the gradient of one energy. A straight line through it is therefore a sharp measure of drift, in
which a density that is not the solution, or remembers how it was found, would show.

The condition of V + eta in a chain of N atoms grows as log N, so that the steps of conjugate gradients hardly do.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet
from torch import Tensor

from leyden.backbones.backbone import Backbone
from leyden.baseline import Baseline
from leyden.calculators import LeydenCalculator
from leyden.charges import Equilibration, Problem
from leyden.charges.answer import felt
from leyden.charges.compliance import SplitChargeEquilibration
from leyden.charges.model import ChargeModel
from leyden.charges.response import Response
from leyden.charges.spin import SpinEquilibration
from leyden.charges.symmetric_response import SymmetricResponse
from leyden.charges.variational import Variational
from leyden.coulomb import Coulomb, field
from leyden.density import GaussianBasis
from leyden.features import Channels, Features
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.solve import Status
from leyden.solve.anderson import Map, anderson
from leyden.solve.gmres import gmres
from leyden.system import System
from leyden.testing.assembly import assembled, batch
from leyden.testing.numeric import close, random

DRIFT = 1e-6
"""eV/atom/ps."""
STEP, STEPS = 2.0, 40
"""fs; steps of a short run."""
SODIUM, CHLORINE = 11, 17


class Ions(Backbone):
    """A repulsion of all pairs that falls as exp(-r / 0.35 Å); scalars say what an atom is, and how near the others."""

    cutoff, elements, channels = 6.0, (SODIUM, CHLORINE), Channels(2, 0, 0)

    def forward(self, graph: Graph) -> Features:
        near = (1 - (graph.lengths / self.cutoff) ** 2) ** 3
        energy = graph.gather(125.0 * torch.exp(-graph.lengths / 0.35) * near)
        element = graph.system.numbers / CHLORINE
        scalars = torch.stack([graph.gather(torch.exp(-graph.lengths) * near), element], 1)
        none = scalars.new_zeros(len(scalars), 3, 0)
        return Features(energy, scalars, none, none[:, None])


class Forgetful(LeydenCalculator):
    """Starts anew in each step."""

    def _start(self, system: System) -> Tensor | None:
        return None


MODELS: dict[str, Callable[..., ChargeModel]] = {
    "equilibration": Equilibration,
    "bonds": SplitChargeEquilibration,
    "response": Response,
    "variational": Variational,
}


@pytest.fixture(autouse=True)
def iterative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solvers that iterate to their tolerance, as for large structures, rather than the exact solution in one step."""
    for module in ("problem", "affine"):
        monkeypatch.setattr(f"leyden.charges.{module}.LARGEST_OPEN", 0)


def calculator(name: str, kind: type[LeydenCalculator] = LeydenCalculator) -> LeydenCalculator:
    torch.manual_seed(0)
    model = MODELS[name](Ions.channels, Ions.elements, GaussianBasis(0.8), hidden=4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return kind(Potential(Ions(), model, Coulomb(), Baseline({})).double())


def cluster() -> Atoms:
    """Four ions near their minimum, at about 300 K."""
    atoms = Atoms("NaClNaCl", [[0.0, 0.0, 0.0], [2.5, 0.1, 0.0], [2.45, 2.55, 0.2], [0.0, 2.5, -0.1]])
    masses, velocities = atoms.get_masses()[:, None], random(3, 4, 3).numpy()
    momenta = velocities * np.sqrt(units.kB * 300 * masses)
    atoms.set_momenta(momenta - masses * momenta.sum(0) / masses.sum())
    return atoms


class Run:
    """Energies (n,) eV, velocities, forces, and positions (n, N, 3) of a structure that moves, in ASE's units."""

    def __init__(self, atoms: Atoms, model: LeydenCalculator, steps: int) -> None:
        atoms.calc, self.masses, self.last = model, atoms.get_masses()[:, None], atoms
        motion, rows, charges = VelocityVerlet(atoms, STEP * units.fs), [], []
        for step in range(steps + 1):
            if step:
                motion.run(1)
            rows.append([atoms.get_velocities(), atoms.get_forces(), atoms.get_positions()])
            charges.append([atoms.get_total_energy(), *atoms.get_charges()])
        self.velocities, self.forces, self.positions = np.array(rows).swapaxes(0, 1)
        self.energies, self.charges = np.array(charges)[:, 0], np.array(charges)[:, 1:]

    @property
    def conserved(self) -> np.ndarray:
        """What Verlet conserves to the fourth order, eV, of all steps but the first and the last."""
        dt, v, f = STEP * units.fs, self.velocities[1:-1], self.forces[1:-1]
        bent = -(v * (self.forces[2:] - self.forces[:-2])).sum((1, 2)) / (2 * dt)
        return self.energies[1:-1] + dt**2 * (bent / 12 - (f**2 / self.masses).sum((1, 2)) / 24)


def drift(energies: np.ndarray, atoms: int) -> float:
    """Slope of a straight line, eV/atom/ps."""
    return float(np.polyfit(STEP / 1000 * np.arange(len(energies)), energies, 1)[0] / atoms)


def check_drift(run: Run) -> None:
    assert abs(drift(run.conserved, 4)) < DRIFT
    assert np.ptp(run.energies) > 30 * np.ptp(run.conserved)
    assert np.ptp(run.charges, 0).min() > 1e-3
    assert np.ptp(run.velocities, 0).max() > 0.01


@pytest.mark.parametrize("name", MODELS)
def test_conserved_and_reversible(name: str) -> None:
    """Drift below 1e-6 eV/atom/ps; with velocities turned, the ions come back to where they began."""
    forth = Run(cluster(), calculator(name), STEPS)
    check_drift(forth)
    turned = forth.last
    turned.set_momenta(-turned.get_momenta())
    back = Run(turned, calculator(name), STEPS)
    np.testing.assert_allclose(back.positions[::-1], forth.positions, rtol=0, atol=1e-8)
    np.testing.assert_allclose(back.velocities[::-1], -forth.velocities, rtol=0, atol=1e-8)
    assert np.abs(forth.positions[-1] - forth.positions[0]).max() > 0.05


HELD: list[dict[str, list[float]]] = [
    {"external_field": [0.0, 0.2, 0.1]},
    {"displacement_field": [float("nan"), 0.3, -0.2]},
]


@pytest.mark.parametrize("held", HELD)
def test_conserved_in_a_crystal_in_a_field(held: dict[str, list[float]]) -> None:
    """With the energy of E or D that is held along periodic axes, whichever images of the ions are given."""
    atoms = cluster()
    atoms.set_cell(np.eye(3) * 5.3)
    atoms.pbc, atoms.positions[0] = True, atoms.positions[0] - atoms.cell[1]
    free, atoms.info = atoms.copy(), {"total_charge": 0} | held
    run = Run(atoms, calculator("bonds"), STEPS)
    check_drift(run)
    assert np.abs(run.forces[0] - Run(free, calculator("bonds"), 1).forces[0]).max() > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_conserved_over_picoseconds(name: str) -> None:
    check_drift(Run(cluster(), calculator(name), 1000))


@pytest.mark.parametrize("name", MODELS)
def test_start_of_a_step_does_not_matter(name: str) -> None:
    """The trajectory is the same from the densities of the last steps and from none."""
    warm, cold = (Run(cluster(), calculator(name, kind), STEPS // 2) for kind in (LeydenCalculator, Forgetful))
    np.testing.assert_allclose(warm.positions, cold.positions, rtol=0, atol=1e-9)
    np.testing.assert_allclose(warm.charges, cold.charges, rtol=0, atol=1e-7)
    np.testing.assert_allclose(warm.energies, cold.energies, rtol=0, atol=1e-9)


SOLVED: list[Callable[..., ChargeModel]] = [Equilibration, SpinEquilibration, SplitChargeEquilibration]


@pytest.mark.parametrize("kind", SOLVED)
def test_energy_does_not_depend_on_the_start(kind: Callable[..., ChargeModel]) -> None:
    """From densities that are far off, and from the solution, which leaves nothing or next to nothing to do."""
    potential = assembled(lambda c, e: kind(c, e, GaussianBasis(0.6), hidden=4))
    free = potential(batch())
    assert free.density is not None and free.solution is not None
    for seed in range(2):
        far = potential(batch(), start=3.0 * random(seed, *free.density.shape))
        close(far.energy, free.energy, 1e-12)
        close(far.density, free.density, 1e-8)
    near = potential(batch(), start=free.density.detach())
    close(near.energy, free.energy, 1e-12)
    assert (near.solution.iterations <= free.solution.iterations).all()


def problem_of(potential: Potential) -> Problem:
    system, basis = batch(), potential.charges.basis
    graph = Graph.of(system, neighbor_list(system, potential.backbone.cutoff))
    bound = potential.coulomb.bind(system, basis)
    return Problem(system, potential.backbone(graph), graph, bound, field.uniform(system, basis))


def cycle(potential: Potential) -> tuple[Map, Problem]:
    """The map whose fixed point is the density of a response, written out."""
    model, problem = potential.charges, problem_of(potential)
    if isinstance(model, Response):
        answer = model.block(problem)
        return lambda p: problem.plane.onto(answer(felt(p, problem, model.receivers)), answer.weights), problem
    rest, alpha = model.parameters_of(problem)
    soft = alpha[:, :, 0]
    return lambda p: problem.plane.onto(rest - soft * (problem.coulomb.apply(p) + problem.external), soft), problem


@pytest.mark.parametrize("kind", [Response, SymmetricResponse])
@torch.no_grad()
def test_energy_does_not_depend_on_the_mixing(kind: Callable[..., ChargeModel]) -> None:
    """Nor on the restarts of GMRES: one density by every route, each with steps of its own number."""
    potential = assembled(lambda c, e: kind(c, e, GaussianBasis(0.6), hidden=4))
    image, problem = cycle(potential)
    rows, plane, output = problem.rows, problem.plane, potential(batch())
    first, target = plane.onto(torch.zeros_like(problem.external)), torch.full_like(plane.total, 1e-11)
    constant = image(first)
    routes = [anderson(image, first, rows, target, 500, depth, mixing) for depth, mixing in ((3, 0.2), (8, 0.5))]
    for restart in (3, 40):
        b = constant - first
        step = gmres(lambda x: x - image(first + x) + constant, b, rows, target, 500, restart=restart)
        routes.append(replace(step, x=first + step.x))
    for route in routes:
        long = potential.charges.energy(route.x, problem) + problem.coulomb.energy(route.x)
        close(long, output.energy_long, 1e-9)
        close(route.x, output.density, 1e-9)
    assert len({route.iterations.max().item() for route in routes}) == 4


@pytest.mark.parametrize(("kind", "highest"), [(Equilibration, 0.4), (SplitChargeEquilibration, 0.1)])
def test_iterations_hardly_grow_with_length(kind: Callable[..., ChargeModel], highest: float) -> None:
    """Chains that a field polarizes, from 32 to 256 atoms: less than the square root of the length, with bonds none."""
    steps = []
    for length in (32, 64, 128, 256):
        chain = Atoms("CO" * (length // 2), [[1.6 * n, 0, 0] for n in range(length)])
        chain.info["external_field"] = [0.05, 0.0, 0.0]
        solution = assembled(lambda c, e: kind(c, e, GaussianBasis(0.7), hidden=4))(System.from_ase(chain)).solution
        assert solution.status == (Status.CONVERGED,)
        steps.append(solution.iterations.item())
    exponent = np.log(steps[-1] / steps[0]) / np.log(8)
    assert steps[0] > 3 and exponent < highest
