"""Every charge model, asked the same questions; docs/charge_models.md quotes these numbers.

Weights are untrained, and features tell elements apart and nothing else: what is shown are the rules, not a fit.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from ase import Atoms
from ase.build import molecule

from leyden import Coulomb, GaussianBasis, System, charges
from leyden.charges import ChargeModel, Problem
from leyden.charges.mixture import SeveralMinima
from leyden.coulomb import field
from leyden.density import dipole
from leyden.features import Channels, Features
from leyden.neighbors import Graph, neighbor_list
from leyden.units import COULOMB

CHANNELS, ELEMENTS, CUTOFF = Channels(1, 1, 1), (1, 6, 8, 9), 4.5
CHARGES, DIPOLES = GaussianBasis(0.7), GaussianBasis(0.7, lmax=1)

MODELS: dict[str, Callable[[], ChargeModel]] = {
    "Local, free": lambda: charges.Local(CHANNELS, ELEMENTS, CHARGES, "free"),
    "Local, shift": lambda: charges.Local(CHANNELS, ELEMENTS, CHARGES, "shift"),
    "Local, softness": lambda: charges.Local(CHANNELS, ELEMENTS, CHARGES),
    "Split": lambda: charges.Split(CHANNELS, ELEMENTS, CHARGES),
    "Equilibration": lambda: charges.Equilibration(CHANNELS, ELEMENTS, CHARGES),
    "Equilibration, dipoles": lambda: charges.Equilibration(CHANNELS, ELEMENTS, DIPOLES),
    "SpinEquilibration": lambda: charges.SpinEquilibration(CHANNELS, ELEMENTS, CHARGES),
    "SplitChargeEquilibration": lambda: charges.SplitChargeEquilibration(CHANNELS, ELEMENTS, CHARGES),
    "SplitChargeEquilibration, dipoles": lambda: charges.SplitChargeEquilibration(CHANNELS, ELEMENTS, DIPOLES),
    "Response": lambda: charges.Response(CHANNELS, ELEMENTS, DIPOLES),
    "SymmetricResponse": lambda: charges.SymmetricResponse(CHANNELS, ELEMENTS, DIPOLES),
    "Unrolled": lambda: charges.Unrolled(CHANNELS, ELEMENTS, DIPOLES),
    "Variational": lambda: charges.Variational(CHANNELS, ELEMENTS, DIPOLES),
    "Mixture": lambda: charges.Mixture(CHANNELS, ELEMENTS, CHARGES),
}


def problem(model: ChargeModel, atoms: Atoms, charge: int = 0, along: float = 0.0) -> Problem:
    """What a model sees of atoms in a field (V/Å) along x."""
    system = System.from_ase(atoms, charge=charge)
    system = replace(system, field=torch.tensor([[along, 0.0, 0.0]], dtype=torch.float64))
    one = torch.ones(len(atoms), 1, dtype=torch.float64)
    features = Features(0 * one[:, 0], one, one.new_zeros(len(atoms), 3, 1), one.new_zeros(len(atoms), 3, 3, 1))
    graph, bound = Graph.of(system, neighbor_list(system, CUTOFF)), Coulomb().bind(system, model.basis)
    return Problem(system, features, graph, bound, field.uniform(system, model.basis))


def energy(model: ChargeModel, seen: Problem) -> float:
    """U + 1/2 <p|V|p> + <p|v_ext>, eV."""
    p = model.solve(seen).density
    return (model.energy(p, seen) + seen.coulomb.energy(p) + seen.rows.dot(p, seen.external)).item()


def polarizability(model: ChargeModel, atoms: Atoms, strength: float = 0.01) -> float:
    """Along x, Å^3, from the dipole moments in two opposite fields."""
    seen = [problem(model, atoms, along=sign * strength) for sign in (1.0, -1.0)]
    moments = [dipole(model.solve(each).density, each.system, model.basis)[0, 0].item() for each in seen]
    return COULOMB * (moments[0] - moments[1]) / (2 * strength)


def chain(count: int) -> Atoms:
    """Carbon atoms 1.6 Å apart along x."""
    return Atoms("C" * count, [[1.6 * n, 0, 0] for n in range(count)])


def waters() -> Atoms:
    """27 molecules on a grid of 3.1 Å."""
    out = Atoms()
    for place in range(27):
        one = molecule("H2O")
        one.rotate(40.0 * place, "y")
        one.translate([3.1 * (place % 3), 3.1 * (place // 3 % 3), 3.1 * (place // 9)])
        out += one
    return out


def fresh(name: str) -> ChargeModel:
    """With the same untrained weights whenever it is asked for."""
    torch.manual_seed(0)
    return MODELS[name]().double().requires_grad_(False)


def row(name: str) -> str:
    """A line of the table."""
    model = fresh(name)
    first, second = molecule("H2O"), molecule("HF")
    second.translate([1000, 0, 0])
    together = problem(model, first + second)
    exchanged = model.solve(together).density[: len(first), 0].sum().item()
    error = energy(model, together) - energy(model, problem(model, first)) - energy(model, problem(model, second))
    atom = polarizability(model, Atoms("O"))
    short, long = (polarizability(model, chain(count)) for count in (16, 32))
    exponent = f"{math.log2(long / short):10.2f}" if abs(long) > 1e-6 else f"{'-':>10}"
    found = model.solve(problem(model, waters()))
    cycle = f"{found.radius.item():8.2f}" if found.radius.isfinite().all() else f"{'-':>8}"
    return f"{name:33}{exchanged:+z8.3f}{error:+z9.3f}{atom:9.3f}{exponent}{int(found.iterations.max()):6}{cycle}"


def shared(name: str, model: ChargeModel, start: tuple[float, float] | None = None) -> str:
    """The charges of H2+ 1000 Å apart in each minimum that is found, and its energy above that of H and H+."""
    hydrogen, seen = Atoms("H"), problem(model, Atoms("H2", [[0, 0, 0], [1000, 0, 0]]), charge=1)
    if start is not None:
        seen = replace(seen, start=torch.tensor(start, dtype=torch.float64)[:, None])
    solution = model.solve(seen)
    minima = solution.densities if isinstance(solution, SeveralMinima) else solution.density[None]
    found = [[round(q, 2) + 0.0 for q in each.flatten().tolist()] for each in minima if bool(each.isfinite().all())]
    parts = energy(model, problem(model, hydrogen)) + energy(model, problem(model, hydrogen, charge=1))
    return f"{name}: H2+ with charges {found}, {energy(model, seen) - parts:+z.3f} eV above H and H+"


def level() -> charges.Mixture:
    """Two states of equal energy, 0 and +1, for hydrogen."""
    model = charges.Mixture(CHANNELS, (1,), CHARGES, states=(0.0, 1.0)).double().requires_grad_(False)
    model.parabolas.layers[-1].weight.zero_()
    model.parabolas.bias[:, :2] = 0.0
    return model


def conjugate(name: str, strength: float = 0.01) -> str:
    """The dipole moment of HF that the density has, and that which the energy in a field implies."""
    model, atoms = fresh(name), molecule("HF")
    atoms.rotate("z", "x")
    seen = problem(model, atoms)
    own = dipole(model.solve(seen).density, seen.system, model.basis)[0, 0].item()
    up, down = (energy(model, problem(model, atoms, along=sign * strength)) for sign in (1.0, -1.0))
    return f"{name}: dipole of HF {own:.3f} e Å, -dE/dfield {(down - up) / (2 * strength):.3f} e Å"


def saturation(name: str) -> str:
    """The polarizability of an atom in weak and in strong fields."""
    weak, strong = (polarizability(fresh(name), Atoms("O"), strength) for strength in (0.01, 10.0))
    return f"{name}: polarizability of an atom {weak:.3f} Å^3, at 10 V/Å {strong:.3f} Å^3"


if __name__ == "__main__":
    print("H2O and HF 1000 Å apart: charge q of H2O, energy dE above that of both alone; polarizability a of an atom;")
    print("exponent of that of a chain in its length, 16 to 32 atoms; 27 H2O: steps of the solver, radius of the cycle")
    print(f"{'':33}{'q, e':>8}{'dE, eV':>9}{'a, Å^3':>9}{'exponent':>10}{'steps':>6}{'radius':>8}")
    for name in MODELS:
        print(row(name))
    for name in ("Equilibration", "SplitChargeEquilibration", "Mixture"):
        print(shared(name, fresh(name)))
    print(shared("Mixture, from a start", fresh("Mixture"), start=(1.0, 0.0)))
    print(shared("Mixture, equal levels", level()))
    for name in ("Equilibration, dipoles", "Response", "Unrolled"):
        print(conjugate(name))
    for name in ("Equilibration, dipoles", "Variational"):
        print(saturation(name))
