"""What cannot be solved is said (PHYSICS T18): each failure is an error, or a status, whose sentence tells what to do.

Of E(p) = chi.p + 1/2 p.(J + V) p on the plane, a minimum exists if and only if J + V is positive along it. V is, and J
is by construction: eta = softplus(x) + eta_min for any weights. So singular and indefinite energies need a J that no
weights give; what is left are weights that are not finite, structures without a meaning, and charges that do not
add up. Elsewhere: missing and contradictory charges (test_system.py, test_ensemble.py), solvers that end too early
(the tests of each model), failures in simulations (dynamics/test_run.py), and damaged folders (test_storage.py).
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import segment
from leyden.calculators import LeydenCalculator
from leyden.charges import Equilibration, Local, Problem
from leyden.charges.bonded import STIFFNESS
from leyden.charges.compliance import SplitChargeEquilibration
from leyden.charges.equilibration import SOFTEST
from leyden.charges.local import SMALLEST_SOFTNESS
from leyden.charges.mixture import Mixture
from leyden.charges.model import ChargeModel
from leyden.charges.response import Response
from leyden.charges.spin import SpinEquilibration
from leyden.charges.split import Split
from leyden.charges.symmetric_response import SymmetricResponse
from leyden.charges.variational import Variational
from leyden.checks import InputError
from leyden.coulomb import Coulomb, field
from leyden.density import GaussianBasis
from leyden.features import Channels, Features
from leyden.neighbors import Graph, neighbor_list
from leyden.potential import Potential
from leyden.solve import Blocks, Curvature, Plane, Rows, Settings, Solution, Status, Unconverged, stationary
from leyden.storage import load, save
from leyden.system import System
from leyden.testing.assembly import HYDROXIDE, assembled, batch
from leyden.testing.backbone import CRYSTAL, MOLECULE
from leyden.testing.numeric import close

BASIS = GaussianBasis(0.6)
CARBON = 1
"""Place of carbon among the elements."""
Kind = Callable[..., ChargeModel]


def potential_of(kind: Kind) -> Potential:
    return assembled(lambda channels, elements: kind(channels, elements, BASIS, hidden=4))


class Given(Equilibration):
    """Electronegativities (N,) eV/e and one hardness eV/e^2 of any sign."""

    def __init__(self, chi: list[float], hardness: float, unconverged: str = "raise") -> None:
        super().__init__(Channels(1, 0, 0), (1, 8), BASIS, 1, Settings(unconverged=unconverged))
        self.given, self.eta = torch.tensor(chi, dtype=torch.float64)[:, None], hardness

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor]:
        return self.given, torch.full_like(self.given, self.eta)[:, :, None]


def pair() -> Problem:
    """Two atoms, whose charges can move in one way only: (q, -q)."""
    system = System.from_ase(Atoms("HO", [[0, 0, 0], [0, 0, 1.5]]))
    one = torch.ones(2, 1, dtype=torch.float64)
    features = Features(0 * one[:, 0], one, one.new_zeros(2, 3, 0), one.new_zeros(2, 3, 3, 0))
    graph = Graph.of(system, neighbor_list(system, 3.0))
    return Problem(system, features, graph, Coulomb().bind(system, BASIS), field.uniform(system, BASIS))


def flat(problem: Problem) -> float:
    """The hardness for which the energy of `pair` has no curvature."""
    v = problem.coulomb.dense()
    return (v[0, 1] - v[0, 0]).item()


@pytest.mark.parametrize("largest", [0, 1000])
@pytest.mark.parametrize("below", [0.01, 3.0])
def test_energy_without_a_minimum(below: float, largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status says so, and the curvature that it reports is that of the only direction there is."""
    monkeypatch.setattr("leyden.charges.problem.LARGEST_OPEN", largest)
    problem = pair()
    with pytest.raises(Unconverged, match=r"structure 0: the energy has no minimum .* train with a stability loss"):
        Given([1.0, -1.0], flat(problem) - below).solve(problem)
    found = Given([1.0, -1.0], flat(problem) - below, "report").solve(problem)
    assert found.status == (Status.INDEFINITE,) and found.failed.all()
    assert found.curvature.item() == pytest.approx(-below, abs=1e-6)


def test_least_hardness() -> None:
    """The curvature of a pair is that of the Gaussians and eta_min, if its weights ask for no hardness at all."""
    problem = pair()
    model = Equilibration(Channels(1, 0, 0), (1, 8), BASIS, hidden=1).double()
    with torch.no_grad():
        model.hardness.bias.fill_(-1e4)
    found = model.solve(problem)
    assert found.status == (Status.CONVERGED,) and found.density.abs().min() > 1e-2
    assert found.curvature.item() == pytest.approx(SOFTEST - flat(problem), rel=1e-6)


@pytest.mark.parametrize("unconverged", ["raise", "report"])
def test_singular_equations(unconverged: str) -> None:
    """A = [[1, 1], [1, 1]] with sum p fixed: no curvature, a force, and no density; the other structure has one."""
    plane = Plane((0,), torch.tensor([0, 0, 1, 1]), torch.zeros(2, dtype=torch.float64), torch.tensor([True, True]))
    rows, blocks = Rows(plane.group, 2), torch.ones(4, 1, 1, dtype=torch.float64)
    a, extra = (torch.tensor(x, dtype=torch.float64)[:, None] for x in ([1, -1, 1, -1], [0, 0, 2, 2]))

    def turned(p: Tensor) -> Tensor:
        return segment.total(p, rows.index, 2)[rows.index] + extra * p

    inverse = Curvature(turned, Blocks(blocks, plane), plane, rows, Settings(unconverged=unconverged))
    if unconverged == "raise":
        with pytest.raises(Unconverged, match="after 0 iterations for structure 0: the energy has no minimum"):
            stationary(lambda p: a + turned(p), inverse, torch.zeros_like(a))
        return
    found = stationary(lambda p: a + turned(p), inverse, torch.zeros_like(a))
    assert found.status == (Status.INDEFINITE, Status.CONVERGED)
    close(found.curvature, torch.tensor([0.0, 2.0], dtype=torch.float64), 1e-12)
    close(found.density[2:, 0], torch.tensor([-0.5, 0.5], dtype=torch.float64), 1e-12)


BIASES: dict[str, tuple[Kind, str]] = {
    "equilibration": (Equilibration, "chi.bias"),
    "hardness": (Equilibration, "hardness.bias"),
    "spin": (SpinEquilibration, "level.bias"),
    "bonds": (SplitChargeEquilibration, "root.bias"),
    "response": (Response, "block.charge.bias"),
    "softness": (Response, "block.softness.bias"),
    "symmetric": (SymmetricResponse, "softness.bias"),
    "variational": (Variational, "local.quadratic.hardness.bias"),
    "mixture": (partial(Mixture, states=(0.0, 1.0)), "parabolas.bias"),
}
"""A model that solves for its density, and one of its weights."""


def poisoned(name: str) -> Potential:
    """With a weight of carbon that is not a number."""
    kind, bias = BIASES[name]
    potential = potential_of(kind)
    with torch.no_grad():
        attrgetter(bias)(potential.charges)[CARBON] = torch.nan
    return potential


@pytest.mark.parametrize("name", BIASES)
def test_weights_that_are_not_finite_have_a_status(name: str) -> None:
    """Of the structure that they concern; the others of the batch are what they are alone."""
    potential = poisoned(name)
    with potential.asked(report=True):
        output = potential(System.from_ase([HYDROXIDE, MOLECULE, HYDROXIDE]))
    assert output.solution is not None and output.charges is not None
    assert output.solution.status == (Status.CONVERGED, Status.BROKEN, Status.CONVERGED)
    assert output.solution.failed.tolist() == [False, True, False]
    alone = potential(System.from_ase(HYDROXIDE))
    close(output.energy[[0, 2]], alone.energy.expand(2), 1e-12)
    close(output.charges[:2], alone.charges, 1e-8)
    assert not output.energy[1].isfinite()


@pytest.mark.parametrize("name", BIASES)
def test_weights_that_are_not_finite_are_an_error(name: str) -> None:
    """From the calculator of a simulation too, which goes on with structures that they do not concern."""
    with pytest.raises(Unconverged, match="weights that are not finite"):
        poisoned(name)(System.from_ase([HYDROXIDE, MOLECULE]))
    calculator = LeydenCalculator(poisoned(name))
    with pytest.raises(InputError, match="weights that are not finite"):
        calculator.get_potential_energy(MOLECULE)
    assert math.isfinite(calculator.get_potential_energy(HYDROXIDE))


HARDNESSES: dict[str, tuple[Kind, list[str], float]] = {
    "equilibration": (Equilibration, ["hardness.bias"], SOFTEST),
    "spin": (SpinEquilibration, ["hardness.bias", "stiffness.bias"], 0.0),
    "bonds": (SplitChargeEquilibration, ["quadratic.hardness.bias"], STIFFNESS),
    "variational": (Variational, ["local.quadratic.hardness.bias"], SOFTEST),
}
"""A model, its hardnesses before they are made positive, and the least curvature of its energy."""


@pytest.mark.parametrize("name", HARDNESSES)
def test_hardness_of_a_loaded_model_is_positive(name: str, tmp_path: Path) -> None:
    """Whatever its weights say: there is a minimum, with the right charge, and the curvature that it has to have."""
    kind, biases, least = HARDNESSES[name]
    potential = potential_of(kind)
    with torch.no_grad():
        for bias in biases:
            attrgetter(bias)(potential.charges).fill_(-1e4)
    system = batch()
    found = load(save(potential, tmp_path / "model"))(system)
    assert found.solution is not None and found.charges is not None
    assert found.solution.status == (Status.CONVERGED,) * 4
    curvature = found.solution.curvature
    assert (curvature[~curvature.isnan()] >= least * (1 - 1e-9)).all() and (curvature > 0).any()
    total = torch.zeros(4, dtype=torch.float64).index_add(0, system.index, found.charges)
    close(total, system.charge, 1e-10)


@pytest.mark.parametrize("kind", [Local, Split])
def test_softness_of_zero(kind: Kind) -> None:
    """An element without softness takes next to nothing of the charge of a structure; if all are, they share alike."""
    potential = potential_of(kind)
    model = potential.charges
    softness, other = (
        (model.softness, model.charge.layers[-1]) if kind is Local else (model.initial.softness, model.transfer.last)
    )
    system = System.from_ase([HYDROXIDE] * 2, charge=[0, 1])

    def added() -> Tensor:
        """What the charge of the second structure adds to that of the first, whose features have no influence."""
        charges = potential(system).charges
        assert charges is not None
        return (charges[2:] - charges[:2]).detach()

    with torch.no_grad():
        for weight in (softness.layers[-1].weight, other.weight):
            weight.zero_()
        softness.bias.copy_(torch.tensor([0.0, 0.0, -1e4]))
    soft = math.log(2.0) + SMALLEST_SOFTNESS
    shares = torch.tensor([SMALLEST_SOFTNESS, soft], dtype=torch.float64) / (soft + SMALLEST_SOFTNESS)
    close(added(), shares, 1e-12)
    with torch.no_grad():
        softness.bias.fill_(-1e4)
    close(added(), torch.full((2,), 0.5, dtype=torch.float64), 1e-12)


def test_radius_of_a_cycle_that_diverges() -> None:
    """p <- p_loc + x p with x = -3 along (1, -1): its fixed point p_loc / (1 - x) is found, and |x| reported."""
    problem = pair()
    model = Response(Channels(1, 0, 0), (1, 8), BASIS, hidden=1).double()
    slope = -3.0
    with torch.no_grad():
        for name, weight in model.block.named_parameters():
            if "by_potential" in name or "layers.2" in name:
                weight.zero_()
        model.block.charge.bias.copy_(torch.tensor([0.5, -0.5]))
        model.block.by_potential[0].bias.fill_(100 * slope / -flat(problem))
    found: Solution = model.solve(problem)
    expected = torch.tensor([[0.5], [-0.5]], dtype=torch.float64) / (1 - slope)
    close(found.density.detach(), expected, 1e-6)
    assert found.status == (Status.CONVERGED,) and found.radius.item() == pytest.approx(-slope, rel=1e-6)


def test_simulation_that_loses_its_positions() -> None:
    """Said by name and remedy; and the calculator does not remember it."""
    calculator, atoms = LeydenCalculator(potential_of(Equilibration)), MOLECULE.copy()
    atoms.calc = calculator
    energy = atoms.get_potential_energy()
    before = atoms.positions.copy()
    for bad in (np.nan, np.inf):
        atoms.positions[2, 1] = bad
        with pytest.raises(InputError, match=r"positions: expected finite numbers, got .* \(2, 1\); remove or repair"):
            atoms.get_potential_energy()
        atoms.positions = before
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-10)


@pytest.mark.parametrize("kind", [Local, Equilibration, Response])
def test_overlapping_atoms(kind: Kind) -> None:
    """In one place, or one in that of the image of another: named, with the structure and the remedy."""
    potential = potential_of(kind)
    double, image = MOLECULE.copy(), CRYSTAL.copy()
    double.positions[4] = double.positions[6] + 1e-4
    image.positions[3] = image.positions[1] + image.cell[0] - image.cell[2]
    for bad, atoms in ((double, "4 and 6"), (image, "1 and 3")):
        sentence = rf"positions: expected atoms apart from each other, got atoms {atoms} of structure 1 .*; remove one"
        with pytest.raises(InputError, match=sentence):
            potential(System.from_ase([HYDROXIDE, bad]))


def test_charge_of_a_simulation_against_that_of_its_fragments() -> None:
    """The charge given to the calculator counts, and has to be the sum of those of the fragments."""
    atoms = HYDROXIDE.copy()
    atoms.new_array("fragment", np.array([0, 1]))
    atoms.new_array("fragment_charge", np.array([0.25, -0.25]))
    neutral, charged = (LeydenCalculator(potential_of(Equilibration), charge=charge) for charge in (0, 1))
    np.testing.assert_allclose(neutral.get_property("charges", atoms), [0.25, -0.25], atol=1e-12)
    with pytest.raises(InputError, match=r"sum to the total charge 1 e, got 0 e; correct one of them"):
        charged.get_potential_energy(atoms)


def test_electrodes_cannot_hold_the_total_charge() -> None:
    """It is that of everything else, which is nothing here."""
    atoms = CRYSTAL.copy()
    atoms.new_array("electrode_potential", np.full(len(atoms), 0.5))
    with pytest.raises(InputError, match=r"sum to the total charge 1 e, got 0 e; correct one of them"):
        System.from_ase(atoms, charge=1)


@pytest.mark.parametrize("spin", [0, -3, 0.5])
def test_multiplicity(spin: float) -> None:
    with pytest.raises(InputError, match="spin: expected a multiplicity 2S \\+ 1 of at least 1, got"):
        System.from_ase(MOLECULE, spin=spin)


def test_positions_lost_inside() -> None:
    """Those that no file brought in."""
    system = System.from_ase(MOLECULE)
    bad = replace(system, positions=system.positions * torch.nan)
    with pytest.raises(InputError, match=r"positions: expected finite numbers, got nan at index \(0, 0\)"):
        potential_of(Equilibration)(bad)


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    """A model that diverged is refused when it is loaded."""
    potential = potential_of(Local)
    with torch.no_grad():
        potential.backbone.last[0] = torch.nan
    save(potential, tmp_path / "model", {})
    with pytest.raises(InputError, match=r"expected finite weights, got backbone.last with numbers that are not"):
        load(tmp_path / "model")
