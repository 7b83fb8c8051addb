"""Piezoelectric tensors: against relaxed strained crystals and stress in a field, images of atoms, and symmetry."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden.checks import InputError
from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.properties import piezoelectric_tensor
from leyden.properties.relaxation import compliance
from leyden.system import System
from leyden.testing.ionic import ROCKSALT, ZINCBLENDE, distorted, equilibrated, latent, relaxed, transferred
from leyden.testing.numeric import central, close, random

MODELS = [transferred, equilibrated]


def proper(potential: Potential, system: System, strain: Tensor, give: Tensor | None = None) -> Tensor:
    """cell^T cell'^-T P' (3,) in a strained crystal, with ions that have relaxed by a compliance."""
    strained = system.strained(strain)
    for _ in range(0 if give is None else 6):
        force = forces(potential, strained, stress=False).forces
        strained = replace(strained, positions=strained.positions + (give @ force.flatten()).view(-1, 3))
    reduced = torch.linalg.solve(strained.cell.mT, potential(strained).dipole.detach()[:, :, None])
    return (system.cell.mT @ reduced)[0, :, 0]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("ionic", [False, True])
def test_polarization_under_strain(make: Callable[[], Potential], ionic: bool) -> None:
    """Without symmetry, in a direction without symmetry; a rotation leaves nothing."""
    potential = make()
    system = System.from_ase(relaxed(potential, distorted(ZINCBLENDE)))
    give, strain = compliance(potential, system) if ionic else None, 0.1 * random(4, 1, 3, 3)
    found = piezoelectric_tensor(potential, system, ionic)[0]
    slope = central(lambda h: proper(potential, system, h * strain, give), 1e-3) / system.volume
    close(torch.einsum("abc,bc->a", found, strain[0]), slope, 1e-7)
    close(found, found.transpose(1, 2), 1e-7)
    assert slope.abs().max() > 1e-3 and found.abs().min() > 1e-6


@pytest.mark.parametrize("make", MODELS)
def test_stress_in_a_field(make: Callable[[], Potential]) -> None:
    """dsigma/dF = -dP/dstrain / V, which is improper: what the strain does to P itself is in it too."""
    potential, system = make(), System.from_ase(distorted(ZINCBLENDE))
    found, volume = piezoelectric_tensor(potential, system)[0], system.volume
    moment, unit = potential(system).dipole[0].detach(), torch.eye(3, dtype=torch.float64)
    turned = torch.einsum("b,ac->abc", moment, unit)
    improper = found + 0.5 * (turned + turned.transpose(1, 2)) / volume
    for axis in range(3):
        slope = central(
            lambda h, axis=axis: forces(potential, replace(system, field=h * unit[axis][None])).stress, 1e-2
        )
        close(slope[0], -improper[axis], 1e-8)
    assert found.abs().max() > 1e-2 and moment.abs().max() > 0.1


@pytest.mark.parametrize("make", MODELS)
def test_images(make: Callable[[], Potential]) -> None:
    """An atom may be given by any image, the origin be anywhere, and a cell given twice."""
    potential, atoms = make(), distorted(ZINCBLENDE)

    def of(given: Atoms) -> Tensor:
        return piezoelectric_tensor(potential, System.from_ase(given))[0]

    expected, moved, shifted = of(atoms), atoms.copy(), atoms.copy()
    moved.positions[1] += atoms.cell[1] - 2 * atoms.cell[0]
    shifted.positions += [0.3, -1.0, 0.2]
    for other in (moved, shifted):
        assert (of(other) - expected).abs().max() < 1e-10
    close(of(atoms.repeat((1, 2, 1))), expected, 1e-8)
    assert expected.abs().max() > 1e-2


@pytest.mark.parametrize("make", MODELS)
def test_symmetry(make: Callable[[], Potential]) -> None:
    """Nothing where there is a centre of inversion; e_14 alone in zincblende; a batch is what its crystals are."""
    potential = make()
    for ionic in (False, True):
        found = piezoelectric_tensor(potential, System.from_ase([ROCKSALT, ZINCBLENDE]), ionic)
        assert found[0].abs().max() < 1e-9
        only = torch.zeros(3, 3, 3, dtype=torch.float64)
        for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            only[a, b, c] = only[a, c, b] = found[1, 0, 1, 2]
        close(found[1], only, 1e-9)
        assert only.abs().max() > 1e-3


def test_the_scale() -> None:
    """Of latent charges: the physical polarization."""
    system = System.from_ase(distorted(ZINCBLENDE))
    expected = 1.2 * piezoelectric_tensor(transferred(), system)
    close(piezoelectric_tensor(transferred(scale=1.2), system), expected, 1e-12)


def test_mistakes() -> None:
    system = System.from_ase(ROCKSALT)
    with pytest.raises(InputError, match=r"^piezoelectric_tensor: .* got Local, whose polarization is no function of"):
        piezoelectric_tensor(latent(), system)
    with pytest.raises(InputError, match="expected neutral structures, got a total charge of 1 e"):
        piezoelectric_tensor(transferred(), replace(system, charge=system.charge + 1))
    with pytest.raises(InputError, match="expected structures periodic along three axes"):
        piezoelectric_tensor(transferred(), replace(system, pbc=~system.pbc))
    potential, rough = transferred(), System.from_ase(distorted(ZINCBLENDE))
    potential.charges.initial.charge[0] = -1.5
    with pytest.raises(InputError, match=r"expected formal charges that sum to the total charge, got others"):
        piezoelectric_tensor(potential, rough)
    with pytest.raises(InputError, match=r"^positions: expected a structure at rest"):
        piezoelectric_tensor(transferred(), rough, ionic=True)


def test_single_precision() -> None:
    exact = piezoelectric_tensor(transferred(), System.from_ase(ZINCBLENDE), ionic=True)
    rough = piezoelectric_tensor(transferred().float(), System.from_ase(ZINCBLENDE, dtype=torch.float32), ionic=True)
    assert rough.dtype == torch.float32
    close(rough.double(), exact, 1e-3)
