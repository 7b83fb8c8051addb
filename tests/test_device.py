"""The same numbers on an accelerator as on the processor: runs where one is present."""

import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from leyden.derivatives import forces, hessian_vector
from leyden.spec import LocalSpec, PotentialSpec, build
from leyden.system import System

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def mixed_batch() -> System:
    salt = bulk("NaCl", "rocksalt", 5.6, cubic=True)
    salt.rattle(0.1, seed=0)
    shaken = molecule("CH3OH")
    shaken.rattle(0.1, seed=1)
    return System.from_ase([shaken, salt, Atoms("Na", cell=[8.0] * 3, pbc=True)], charge=[-1, 0, 1])


@pytest.mark.parametrize("mode", ["free", "shift", "softness"])
@pytest.mark.parametrize("dipoles", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_energy_forces_stress_and_training_gradient(
    mode: str, dipoles: bool, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    charges = LocalSpec(mode=mode, dipoles=dipoles)
    spec = PotentialSpec(charges=charges, elements=(1, 6, 8, 11, 17), average_neighbors=10.0, baseline={1: -1.0})
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(1)
        potential = build(spec).to(device=device, dtype=dtype)
        found = forces(potential, mixed_batch().to(device, dtype), create_graph=True)
        (found.forces.square().sum() + found.output.energy.square().sum()).backward()
        gradient = potential.charges.charge.layers[0].weight.grad
        results.append([t.cpu().double() for t in (found.output.energy, found.forces, found.stress[1:], gradient)])
    for ours, theirs in zip(*results, strict=True):
        assert ours.abs().max() > 1e-6
        torch.testing.assert_close(theirs, ours, rtol=tolerance, atol=tolerance * ours.abs().max().item())


def test_hessian_vector() -> None:
    torch.manual_seed(0)
    spec = PotentialSpec(elements=(1, 6, 8, 11, 17), average_neighbors=10.0, baseline={})
    potential, system = build(spec).double(), mixed_batch()
    direction = torch.randn_like(system.positions)
    expected = hessian_vector(potential, system, direction)
    found = hessian_vector(potential.cuda(), system.to("cuda"), direction.cuda()).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
