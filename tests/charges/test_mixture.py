"""Mixture: the contract of a charge model; every minimum of pairs of atoms against a scan of all charges."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import Equilibration, Problem
from leyden.charges.mixture import Mixture
from leyden.charges.model import ChargeModel
from leyden.charges.states import MixtureEnergy
from leyden.charges.variational import objective
from leyden.checks import InputError
from leyden.coulomb import field
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.features import Channels
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.solve import Settings, Status, Unconverged
from leyden.solve.minima import SeveralMinima, compared
from leyden.solve.minimise import descended, verified
from leyden.system import System
from leyden.testing.assembly import assembled
from leyden.testing.charges import ChargeModelContract
from leyden.testing.numeric import central, close, derivatives_of, random

FAR = 20.0
HARDNESS = torch.tensor([12.0, 9.0, 14.0])
"""eV/e^2, of H, C and O, without what a charge does to itself."""
TEMPERATURE = 0.2


class TestCharges(ChargeModelContract):
    size_consistent = False

    def make(self, channels: Channels, elements: tuple[int, ...]) -> ChargeModel:
        return Mixture(channels, elements, GaussianBasis(0.6), (0.0, 1.0), hidden=4)


def plain(settings: Settings | None = None, levels: tuple[float, ...] = (0.0, 0.3, 0.8)) -> Potential:
    """States of charge 0 and 1 on H, C and O, the same in any surroundings; levels of the charged ones in eV."""
    potential = assembled(lambda c, e: Mixture(c, e, GaussianBasis(1.0), (0.0, 1.0), TEMPERATURE, 4, settings))
    parabolas = potential.charges.parabolas
    with torch.no_grad():
        parabolas.layers[-1].weight.zero_()
        parabolas.bias.zero_()
        parabolas.bias[:, 1] = torch.tensor(levels)
        parabolas.bias[:, 2:4] = HARDNESS[:, None]
    return potential


def pair(symbols: str = "H2", distance: float = FAR) -> System:
    """Two atoms that share a charge of +1."""
    return System.from_ase(Atoms(symbols, [[0, 0, 0], [distance, 0, 0]]), charge=1)


def trio() -> System:
    """Three atoms that share a charge of +1."""
    return System.from_ase(Atoms("HCO", [[0, 0, 0], [2.5, 0, 0], [2.0, 3.1, 0.4]]), charge=1)


def solved(potential: Potential, system: System, start: Tensor | None = None) -> SeveralMinima:
    """What the charge model reports."""
    solution = potential(system, start=start).solution
    assert isinstance(solution, SeveralMinima)
    return solution


def problem(potential: Potential, system: System) -> Problem:
    """What the charge model sees."""
    graph = Graph.of(system, neighbor_list(system, potential.backbone.cutoff))
    basis = potential.charges.basis
    bound = potential.coulomb.bind(system, basis)
    return Problem(system, potential.backbone(graph), graph, bound, field.uniform(system, basis))


def energies(potential: Potential, system: System, densities: Tensor) -> Tensor:
    """E of densities (M, N) of one structure, (M,) eV, from V as a matrix."""
    seen = problem(potential, system)
    local, matrix = potential.charges.bind(seen), seen.coulomb.dense()
    with torch.no_grad():
        each = torch.stack(
            [
                MixtureEnergy(
                    *(x[[n]] for x in (local.level, local.hardness, local.centre, local.own)), local.temperature
                ).energy(densities[:, [n]])
                for n in range(densities.shape[1])
            ]
        )
        return each.sum(0) + 0.5 * torch.einsum("mi,ij,mj->m", densities, matrix, densities)


def scanned(potential: Potential, system: System) -> tuple[Tensor, Tensor]:
    """Every minimum of a pair among charges (q, 1 - q): q and the energy, by ascending energy."""
    q = torch.linspace(-1.0, 2.0, 60001, dtype=torch.float64)
    found = energies(potential, system, torch.stack([q, 1.0 - q], 1))
    lowest = (found[1:-1] < found[:-2]) & (found[1:-1] < found[2:])
    charge, energy = q[1:-1][lowest], found[1:-1][lowest]
    order = energy.argsort()
    return charge[order], energy[order]


def test_equal_atoms_take_the_charge_one_or_the_other() -> None:
    """Two broken-symmetry minima of equal energy, below the shared charge, which is a saddle."""
    potential, system = plain(), pair()
    solution = solved(potential, system)
    charge, energy = scanned(potential, system)
    assert len(charge) == 2 and solution.status == (Status.CONVERGED,)
    close(solution.minima[0, :2], torch.zeros(2, dtype=torch.float64), 1e-9)
    assert solution.minima[0, 2:].isnan().all() and solution.densities[2:].isnan().all()
    close(solution.densities[:2, 0, 0].sort().values, charge.sort().values, 5e-5)
    close(solution.spread, torch.zeros(1, dtype=torch.float64), 1e-9)
    close(potential(system).energy_long[0], energy[0], 1e-8)
    shared = energies(potential, system, torch.tensor([[0.5, 0.5]], dtype=torch.float64))
    assert shared[0] - energy[0] > 1.0 and solution.curvature[0] > HARDNESS[0] / 2


@pytest.mark.parametrize("distance", [3.5, FAR])
@pytest.mark.parametrize("symbols", ["HC", "OC", "HO"])
def test_every_minimum_of_a_pair(symbols: str, distance: float) -> None:
    """The energies of the states apart, in order, and the charges in each; the chosen one is the lowest."""
    potential, system = plain(), pair(symbols, distance)
    solution = solved(potential, system)
    charge, energy = scanned(potential, system)
    assert len(charge) == 2
    close(solution.minima[0, :2], energy - energy[0], 1e-7)
    close(solution.densities[:2, 0, 0], charge, 5e-5)
    close(solution.density, solution.densities[0], 1e-10)
    close(solution.spread[0], energy[1] - energy[0], 1e-7)
    assert solution.spread > 0.1


def three_states() -> Potential:
    """States of charge -1, 0 and 1, where charges shared by equal atoms are a minimum of their own, a high one."""
    potential = assembled(lambda c, e: Mixture(c, e, GaussianBasis(1.0), (-1.0, 0.0, 1.0), TEMPERATURE, 4))
    parabolas = potential.charges.parabolas
    with torch.no_grad():
        parabolas.layers[-1].weight.zero_()
        parabolas.bias.zero_()
        parabolas.bias[:, :3] = torch.tensor([1.4, 0.0, 1.4])
        parabolas.bias[:, 3:6] = HARDNESS[:, None]
    return potential


def ring(number: int, charge: int = 1, radius: float = FAR) -> System:
    """Equal atoms that share a charge."""
    angle = 2.0 * math.pi * torch.arange(number, dtype=torch.float64) / number
    places = radius * torch.stack([angle.cos(), angle.sin(), 0.0 * angle], 1)
    return System.from_ase(Atoms(f"H{number}", places.numpy()), charge=charge)


@pytest.mark.parametrize("charge", [1, -1])
def test_equal_atoms_take_the_charge_though_sharing_is_a_minimum(charge: int) -> None:
    """Both minima of equal energy are listed before the shared charge; the first atom is the more positive."""
    potential, system = three_states(), replace(pair(), charge=torch.tensor([charge], dtype=torch.float64))
    solution = solved(potential, system)
    whole = torch.tensor([1.0, 0.0] if charge > 0 else [0.0, -1.0], dtype=torch.float64)
    close(solution.density[:, 0], whole, 0.05)
    close(solution.densities[:3, :, 0], torch.stack([whole, whole.flip(0), 0.0 * whole + 0.5 * charge]), 0.05)
    assert solution.minima[0, :2].max() < 1e-9 and solution.minima[0, 2] > 1.0 and solution.minima[0, 3:].isnan().all()
    for density in solution.densities[:3]:
        check_minimum(potential, system, density)
    if charge > 0:
        found, energy = scanned(potential, system)
        close(energy - energy[0], solution.minima[0, :3], 1e-7)
        close(found[2:], solution.densities[2, :1, 0], 5e-5)


def test_which_of_equal_atoms_does_not_depend_on_roundoff() -> None:
    """Of any number, in any orientation, in a batch and in single precision: the first."""
    potential, parts = three_states(), [ring(2), ring(8), pair("HC"), ring(4, 0), ring(3)]
    for number in range(3):
        turn = torch.linalg.qr(random(number, 3, 3)).Q
        places = [part.positions @ turn.T + 1e-9 * random(number, *part.positions.shape) for part in parts[:5]]
        parts += [replace(part, positions=place) for part, place in zip(parts[:5], places, strict=True)]
    together = System.join(parts)
    whole = solved(potential, together)
    for s, part in enumerate(parts):
        alone, here = solved(potential, part), together.index == s
        count = int(alone.minima.isfinite().sum())
        close(whole.density[here], alone.density, 1e-8)
        close(whole.minima[s, :count], alone.minima[0, :count], 1e-8)
        close(whole.densities[:count, here], alone.densities[:count], 1e-7)
        assert whole.minima[s, count:].isnan().all()
        assert part.charge == 0 or (alone.density[0] > 0.9 and alone.density[1:].abs().max() < 0.1)
        assert len(part.positions) < 8 or alone.densities[:4].argmax(1).flatten().tolist() == [0, 1, 2, 3]
    single = potential.float()(System.join(parts[:2]).to(dtype=torch.float32)).density
    close(single, whole.density[: len(single)].float(), 1e-4)


def test_as_many_atoms_as_the_charge_needs() -> None:
    """Two charges on opposite ones of eight equal atoms; those of two fragments on an atom of each."""
    potential = three_states()
    density = solved(potential, ring(8, charge=2)).density
    close(density[[0, 4]], torch.ones(2, 1, dtype=torch.float64), 0.1)
    assert density[[1, 2, 3, 5, 6, 7]].abs().max() < 0.1
    atoms = Atoms("H4", ring(4).positions.numpy())
    atoms.set_array("fragment", np.array([0, 1, 1, 0]))
    atoms.set_array("fragment_charge", np.array([1.0, -1.0, -1.0, 1.0]))
    pieces = solved(potential, System.from_ase(atoms, charge=0))
    assert pieces.density[[0, 3], 0].sum().item() == pytest.approx(1.0)
    close(pieces.density[:, 0].abs().sort().values, torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64), 0.1)


def test_minima_are_minima() -> None:
    """Random molecules: no force along the plane and positive curvature on it at each; in a batch as alone."""
    potential = assembled(lambda c, e: Mixture(c, e, GaussianBasis(1.0), (-1.0, 0.0, 1.0), 0.2, 4))
    frames = [Atoms(s, 2.5 * random(n, len(s), 3).numpy()) for n, s in enumerate(("HCOH", "OHO", "CHHOC"))]
    system = System.from_ase(frames, charge=[1, -1, 2])
    solution = solved(potential, system)
    several = 0
    for s, part in enumerate(system.split()):
        alone = solved(potential, part)
        assert torch.equal(alone.minima.isnan().logical_not().sum(), solution.minima[s].isnan().logical_not().sum())
        for n in range(int(solution.minima[s].isfinite().sum())):
            density = solution.densities[n, system.index == s]
            close(density, alone.densities[n], 1e-8)
            close(solution.minima[s, n], alone.minima[0, n], 1e-9)
            check_minimum(potential, part, density)
            several += n
    assert several > 2


def check_minimum(potential: Potential, system: System, density: Tensor) -> None:
    """Of E on the plane, by automatic derivatives."""
    seen = problem(potential, system)

    def energy(p: Tensor) -> Tensor:
        return (potential.charges.energy(p, seen) + seen.coulomb.energy(p)).sum()

    force = torch.func.grad(energy)(density)
    matrix = torch.autograd.functional.hessian(energy, density).view(len(density), -1)
    along = torch.linalg.svd(torch.ones(1, len(density), dtype=torch.float64)).Vh[1:]
    assert (force - force.mean()).abs().max() < 1e-8
    assert torch.linalg.eigvalsh(along @ matrix @ along.T).min() > 0.1


def test_distant_atoms_are_whole() -> None:
    """Ions and neutral atoms at 1000 Å, where equilibration leaves fractions of charges."""
    together = System.from_ase([Atoms("HO", [[0, 0, 0], [1000.0, 0, 0]])] * 2, charge=[0, 1])
    found = plain()(together).charges
    close(found, torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64), 1e-3)
    fractions = assembled(lambda c, e: Equilibration(c, e, GaussianBasis(1.0), hidden=4))(together).charges
    assert fractions.abs().min() > 0.02


def test_start_stays_in_its_minimum() -> None:
    """A density to start from leads to its own minimum, with the forces of that minimum, the lowest or not."""
    potential, system = plain(), trio()
    free = solved(potential, system)
    higher = solved(potential, system, 1.02 * free.densities[1])
    close(higher.density, free.densities[1], 1e-9)
    assert higher.minima.shape == (1, 1) and free.minima.shape == (1, 8)
    step = random(1, 3, 3)

    def energy(h: float) -> Tensor:
        return potential(replace(system, positions=system.positions + h * step), start=free.densities[1]).energy

    positions = system.positions.clone().requires_grad_()
    output = potential(replace(system, positions=positions), start=free.densities[1])
    (slope,) = torch.autograd.grad(output.energy.sum(), positions)
    close((slope * step).sum(), central(energy)[0], 1e-7)
    lowest = forces(potential, system, stress=False)
    close(output.energy - lowest.output.energy, free.minima[:, 1], 1e-9)
    assert (slope + lowest.forces).abs().max() > 1e-3


def test_failed_starts_hide_no_minimum() -> None:
    """A descent that fails close to a minimum does not count, nor the order of the others."""
    potential, system = plain(), pair("HC")
    seen = problem(potential, system)
    goal = objective(potential.charges.bind(seen), seen, Settings(), trained=True)
    free = solved(potential, system)
    low, high = (verified(goal, descended(goal, density)) for density in free.densities[:2])
    chosen = compared(goal, [replace(low, status=(Status.LIMIT,)), high, low])
    assert chosen.status == (Status.CONVERGED,) and torch.equal(chosen.density, low.density)
    close(chosen.minima[0, :2], free.minima[0, :2], 1e-9)
    assert chosen.minima[0, 2].isnan() and free.minima[0, 1] < 1.0


def test_force_and_curvature_are_the_derivatives_of_the_energy() -> None:
    """Where states mix, the curvature is negative, and never above the mean hardness."""
    states = random(1, 30, 3), 5 + random(2, 30, 3).abs(), torch.tensor([-1.0, 0.0, 1.0]) + 0.1 * random(3, 30, 3)
    local = MixtureEnergy(*states, 8 + random(5, 30, 1), 0.3)
    density = random(4, 30, 1)
    derivatives_of(local.energy, density)
    p = density.clone().requires_grad_()
    (slope,) = torch.autograd.grad(local.energy(p).sum(), p, create_graph=True)
    close(local.force(density), slope.detach(), 1e-12)
    (curvature,) = torch.autograd.grad(slope.sum(), p)
    close(local.curvature(density)[:, 0], curvature, 1e-12)
    assert curvature.min() < -1.0 and curvature.max() > 4.0
    assert (local.upper(density) > 4.9).all() and (local.upper(density) >= local.curvature(density)).all()


def test_energy_is_that_of_the_lowest_state() -> None:
    """Between min_m U_m - T log K and min_m U_m; e_m at a centre, the energy of the Gaussian with itself included."""
    level, own = torch.tensor([[0.4, 0.0, 0.7]]).double(), torch.full((1, 1), 9.0).double()
    local = MixtureEnergy(level, 0 * level + 20.0, torch.tensor([[-1.0, 0.0, 1.0]]).double(), own, 0.05)
    for state, charge in enumerate((-1.0, 0.0, 1.0)):
        q = torch.full((1, 1), charge).double()
        close(local.energy(q) + 4.5 * charge**2, level[:, state], 1e-12)
    between = local.energy(torch.full((1, 1), 0.5).double()) + 4.5 * 0.25
    assert 3.625 - 0.05 * 1.0987 < between.item() < 3.625


def test_too_few_iterations_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the matrix that makes one product enough."""
    monkeypatch.setattr("leyden.charges.problem.LARGEST_OPEN", 0)
    with pytest.raises(Unconverged, match="allow more iterations"):
        plain(Settings(iterations=1))(trio())
    reported = solved(plain(Settings(iterations=1, unconverged="report")), trio())
    assert reported.status == (Status.LIMIT,)
    assert reported.failed.all() and reported.minima.isnan().all()


def test_weights_that_are_not_finite_are_said() -> None:
    potential = plain()
    with torch.no_grad():
        potential.charges.parabolas.bias[0, 0] = torch.nan
    with pytest.raises(Unconverged, match="not finite"):
        potential(pair())


def test_what_cannot_be_built_is_said() -> None:
    channels = Channels(4, 4, 0)
    with pytest.raises(InputError, match="one shell of charges"):
        Mixture(channels, (1,), GaussianBasis(lmax=1))
    for states in ((1.0,), (0.0, 0.0)):
        with pytest.raises(InputError, match="two or more states"):
            Mixture(channels, (1,), GaussianBasis(), states)
    with pytest.raises(InputError, match="positive temperature"):
        Mixture(channels, (1,), GaussianBasis(), temperature=0.0)
