"""Charge equilibration with fragments and electrodes: against dense equations, and the physics of a metal.

An image charge feels -k_e q^2 / (4 (z - z0)) above a conductor; a Thomas-Fermi metal of hardness eta and density n of
atoms screens a charge over the length 1 / kappa, kappa^2 = 4 pi k_e n / eta.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.charges import Equilibration, Local, Problem
from leyden.checks import InputError
from leyden.coulomb import Coulomb, field
from leyden.density import GaussianBasis, total_charge
from leyden.features import Channels, Features
from leyden.neighbors import Graph, neighbor_list
from leyden.solve import Settings, Solution
from leyden.system import System
from leyden.testing.assembly import assembled
from leyden.testing.numeric import central, close, random
from leyden.units import COULOMB

NAN = math.nan


class Plain(Equilibration):
    """One electronegativity (N,) and one hardness for all atoms, instead of readouts."""

    def __init__(self, basis: GaussianBasis, chi: Tensor, hardness: float, settings: Settings | None = None) -> None:
        super().__init__(Channels(1, 1, 0), (1, 8, 79), basis, 1, settings)
        self.given, self.eta = chi, hardness

    def parameters_of(self, problem: Problem) -> tuple[Tensor, Tensor]:
        dim = problem.basis.dim
        chi = torch.nn.functional.pad(self.given[:, None], (0, dim - 1))
        return chi, (self.eta * torch.eye(dim, dtype=chi.dtype)).expand(len(chi), dim, dim)


def problem(system: System, basis: GaussianBasis, accuracy: float = 1e-8) -> Problem:
    none = torch.zeros(len(system.positions), 0, dtype=system.positions.dtype)
    features = Features(none[:, :0].sum(1), none, none[:, None], none[:, None, None])
    graph = Graph.of(system, neighbor_list(system, 3.0))
    external = field.external(system, basis)
    return Problem(system, features, graph, Coulomb(accuracy).bind(system, basis), external)


def energy(model: Plain, given: Problem, solution: Solution) -> Tensor:
    p = solution.density
    return model.energy(p, given) + given.coulomb.energy(p) + given.rows.dot(p, given.external)


def fragments() -> System:
    atoms = Atoms("HOHOHO", np.random.default_rng(0).normal(size=(6, 3)) * 2.5, info={"total_charge": 1.0})
    atoms.new_array("fragment", np.array([0, 0, 1, 1, 2, 2]))
    atoms.new_array("fragment_charge", np.array([0.4, 0.4, NAN, NAN, NAN, NAN]))
    atoms.new_array("electrode_potential", np.array([NAN, NAN, NAN, NAN, 0.5, 0.5]))
    return System.from_ase([atoms, Atoms("HO", [[0, 0, 0], [0, 0, 1.0]], info={"total_charge": -1.0})])


def test_against_dense_equations() -> None:
    """Held fragment, the rest, an electrode: the KKT equations of both structures, solved by elimination."""
    system, basis, chi = fragments(), GaussianBasis(0.6), random(1, 8)
    given, model = problem(system, basis), Plain(basis, chi, 6.0)
    found = model.solve(given)
    matrix = given.coulomb.dense() + 6.0 * torch.eye(8, dtype=torch.float64)
    held = torch.tensor([[1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1]]).double()
    whole = torch.cat([torch.cat([matrix, held.T], 1), torch.cat([held, torch.zeros(3, 3).double()], 1)])
    charge = torch.tensor([0.4, 0.6, -1.0], dtype=torch.float64)
    exact = torch.linalg.solve(whole, torch.cat([-chi - given.external[:, 0], charge]))
    close(found.density[:, 0], exact[:8], 1e-9)
    close(found.potential, -exact[[8, 10]], 1e-8)
    assert (found.density[4:6, 0].sum() - exact[4:6].sum()).abs() < 1e-9 and found.density[4:6].abs().min() > 1e-3


def test_chemical_potential_is_the_derivative_by_the_charge() -> None:
    """mu = dE/dQ, and of an electrode at Psi: dE/dQ = Psi where E leaves out -Psi Q."""
    system, basis, chi = fragments(), GaussianBasis(0.6), random(1, 8)
    model = Plain(basis, chi, 6.0)

    def whole(charge: Tensor) -> Tensor:
        given = problem(replace(system, charge=charge), basis)
        return energy(model, given, model.solve(given))

    charge = system.charge.clone().requires_grad_()
    slope = torch.autograd.grad(whole(charge).sum(), charge)[0]
    found = model.solve(problem(system, basis)).potential
    measured = central(lambda h: whole(system.charge + h * torch.tensor([0.0, 1.0]).double()))[1]
    close(slope[1:], found[1:], 1e-8)
    close(slope[1], measured, 1e-7)


def metal(layers: int, spacing: float = 2.5, across: int = 8) -> Atoms:
    """A simple cubic slab, periodic along x and y."""
    grid = np.array(list(np.ndindex(across, across, layers)), dtype=float) * spacing
    return Atoms(f"Au{len(grid)}", grid, cell=[across * spacing] * 2 + [0], pbc=[True, True, False])


def test_image_charge() -> None:
    """A charge above a grounded slab (T9): what it induces, a constant potential inside, the energy of its image.

    With the array of its periodic images it has half the energy of itself and a mirror image about the plane z0.
    """
    basis, heights, slab = GaussianBasis({79: 0.9, 1: 0.5}), (5.0, 6.0, 7.0), metal(2)
    count, energies = len(slab), []
    for height in heights:
        atoms = slab + Atoms("H", [[slab.cell[0, 0] / 2, slab.cell[1, 1] / 2, 2.5 + height]])
        atoms.info["total_charge"] = 1.0
        atoms.new_array("electrode_potential", np.array([0.0] * count + [NAN]))
        given = problem(System.from_ase(atoms), basis, 1e-7)
        model = Plain(basis, torch.zeros(count + 1, dtype=torch.float64), 1e-3)
        found = model.solve(given)
        felt = given.coulomb.apply(found.density)[:count, 0]
        assert (felt - felt.mean()).abs().max() < 1e-4 * COULOMB / height
        assert found.density[:count, 0].sum().item() == pytest.approx(-1.0, abs=1e-9)
        energies.append(energy(model, given, found).item())

    def image(height: float, plane: float) -> float:
        pair = Atoms("HH", [[0, 0, height - plane], [0, 0, plane - height]], cell=slab.cell, pbc=slab.pbc)
        charges = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        return 0.5 * Coulomb(1e-8).bind(System.from_ase(pair), basis).energy(charges).item()

    low, high = 0.0, 3.0
    for _ in range(40):
        plane = 0.5 * (low + high)
        step = image(heights[1], plane) - image(heights[0], plane)
        low, high = (plane, high) if step < energies[1] - energies[0] else (low, plane)
    assert 0.1 < plane < 2.0  # outside the outermost nuclei
    assert energies[2] - energies[1] == pytest.approx(image(heights[2], plane) - image(heights[1], plane), rel=0.02)


def test_thomas_fermi_length() -> None:
    """The charge of a plate decays into a metal as exp(-kappa z), kappa^2 = 4 pi k_e n / eta (T9), for long waves."""
    spacing, layers, eta = 1.0, 30, 4.0 * math.pi * COULOMB * 16.0
    atoms = metal(layers, spacing, 1)
    atoms.info["external_field"] = [0.0, 0.0, 0.1]
    system = System.from_ase(atoms, charge=0)
    basis = GaussianBasis(0.45)
    model = Plain(basis, torch.zeros(layers, dtype=torch.float64), eta)
    q = model.solve(problem(system, basis)).density[:, 0]
    assert (q + q.flip(0)).abs().max() < 1e-8
    top = q[-8:].log()
    kappa = (top[1:] - top[:-1]).mean().item()
    assert kappa == pytest.approx(math.sqrt(4.0 * math.pi * COULOMB / eta), rel=0.03)


def test_local_charges_know_no_electrodes() -> None:
    """A clear sentence instead of charges that ignore the potential."""
    potential = assembled(lambda c, e: Local(c, e, GaussianBasis(0.6), hidden=4))
    atoms = Atoms("HO", [[0, 0, 0], [0, 0, 1.0]])
    atoms.new_array("electrode_potential", np.array([0.1, 0.1]))
    with pytest.raises(InputError, match=r"charges.Local: expected no electrode_potential.*'qeq'"):
        potential(System.from_ase(atoms))


def test_fragments_of_a_potential() -> None:
    """Charges of fragments are exact in a whole potential, latent or solved, and the energy depends on them."""
    atoms = Atoms("HOHO", [[0, 0, 0], [0, 0, 1.0], [3.0, 0, 0], [3.0, 0, 1.0]])
    atoms.new_array("fragment", np.array([0, 0, 1, 1]))
    for make in (Local, Equilibration):
        potential = assembled(lambda c, e, make=make: make(c, e, GaussianBasis(0.6), hidden=4))
        energies = []
        for charge in (0.0, 0.5):
            atoms.set_array("fragment_charge", np.array([charge, charge, -charge, -charge]))
            system = System.from_ase(atoms)
            out = potential(system)
            assert out.density is not None
            assert out.density[:2, 0].sum().item() == pytest.approx(charge, abs=1e-10)
            close(total_charge(out.density, system, GaussianBasis(0.6)), system.charge, 1e-10)
            energies.append(out.energy.item())
        assert abs(energies[1] - energies[0]) > 1e-2
