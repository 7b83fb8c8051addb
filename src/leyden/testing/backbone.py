"""Contract of a backbone as a test suite: inherit BackboneContract in tests/backbones/, supply make, add nothing else.

For any orthogonal R (rotations and reflections), translation and permutation P of like atoms,

    E(R x) = E(x),    s(R x) = s(x),    v(R x) = R v(x),    T(R x) = R T(x) R^T,    P commutes with all of them,

E is smooth where a neighbor crosses the cutoff, its derivatives match finite differences, and a batch gives what its
structures give one by one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from leyden import segment
from leyden.backbones.backbone import Backbone, Features
from leyden.checks import InputError
from leyden.neighbors import Graph, neighbor_list
from leyden.system import System
from leyden.testing.numeric import central, close

ELEMENTS = (1, 6, 8)
MOLECULE = Atoms(
    "COCH4",
    [
        [0.00, 0.02, 0.01], [1.41, 0.05, -0.03], [1.95, 1.30, 0.10], [-0.42, 1.03, 0.05],
        [-0.36, -0.51, 0.90], [-0.33, -0.49, -0.92], [1.40, 2.10, 0.35],
    ],
)  # fmt: skip
CRYSTAL = Atoms(
    "CO2H",
    [[0.1, 0.0, 0.2], [1.2, 0.1, 0.3], [-0.4, 1.1, 0.1], [2.0, 2.1, 1.9]],
    cell=[[3.6, 0.0, 0.1], [0.4, 3.9, 0.0], [0.2, -0.3, 4.1]],
    pbc=True,
)
SLAB = Atoms(
    "OH2",
    [[0.0, 0.0, 0.0], [0.9, 0.3, 0.1], [-0.3, 0.9, 0.2]],
    cell=[[3.0, 0, 0], [0.5, 3.2, 0], [0, 0, 9]],
    pbc=[1, 1, 0],
)


def evaluate(model: Backbone, system: System) -> Features:
    """All features of a system, with a fresh neighbor list."""
    return model.forward(Graph.of(system, neighbor_list(system, model.cutoff)))


def energy_of(model: Backbone, system: System) -> Callable[[Tensor], Tensor]:
    """Total energy as a function of positions, with the neighbor list of the given system."""
    pairs = neighbor_list(system, model.cutoff)
    return lambda positions: model(Graph.of(replace(system, positions=positions), pairs)).energy.sum()


def slope(energy: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """dE/dx."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(energy(x), x)[0]


def same(actual: Features, expected: Features, tolerance: float) -> None:
    """Assert that energies and features are close."""
    close(actual.energy, expected.energy, tolerance)
    close(actual.scalars, expected.scalars, tolerance)
    close(actual.vectors, expected.vectors, tolerance)
    close(actual.tensors, expected.tensors, tolerance)


def transformed(x: Features, f: Callable[[Tensor], Tensor]) -> Features:
    """Apply a function to energies and features."""
    return Features(f(x.energy), f(x.scalars), f(x.vectors), f(x.tensors))


def batch() -> System:
    """Open, periodic and partly periodic structures of different charge and spin, and two lone atoms."""
    frames = [MOLECULE, CRYSTAL, SLAB, Atoms("O"), Atoms("H")]
    return System.from_ase(frames, charge=[0, 1, -1, 0, 1], spin=[1, 2, 2, 3, 1])


class BackboneContract(ABC):
    """Inherit, name the class Test..., and implement make."""

    @abstractmethod
    def make(self, elements: tuple[int, ...], dtype: torch.dtype) -> Backbone:
        """A small untrained backbone; the suite seeds torch and replaces weights that are all zero."""

    def model(self, dtype: torch.dtype = torch.float64) -> Backbone:
        """The backbone under test, the same weights for every test and dtype."""
        torch.manual_seed(0)
        model = self.make(ELEMENTS, torch.float64)
        with torch.no_grad():
            for weight in model.parameters():
                if not weight.any():
                    weight.normal_(std=0.3)
        return model.to(dtype)

    def test_shapes(self) -> None:
        """Shapes follow channels; tensors are symmetric and traceless; nothing is trivially zero."""
        model, system = self.model(), batch()
        out, count = evaluate(model, system), len(system.positions)
        assert model.elements == ELEMENTS
        assert out.energy.shape == (count,)
        assert out.scalars.shape == (count, model.channels.scalars)
        assert out.vectors.shape == (count, 3, model.channels.vectors)
        assert out.tensors.shape == (count, 3, 3, model.channels.tensors)
        close(out.tensors, out.tensors.transpose(1, 2), 1e-12)
        close(torch.einsum("niic->nc", out.tensors), torch.zeros_like(out.tensors[:, 0, 0]), 1e-12)
        assert out.energy.std() > 1e-4
        for part in (part for part in (out.scalars, out.vectors, out.tensors) if part.shape[-1]):
            assert (part[: len(MOLECULE)].flatten(0, -2).std(0) > 1e-4).all()

    @pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
    def test_orthogonal(self, sign: int) -> None:
        """Energies and scalars are invariant, vectors and tensors turn with the structure."""
        model, system = self.model(), batch()
        turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).Q
        turn = turn * torch.linalg.det(turn).sign() * sign
        a = evaluate(model, system)
        b = evaluate(model, replace(system, positions=system.positions @ turn.T, cell=system.cell @ turn.T))
        vectors = torch.einsum("ij,njc->nic", turn, a.vectors)
        tensors = torch.einsum("ij,njkc,lk->nilc", turn, a.tensors, turn)
        same(b, Features(a.energy, a.scalars, vectors, tensors), 1e-10)

    def test_translation(self) -> None:
        """Nothing depends on the origin."""
        model, system = self.model(), batch()
        moved = replace(system, positions=system.positions + system.positions.new_tensor([5.0, -3.0, 2.0]))
        same(evaluate(model, moved), evaluate(model, system), 1e-10)

    def test_permutation(self) -> None:
        """Reordering atoms reorders results."""
        model, order = self.model(), [3, 0, 6, 1, 5, 2, 4]
        a, b = (evaluate(model, System.from_ase(atoms)) for atoms in (MOLECULE, MOLECULE[order]))
        same(b, transformed(a, lambda x: x[order]), 1e-10)

    def test_cutoff_is_smooth(self) -> None:
        """Interaction, its force and its curvature vanish as a neighbor reaches the cutoff from inside."""
        model = self.model()

        def interaction(fraction: float) -> tuple[float, float, float]:
            x = torch.tensor(fraction * model.cutoff, dtype=torch.float64, requires_grad=True)
            system = System.from_ase(Atoms("OHC", [[0, 0, 0], [0, 1, 0], [x.item(), 0, 0]]))
            fixed, moving = system.positions[:2], system.positions.new_tensor([1.0, 0, 0]) * x
            value = energy_of(model, system)(torch.cat([fixed, moving[None]]))
            (slope,) = torch.autograd.grad(value, x, create_graph=True)
            (curvature,) = torch.autograd.grad(slope, x) if slope.requires_grad else (torch.zeros(()),)
            return value.item() - apart, slope.item(), curvature.item()

        apart = 0.0
        apart = interaction(3.0)[0]
        inside, edge, outside = interaction(0.6), interaction(1 - 1e-5), interaction(1.2)
        assert all(abs(value) > 1e-5 for value in inside)
        assert outside == (0.0, 0.0, 0.0)
        for order, tolerance in enumerate([1e-7, 1e-5, 1e-2]):
            assert abs(edge[order]) < tolerance * abs(inside[order])

    def test_lone_atoms(self) -> None:
        """An atom without neighbors has an energy of its element alone, or none, no vectors, and finite derivatives."""
        model = self.model()
        system = System.from_ase(Atoms("OHO", [[0, 0, 0], [0, 50.0, 0], [70.0, 0, 1.0]]))
        out = evaluate(model, system)
        close(out.energy[0], out.energy[2], 1e-14)
        assert not out.vectors.any() and not out.tensors.any()
        near = System.from_ase(Atoms("OHO", [[0, 0, 0], [0, 0, 1.0], [70.0, 0, 1.0]]))
        positions = near.positions.requires_grad_()
        (slope,) = torch.autograd.grad(energy_of(model, near)(positions), positions, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.square().sum(), positions)
        assert torch.isfinite(slope).all() and torch.isfinite(curvature).all()
        assert not slope[2].any() and slope[0].any()

    def test_forces(self) -> None:
        """Gradient of the energy with respect to positions against central differences."""
        model, system = self.model(), batch()
        energy, positions, step = energy_of(model, system), system.positions, self.direction(system)
        gradient = slope(energy, positions)
        close((gradient * step).sum(), central(lambda h: energy(positions + h * step)), 1e-7)

    def test_stress(self) -> None:
        """Derivative with respect to strain against central differences."""
        model, system = self.model(), batch()
        pairs = neighbor_list(system, model.cutoff)
        step = torch.randn(system.count, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

        def energy(strain: Tensor) -> Tensor:
            return model(Graph.of(system.strained(strain), pairs)).energy.sum()

        gradient = slope(energy, torch.zeros_like(step))
        assert gradient[1].abs().max() > 1e-4
        close((gradient * step).sum(), central(lambda h: energy(h * step)), 1e-7)

    def test_hessian(self) -> None:
        """Hessian times a direction against central differences of the gradient."""
        model, system = self.model(), batch()
        energy, step = energy_of(model, system), self.direction(system)
        positions = system.positions.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(energy(positions), positions, create_graph=True)
        (product,) = torch.autograd.grad(gradient, positions, step)
        close(product, central(lambda h: slope(energy, system.positions + h * step)), 1e-7)

    def test_batch_equals_singles(self) -> None:
        """Structures do not see each other."""
        model, system = self.model(), batch()
        whole, parts = evaluate(model, system), [evaluate(model, single) for single in system.split()]
        joined = [torch.cat(x) for x in zip(*[(p.energy, p.scalars, p.vectors, p.tensors) for p in parts], strict=True)]
        same(whole, Features(*joined), 1e-10)

    def test_charge_and_spin(self) -> None:
        """Total charge and spin change the energy, each in its own way."""
        model = self.model()
        states = [(0, 1), (1, 1), (-1, 1), (0, 3)]
        system = System.from_ase([MOLECULE] * 4, charge=[q for q, _ in states], spin=[m for _, m in states])
        energy = segment.total(evaluate(model, system).energy, system.index, 4)
        differences = (energy[:, None] - energy).abs() + torch.eye(4)
        assert differences.min() > 1e-5

    def test_unknown_element(self) -> None:
        """An element outside the model's is named, and so are the known ones."""
        with pytest.raises(InputError, match=r"(?s)1, 6, 8.*14|14.*1, 6, 8"):
            evaluate(self.model(), System.from_ase(Atoms("SiH", [[0, 0, 0], [0, 0, 1.5]])))

    def test_single_precision(self) -> None:
        """float32 agrees with float64."""
        system = batch()
        a, b = evaluate(self.model(), system), evaluate(self.model(torch.float32), system.to(dtype=torch.float32))
        assert b.energy.dtype == torch.float32
        same(transformed(b, Tensor.double), a, 1e-4)

    def direction(self, system: System) -> Tensor:
        """A displacement of all atoms, (N, 3)."""
        return torch.as_tensor(np.random.default_rng(3).normal(size=system.positions.shape))
