"""Two plates of a solved metal at fixed potentials (PHYSICS T10): a parallel-plate capacitor.

With d the distance between the outermost nuclei, and the field entering each plate to the depth l (Å),

    C / A = eps0 / (d + 2 l),    q = C Psi,    Omega = E - sum Psi q,    dOmega/dPsi = -q,    F = -q^2 / (2 eps0 A).

l is measured apart from any capacitor: in a field, one plate of thickness t has the dipole eps0 A field (t - 2 l) of
charges that are centred on its two effective surfaces (Lang & Kohn, Phys. Rev. B 7, 3541). In layers at the spacing s,
potentials fall by a factor x from one to the next, and with l0 the depth of a single layer (test_electrodes.py),

    (1 - x)^2 / x = s / l0,    l = l0 (1 - x):

the Thomas-Fermi equation of a layered metal, exact where layers are so far apart that their Gaussians do not overlap.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from leyden.backbones.backbone import Backbone
from leyden.baseline import Baseline
from leyden.charges import Equilibration
from leyden.charges.equilibration import SOFTEST
from leyden.charges.readout import inverse_softplus
from leyden.coulomb import Coulomb
from leyden.density import GaussianBasis
from leyden.derivatives import forces
from leyden.features import Channels, Features
from leyden.neighbors import Graph
from leyden.potential import Output, Potential
from leyden.solve import Status
from leyden.system import System
from leyden.testing.numeric import central
from leyden.units import COULOMB

EPS0 = 1 / (4 * math.pi * COULOMB)
"""e^2 / (eV Å)."""
SPACING, WIDTH, LAYERS, HEIGHT = 2.5, 0.7, 5, 90.0
"""Of the simple cubic metal and its Gaussians, Å; layers of a plate; height of cells with vacuum, Å."""
AREA = SPACING**2
GOLD, SILVER = 79, 47


class Nothing(Backbone):
    """No short-range energy, and the same features of all atoms."""

    cutoff, elements, channels = 1.0, (SILVER, GOLD), Channels(1, 0, 0)

    def forward(self, graph: Graph) -> Features:
        one = torch.ones_like(graph.system.positions[:, :1])
        return Features(0 * one[:, 0], one, one.new_zeros(len(one), 3, 0), one.new_zeros(len(one), 3, 3, 0))


def metal(hardness: float = 8.0, volta: float = 0.0, images: str = "truncated") -> Potential:
    """Of one hardness (eV/e^2); the electronegativity of silver is that of gold plus volta (V)."""
    model = Equilibration(Nothing.channels, Nothing.elements, GaussianBasis(WIDTH), hidden=1).double()
    with torch.no_grad():
        for readout in (model.chi, model.hardness):
            readout.layers[-1].weight.zero_()
        model.chi.bias.copy_(torch.tensor([volta, 0.0]))
        model.hardness.bias.fill_(inverse_softplus(torch.tensor(hardness - SOFTEST, dtype=torch.float64)).item())
    return Potential(Nothing(), model, Coulomb(1e-10, images=images), Baseline({}))


def layers(heights: list[float], symbols: str | list[str]) -> Atoms:
    """One atom of the cell in each layer, periodic along x and y."""
    return Atoms(symbols, [[0, 0, z] for z in heights], cell=[SPACING, SPACING, HEIGHT], pbc=[True, True, False])


def capacitor(distance: float, low: float, high: float, upper: str = "Au") -> System:
    """A plate of gold at the potential low (V), and one above it at high."""
    depths = [SPACING * n for n in range(LAYERS)]
    heights = [-distance / 2 - z for z in depths] + [distance / 2 + z for z in depths]
    atoms = layers(heights, ["Au"] * LAYERS + [upper] * LAYERS)
    atoms.new_array("electrode_potential", np.repeat([low, high], LAYERS))
    return System.from_ase(atoms)


def charge(output: Output) -> float:
    """Of the upper plate, e, after a look at the lower one."""
    assert output.charges is not None and output.solution is not None
    assert output.solution.status == (Status.CONVERGED,)
    lower, upper = output.charges.view(2, LAYERS)
    torch.testing.assert_close(lower, -upper, rtol=0.0, atol=1e-10)
    return upper.sum().item()


def depth_in_a_field(potential: Potential, count: int = 2 * LAYERS, field: float = 0.1) -> float:
    """l of one free plate, Å."""
    atoms = layers([SPACING * n for n in range(count)], f"Au{count}")
    atoms.info["external_field"] = [0.0, 0.0, field]
    dipole = potential(System.from_ase(atoms)).dipole
    return ((count - 1) * SPACING - dipole[0, 2].item() / (EPS0 * AREA * field)) / 2


def depth_of_layers(hardness: float) -> float:
    """l of the Thomas-Fermi equation above, Å."""
    m = torch.arange(-20, 21, dtype=torch.float64)
    g = 2 * math.pi / SPACING * torch.hypot(m[:, None], m[None]).flatten()
    g = g[g > 0]
    single = -WIDTH / math.sqrt(math.pi) + 0.5 * (torch.erfc(WIDTH * g) / g).sum().item() + hardness * AREA * EPS0
    half = 1 + SPACING / (2 * single)
    return single * (1 - half + math.sqrt(half**2 - 1))


@pytest.mark.parametrize("images", ["truncated", "corrected"])
def test_capacitance(images: str) -> None:
    """C / A = eps0 / (d + 2 l) at every distance, with the l that one plate alone shows in a field."""
    potential, voltage = metal(images=images), 1.5
    depth = depth_in_a_field(potential)
    assert abs(depth) > 0.1
    for distance in (8.0, 11.0, 16.0, 40.0):
        found = charge(potential(capacitor(distance, -voltage / 2, voltage / 2)))
        assert found / voltage / AREA == pytest.approx(EPS0 / (distance + 2 * depth), rel=1e-7)


@pytest.mark.parametrize("hardness", [20.0, 40.0, 80.0])
def test_depth_is_that_of_a_layered_metal(hardness: float) -> None:
    """In a capacitor and in a field; the harder the metal the deeper, and the more of it is Thomas-Fermi's."""
    potential, distance = metal(hardness), 12.0
    found = (EPS0 * AREA / charge(potential(capacitor(distance, 0.0, 1.0))) - distance) / 2
    expected = depth_of_layers(hardness)
    assert 0.2 < expected < 1.6
    assert found == pytest.approx(expected, rel=1e-3)
    assert depth_in_a_field(potential, 20) == pytest.approx(expected, rel=1e-3)


def test_charge_follows_the_voltage() -> None:
    """In proportion, with its sign, and whatever the zero of the potential is."""
    potential = metal()
    capacitance = charge(potential(capacitor(10.0, 0.0, 1.0)))
    assert capacitance > 0
    for low, high in ((0.0, 3.0), (0.0, -0.2), (0.7, 1.7), (-4.0, -6.0), (2.0, 2.0)):
        assert charge(potential(capacitor(10.0, low, high))) == pytest.approx(capacitance * (high - low), abs=1e-10)


def test_plates_of_two_metals() -> None:
    """The difference of their electronegativities acts as a voltage: that of Volta."""
    plain, contact, volta = metal(), metal(volta=0.9), 0.9
    for voltage in (0.0, 0.9, 2.0):
        found = charge(contact(capacitor(10.0, 0.0, voltage, "Ag")))
        assert found == pytest.approx(charge(plain(capacitor(10.0, 0.0, voltage - volta))), abs=1e-10)


def test_grand_potential() -> None:
    """The energy is Omega = -1/2 C Psi^2, and its slope by the voltage -q: exact derivative and finite difference."""
    potential, voltage, system = metal(), 6.0, capacitor(10.0, 0.0, 6.0)
    given = system.ensemble
    assert given is not None
    high = torch.tensor([0.0] * LAYERS + [1.0] * LAYERS, dtype=torch.float64)

    def omega(psi: torch.Tensor) -> torch.Tensor:
        return potential(replace(system, ensemble=replace(given, potential=psi * high))).energy[0]

    psi = torch.tensor(voltage, dtype=torch.float64, requires_grad=True)
    energy, held = omega(psi), charge(potential(system))
    (slope,) = torch.autograd.grad(energy, psi)
    measured = central(lambda h: omega(torch.tensor(voltage + h, dtype=torch.float64)).detach(), 1e-2)
    assert held > 0.01
    assert energy.item() == pytest.approx(-0.5 * held * voltage, abs=1e-10)
    assert slope.item() == pytest.approx(-held, abs=1e-9)
    assert measured.item() == pytest.approx(-held, abs=1e-9)


def test_plates_attract() -> None:
    """At fixed potentials each is drawn to the other by q^2 / (2 eps0 A), the pressure of the field."""
    potential, system = metal(), capacitor(10.0, 0.0, 6.0)
    found = forces(potential, system, stress=False)
    pull = found.forces.view(2, LAYERS, 3).sum(1)
    expected = charge(found.output) ** 2 / (2 * EPS0 * AREA)
    assert expected > 1e-3
    torch.testing.assert_close(
        pull, torch.tensor([[0, 0, expected], [0, 0, -expected]], dtype=torch.float64), rtol=0.0, atol=1e-9
    )
