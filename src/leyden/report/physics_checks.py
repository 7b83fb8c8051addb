"""Identities that any potential must obey, measured on real structures in float64; every value should be zero.

sum_i q_i = Q        sum_i Z*_i = Q 1        F = -dE/dR        V s = dE/dstrain
E(R x) = E(x), F(R x) = R F(x) for rotations, translations and permutations        E(2 copies) = 2 E
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from leyden.derivatives import Derivatives, forces
from leyden.potential import Potential
from leyden.properties import born_charges
from leyden.report import transformed
from leyden.report.content import Check
from leyden.report.probe import in_float64
from leyden.system import System

CHARGE_TOLERANCE = 1e-6
DIFFERENCE_TOLERANCE = 1e-4
ENERGY_TOLERANCE = 1e-5
FORCE_TOLERANCE = 1e-3
"""The last two, eV/atom and eV/Å, leave room for the accuracy of a mesh or a truncated reciprocal sum."""
STRESS_TOLERANCE = 1e-5
STEP = 1e-4
"""Displacement (Å) and strain of the finite differences."""
ATOMS = 3


def run_checks(potential: Potential, system: System) -> list[Check]:
    """All checks that apply, each with its worst value over the structures of the batch.

    About 30 evaluations of each structure, in float64: one to three small structures are enough.
    """
    exact = in_float64(potential)
    device = next((p.device for p in exact.parameters()), torch.device("cpu"))
    worst: dict[str, Check] = {}
    for single in system.to(device=device, dtype=torch.float64).split():
        for check in _checks(exact, single):
            known = worst.get(check.name)
            worst[check.name] = check if known is None or check.severity > known.severity else known
    return list(worst.values())


def _checks(potential: Potential, system: System) -> list[Check]:
    """One structure."""
    periodic = bool(system.pbc.all())
    base = forces(potential, system, stress=periodic)
    checks = [
        *charge_sum(base, system),
        *acoustic_sum_rule(potential, system),
        force_difference(potential, system, base),
    ]
    if periodic:
        checks.append(stress_difference(potential, system, base))
    for name, change, back in transformed.symmetries(system):
        checks += _compared(potential, name, change, base, back)
    if transformed.extensive(system):
        checks += _compared(potential, "size extensivity", transformed.doubled(system), base, transformed.first_half)
    return [
        *checks,
        *_compared(potential, "batch equals single", transformed.beside_another(system), base, transformed.first_half),
    ]


def charge_sum(base: Derivatives, system: System) -> list[Check]:
    """Latent charges add up to the total charge; nothing to check without charges."""
    charges = base.output.charges
    if charges is None:
        return []
    return [Check("sum of charges", _largest(charges.sum() - system.charge), CHARGE_TOLERANCE, "e", "Σ q = Q")]


def acoustic_sum_rule(potential: Potential, system: System) -> list[Check]:
    """Born charges of an open structure add up to Q times the unit matrix."""
    if system.pbc.any() or potential.charges is None:
        return []
    rest = born_charges(potential, system).sum(0) - system.charge * torch.eye(3).to(system.charge)
    return [Check("acoustic sum rule", _largest(rest), CHARGE_TOLERANCE, "e", "Σ Z* = Q 1 (open structures)")]


def force_difference(potential: Potential, system: System, base: Derivatives) -> Check:
    """Forces on a few atoms against central differences of the energy."""
    count = len(system.positions)
    errors = []
    for atom in torch.linspace(0, count - 1, min(ATOMS, count)).long().tolist():
        for axis in range(3):
            shift = torch.zeros_like(system.positions)
            shift[atom, axis] = STEP
            slope = _slope(potential, replace(system, positions=system.positions + shift),
                           replace(system, positions=system.positions - shift))  # fmt: skip
            errors.append(base.forces[atom, axis] + slope)
    note = f"F = −dE/dR, central differences of {STEP:g} Å on up to {ATOMS} atoms"
    return Check("forces by finite difference", _largest(torch.stack(errors)), DIFFERENCE_TOLERANCE, "eV/Å", note)


def stress_difference(potential: Potential, system: System, base: Derivatives) -> Check:
    """All six components of the stress against central differences in the strain."""
    assert base.stress is not None
    errors = []
    for row, column in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        strain = torch.zeros_like(system.cell)
        strain[0, row, column] += STEP / 2
        strain[0, column, row] += STEP / 2
        slope = _slope(potential, system.strained(strain), system.strained(-strain))
        errors.append(base.stress[0, row, column] - slope / system.volume[0])
    note = f"V σ = dE/dε, central differences of {STEP:g}"
    return Check("stress by finite difference", _largest(torch.stack(errors)), STRESS_TOLERANCE, "eV/Å^3", note)


def _slope(potential: Potential, plus: System, minus: System) -> Tensor:
    """Central difference of the energy, a scalar."""
    with torch.no_grad():
        return (potential(plus).energy - potential(minus).energy)[0] / (2 * STEP)


def _compared(
    potential: Potential, name: str, changed: System, base: Derivatives, back: Callable[[Tensor], Tensor]
) -> list[Check]:
    """Energy per atom and forces of a changed system, mapped back, against the original."""
    found = forces(potential, changed, stress=False)
    count, atoms = len(base.forces), len(changed.positions)
    copies = atoms // count if changed.count == 1 else 1
    energy = (found.output.energy[0] / copies - base.output.energy[0]) / count
    note = transformed.MEANING[name]
    return [
        Check(f"{name}, energy", _largest(energy), ENERGY_TOLERANCE, "eV/atom", note),
        Check(f"{name}, forces", _largest(back(found.forces)[:count] - base.forces), FORCE_TOLERANCE, "eV/Å", note),
    ]


def _largest(values: Tensor) -> float:
    """Largest absolute value; NaN if any entry is."""
    return float(values.detach().abs().max())
