"""leyden.les against slow sums written from the equations of the papers."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from leyden.checks import InputError
from leyden.les.comparison import compare
from leyden.les.shim import VACUUM, Les
from leyden.testing.numeric import central, close, random
from leyden.units import COULOMB

CUBE = 6.0 * torch.eye(3, dtype=torch.float64)
TRICLINIC = torch.tensor([[5.0, 0.0, 0.4], [1.1, 6.2, 0.0], [-0.7, 0.9, -5.5]], dtype=torch.float64)
FINE = 0.7


def plane_waves(r: Tensor, cell: Tensor, q: Tensor, s: float, dl: float) -> Tensor:
    """1 / (2 eps_0 V) sum_{0 < k < k_c} exp(-s^2 k^2 / 2) / k^2 |S(k)|^2, with the self-interaction."""
    end, vectors = 2.0 * math.pi / dl, 2.0 * math.pi * torch.linalg.inv(cell).T
    most = [int(end * length / (2.0 * math.pi)) + 1 for length in torch.linalg.vector_norm(cell, dim=1).tolist()]
    total = r.new_zeros(())
    for n in itertools.product(*[range(-m, m + 1) for m in most]):
        k = torch.tensor(n, dtype=r.dtype) @ vectors
        square = float(k @ k)
        if 0.0 < square < end**2:
            power = (q * (r @ k).cos()).sum() ** 2 + (q * (r @ k).sin()).sum() ** 2
            total = total + math.exp(-(s**2) * square / 2.0) / square * power
    return 2.0 * math.pi * COULOMB / torch.linalg.det(cell).abs() * total


def pairs(r: Tensor, q: Tensor, s: float) -> Tensor:
    """k_e sum_{i < j} q_i q_j erf(r / (sqrt(2) s)) / r."""
    total = r.new_zeros(())
    for i, j in itertools.combinations(range(len(q)), 2):
        distance = torch.linalg.vector_norm(r[i] - r[j])
        total = total + COULOMB * q[i] * q[j] * torch.erf(distance / (math.sqrt(2.0) * s)) / distance
    return total


def own(q: Tensor, s: float) -> Tensor:
    return COULOMB / (math.sqrt(2.0 * math.pi) * s) * q.square().sum()


def reference(r: Tensor, cell: Tensor | None, q: Tensor, s: float, dl: float) -> Tensor:
    """Without the self-interaction."""
    return pairs(r, q, s) if cell is None else plane_waves(r, cell, q, s, dl) - own(q, s)


def minus_slope(energy: Callable[[Tensor], Tensor], r: Tensor) -> Tensor:
    r = r.detach().requires_grad_()
    return -torch.autograd.grad(energy(r).sum(), r)[0]


def atoms(count: int = 6) -> tuple[Tensor, Tensor]:
    """Positions, and charges that do not sum to zero."""
    return 2.5 * random(1, count, 3), random(2, count) + 0.1


@pytest.mark.parametrize("cell", [None, CUBE, TRICLINIC], ids=["open", "cubic", "triclinic"])
@pytest.mark.parametrize("s", [0.8, 1.0])
def test_energy_and_forces(cell: Tensor | None, s: float) -> None:
    """Converged sums agree to roundoff."""
    r, q = atoms()
    les, dl = Les(sigma=s, dl=FINE), FINE * s

    def ours(x: Tensor) -> Tensor:
        return les(x, cell, latent_charges=q)["E_lr"]

    expected = reference(r, cell, q, s, dl)
    assert abs(expected) > 0.1
    close(ours(r), expected[None], 1e-9)
    close(minus_slope(ours, r), minus_slope(lambda x: reference(x, cell, q, s, dl), r), 1e-9)


def test_truncated_sum() -> None:
    """With the default dl = 2 Å, differences are what the estimate of the truncation says."""
    r, q = 3.0 * random(3, 24, 3), random(4, 24)
    cell = 9.0 * torch.eye(3, dtype=torch.float64)
    energy = reference(r, cell, q, 1.0, 2.0)
    forces = minus_slope(lambda x: reference(x, cell, q, 1.0, 2.0), r)
    found = compare(Les(), r, cell, q, energy[None], forces)
    assert found.forces is not None and found.reproduced and str(found).startswith("reproduced")
    assert 0.3 < found.energy.abs().item() / found.truncation_energy.item() < 3.0
    assert 0.3 < found.forces.item() / found.truncation_forces.item() < 3.0
    assert 1e-3 < (found.forces / forces.square().sum(1).mean().sqrt()).item() < 3e-2


def test_self_interaction_and_prefactor() -> None:
    """Kept, it is the same in open and in periodic cells; energies are proportional to 1 / (2 eps_0)."""
    r, q = atoms()
    for cell in (None, CUBE):
        kept = Les(remove_self_interaction=False, dl=FINE)(r, cell, latent_charges=q)["E_lr"]
        removed = Les(dl=FINE)(r, cell, latent_charges=q)["E_lr"]
        close(kept - removed, own(q, 1.0)[None], 1e-10)
        close(Les(dl=FINE, norm_factor=1.0)(r, cell, latent_charges=q)["E_lr"], removed / VACUUM, 1e-12)


def test_second_derivatives() -> None:
    """Hessian times a direction, in positions and charges, against differences of the slow sum."""
    r, q = atoms(4)
    step, les = random(5, 4, 3), Les(dl=FINE)
    for cell in (None, TRICLINIC):
        x = r.clone().requires_grad_()
        (slope,) = torch.autograd.grad(les(x, cell, latent_charges=q)["E_lr"].sum(), x, create_graph=True)
        (product,) = torch.autograd.grad((slope * step).sum(), x)

        def forces(h: float, cell: Tensor | None = cell) -> Tensor:
            return minus_slope(lambda y: reference(y, cell, q, 1.0, FINE), r + h * step)

        close(product, -central(forces, 1e-3), 1e-6)


def mixed() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """An open structure, a periodic one, and a lone open atom."""
    r, q = atoms(8)
    cell = torch.stack([torch.zeros_like(CUBE), TRICLINIC, torch.zeros_like(CUBE)])
    return r, q, cell, torch.tensor([0, 0, 0, 1, 1, 1, 1, 2])


def test_batch_equals_singles() -> None:
    """Energies, charges and Born charges."""
    r, _, cell, batch = mixed()
    les, desc = Les().double(), random(6, 8, 5)
    r.requires_grad_()

    def run(these: Tensor, cells: Tensor, index: Tensor | None) -> dict[str, Tensor]:
        x = r[these]
        return les(x, cells, desc=desc[these] * x.sum(1, keepdim=True), batch=index, compute_bec=True)

    whole = run(torch.arange(8), cell, batch)
    for number in range(3):
        these = (batch == number).nonzero().flatten()
        single = run(these, cell[number], None)
        close(whole["E_lr"][number : number + 1], single["E_lr"], 1e-12)
        close(whole["latent_charges"][these], single["latent_charges"], 1e-12)
        close(whole["BEC"][these], single["BEC"], 1e-12)
    assert abs(whole["E_lr"][0]) > 1e-4 and abs(whole["E_lr"][2]) < 1e-12


def test_single_precision() -> None:
    r, q, cell, batch = mixed()
    double = Les()(r, cell, latent_charges=q, batch=batch)["E_lr"]
    single = Les()(r.float(), cell.float(), latent_charges=q.float()[:, None], batch=batch)["E_lr"]
    assert single.dtype == torch.float32
    close(single.double(), double, 1e-5)


def charges_of(r: Tensor, cell: Tensor | None) -> Tensor:
    """Charges that depend on near neighbors, along shortest images."""
    difference = r[None] - r[:, None]
    if cell is not None:
        difference = difference - (difference @ torch.linalg.inv(cell)).detach().round() @ cell
    near = torch.exp(-difference.square().sum(2)) * (1.0 - torch.eye(len(r), dtype=r.dtype))
    kind = torch.linspace(-1.0, 1.2, len(r), dtype=r.dtype)
    return kind * (1.0 + (near * torch.cos(kind)).sum(1))


def born(r: Tensor, cell: Tensor | None) -> Tensor:
    r = r.detach().requires_grad_()
    return Les()(r, cell, latent_charges=charges_of(r, cell), compute_bec=True, compute_energy=False)["BEC"].detach()


def test_born_charges() -> None:
    """Open: differences of the dipole. Periodic: the phase form of the same differences, and an open cluster's in a
    large cell, with an error that falls with the square of its length."""
    r = random(7, 5, 3)
    found = born(r, None)
    columns = []
    for j, b in itertools.product(range(5), range(3)):
        step = torch.zeros_like(r)
        step[j, b] = 1.0

        def dipole(h: float, step: Tensor = step) -> Tensor:
            x = r + h * step
            return (charges_of(x, None)[:, None] * x).sum(0)

        def change(h: float, step: Tensor = step) -> Tensor:
            return charges_of(r + h * step, TRICLINIC)

        columns.append(central(dipole))
        angle = 2.0 * math.pi * (r - r[j]) @ torch.linalg.inv(TRICLINIC)
        phase = (central(change)[:, None] * angle.sin()).sum(0) @ TRICLINIC / (2.0 * math.pi)
        own = charges_of(r, TRICLINIC)[j] * torch.eye(3, dtype=r.dtype)[b]
        close(born(r, TRICLINIC)[j, :, b], own + phase, 1e-8)
    close(found, torch.stack(columns).view(5, 3, 3).mT, 1e-8)
    assert (found - found.mT).abs().max() > 1e-2
    # about the atom that moves, as charges do not sum to zero
    errors = [(born(r, length * CUBE)[0] - born(r - r[0], None)[0]).abs().max().item() for length in (8, 16)]
    assert errors[1] < 0.3 * errors[0] < 0.01


def test_born_charges_of_images() -> None:
    """Another image of an atom changes nothing; fixed charges are their own Born charges."""
    r = random(7, 5, 3)
    moved = r.clone()
    moved[2] += TRICLINIC[0] - 2 * TRICLINIC[1]
    close(born(moved, TRICLINIC), born(r, TRICLINIC), 1e-10)
    r, q = atoms()
    fixed = Les()(r, CUBE, latent_charges=q, compute_bec=True)["BEC"]
    close(fixed, q[:, None, None] * torch.eye(3, dtype=q.dtype), 1e-14)


def test_descriptors() -> None:
    """Charges are read from desc, and energies have derivatives by it; what is not asked for is None."""
    r, _ = atoms()
    les = Les({"n_layers": 2, "n_hidden": [7], "sigma": 1.2}).double()
    out = les(r, None, desc=random(8, 6, 4).requires_grad_())
    assert out["latent_charges"].shape == (6,) and out["BEC"] is None and abs(out["E_lr"]) > 1e-6
    out["E_lr"].sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in les.parameters())
    assert [tuple(weight.shape) for weight in les.parameters()] == [(7, 4), (7,), (1, 7), (1,)]
    assert les(r, None, desc=random(8, 6, 4), compute_energy=False)["E_lr"] is None


def test_comparison_says_what_differs() -> None:
    r, q = atoms()
    r = 0.4 * r
    energy, forces = reference(r, None, q, 1.0, 1.0), minus_slope(lambda x: pairs(x, q, 1.0), r)
    assert compare(Les(), r, None, q, energy[None]).reproduced
    assert compare(Les(), r, None, q, energy[None].float(), forces.float()).reproduced
    scaled = compare(Les(), r, None, q, 0.99 * energy[None], 0.99 * forces)
    assert not scaled.reproduced and scaled.factor == pytest.approx(0.99) and "0.990000 times" in str(scaled)
    assert not compare(Les(sigma=0.7), r, None, q, energy[None], forces).reproduced
    assert not compare(Les(remove_self_interaction=False), r, None, q, energy[None], forces).reproduced


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sigm": 1.0}, "did you mean 'sigma'"),
        ({"les_arguments": {"use_atomwise": False}}, "'use_atomwise'"),
        ({"les_arguments": {"sigma": 1.0}, "sigma": 2.0}, "sigma twice"),
        ({"sigma": 0.0}, "sigma to be a positive number, got 0.0"),
        ({"remove_self_interaction": "no"}, "True or False, got 'no'"),
        ({"dl": "2"}, "dl to be a positive number, got '2'"),
        ({"n_layers": 0}, "n_layers to be at least 1, got 0"),
        ({"n_layers": 2}, r"n_hidden to be one positive number or 1.*\(32, 16\)"),
    ],
)
def test_arguments(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Les(**arguments)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latent_charges": None}, "got neither"),
        ({"desc": torch.ones(6, 3)}, "got both"),
        ({"latent_charges": torch.ones(6, 2)}, r"latent_charges: expected shape \(6\)"),
        ({"batch": torch.tensor([0, 1, 0, 1, 0, 1]), "cell": None}, "sort atoms"),
        ({"batch": torch.tensor([0, 0, 0, 2, 2, 2]), "cell": None}, "each with atoms"),
        ({"cell": torch.diag(torch.tensor([6.0, 6.0, 0.0]))}, "three independent vectors"),
        ({"cell": torch.zeros(2, 3)}, "cell: expected shape"),
        ({"latent_charges": torch.ones(6).double().requires_grad_(), "compute_bec": True}, "positions.requires_grad_"),
    ],
)
def test_inputs(changes: dict[str, Any], said: str) -> None:
    r, q = atoms()
    with pytest.raises(InputError, match=said):
        Les()(**{"positions": r, "cell": CUBE, "latent_charges": q, **changes})
