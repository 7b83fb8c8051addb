"""Newton-CG on the charge plane: minima against dense Newton steps, derivatives, batches, and every way to fail."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from leyden.solve import Blocks, Plane, Rows, Settings, Status, Unconverged
from leyden.solve.minimise import Objective, asymmetric, descended, minimise, verified
from leyden.testing.numeric import close, derivatives_of, random

SIZES = (3, 7, 1, 12)
DIM = 2
TOTAL = torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=torch.float64)
REPORT = Settings(unconverged="report")


def scene(sizes: tuple[int, ...], total: Tensor) -> tuple[Plane, Rows]:
    """One monopole and one other coefficient on each atom; every structure has a charge but the last one."""
    index = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    held = torch.arange(len(sizes)) < max(1, len(sizes) - 1)
    return Plane((0,), index, total, held), Rows(index, len(sizes))


def coupling(rows: Rows, seed: int = 1) -> Tensor:
    """A positive definite matrix (N, dim, N, dim) that couples the atoms of each structure."""
    root = (
        random(seed, len(rows.index), DIM, len(rows.index), DIM) * (rows.index[:, None] == rows.index)[:, None, :, None]
    )
    unit = torch.eye(len(rows.index) * DIM, dtype=torch.float64).view(root.shape)
    return torch.einsum("iajb,kcjb->iakc", root, root) + unit


def bent(
    plane: Plane, rows: Rows, matrix: Tensor, chi: Tensor, weight: Tensor, settings: Settings | None = None
) -> Objective:
    """chi.p + 1/2 p.A p + sum w sqrt(1 + (4 p)^2): strongly bent at p = 0, and convex."""

    def turned(p: Tensor) -> Tensor:
        return torch.einsum("iajb,jb->ia", matrix, p)

    def value(p: Tensor) -> tuple[Tensor, Tensor]:
        root = (1 + 16 * p.square()).sqrt()
        return rows.dot(p, chi + 0.5 * turned(p)) + rows.dot(weight, root), chi + turned(p) + 16 * weight * p / root

    def curved(p: Tensor) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        second = (16 * weight / (1 + 16 * p.square()) ** 1.5).detach()
        own = torch.diagonal(matrix.flatten(2).flatten(0, 1)).view(p.shape)
        return lambda x: turned(x) + second * x, Blocks(torch.diag_embed(own + second).detach(), plane)

    return Objective(value, curved, plane, rows, settings or Settings())


def problem(sizes: tuple[int, ...] = SIZES, total: Tensor = TOTAL, settings: Settings | None = None) -> Objective:
    """Structures of several sizes."""
    plane, rows = scene(sizes, total)
    count = len(rows.index)
    return bent(plane, rows, coupling(rows), 60 * random(2, count, DIM), 20 * random(3, count, DIM).abs(), settings)


def single(objective: Objective, sizes: tuple[int, ...], which: int) -> tuple[Objective, slice]:
    """One structure of a batch of `problem`, and its rows."""
    plane, rows = objective.plane, objective.rows
    part = slice(sum(sizes[:which]), sum(sizes[: which + 1]))
    count = len(rows.index)
    matrix, chi, weight = coupling(rows), 60 * random(2, count, DIM), 20 * random(3, count, DIM).abs()
    one = Plane((0,), torch.zeros(sizes[which], dtype=torch.long), plane.total[[which]], plane.held[[which]])
    return bent(one, Rows(one.group, 1), matrix[part, :, part], chi[part], weight[part], objective.settings), part


def dense(objective: Objective) -> Tensor:
    """The same minimum by damped Newton steps on the dense equations with multipliers."""
    plane, count = objective.plane, len(objective.rows.index)
    constraint = torch.stack([plane.charge(e.view(count, DIM)) for e in torch.eye(count * DIM).double()], 1)[plane.held]
    p = plane.onto(torch.zeros(count, DIM, dtype=torch.float64))
    zero = torch.zeros(len(constraint), len(constraint), dtype=torch.float64)
    for _ in range(60):
        hessian = torch.autograd.functional.hessian(lambda x: objective.value(x)[0].sum(), p).view(count * DIM, -1)
        matrix = torch.cat([torch.cat([hessian, constraint.T], 1), torch.cat([constraint, zero], 1)])
        force = objective.value(p)[1].flatten()
        step = torch.linalg.solve(matrix, -torch.cat([force, zero[0] if len(zero) else force[:0]]))
        step, length = step[: count * DIM].view(count, DIM), 1.0
        while length > 1e-9 and objective.value(p + length * step)[0].sum() > objective.value(p)[0].sum():
            length /= 2
        p = p + length * step
    return p


def start(objective: Objective, seed: int = 7, size: float = 3.0) -> Tensor:
    """A density far from the minimum."""
    return size * random(seed, len(objective.rows.index), DIM)


def test_minimum_is_that_of_dense_newton_steps() -> None:
    objective = problem()
    solution = minimise(objective, start(objective))
    expected = dense(objective)
    close(solution.density, expected, 1e-10)
    assert set(solution.status) == {Status.CONVERGED} and ((4 * expected).abs() > 1).any(1).sum() > 3
    assert solution.residual.max() < 1e-9 and solution.residual.shape == solution.iterations.shape == (4,)
    close(objective.plane.charge(solution.density)[:3], TOTAL[:3], 1e-13)


def test_multiplier_and_curvature() -> None:
    """The potential is dE/dQ, NaN for what is not held; the curvature is not below the smallest of the plane."""
    objective = problem()
    solution = minimise(objective, start(objective))

    def lowest(shift: float) -> Tensor:
        moved = problem(total=TOTAL + shift)
        return moved.value(minimise(moved, start(moved)).density)[0].detach()

    slope = (lowest(1e-4) - lowest(-1e-4)) / 2e-4
    close(solution.potential[:3], slope[:3], 1e-7)
    assert solution.potential[3].isnan() and slope[:3].abs().min() > 1e-2
    assert (solution.curvature >= 1.0).all() and solution.curvature.isfinite().all()


def test_iterations_are_products_with_the_second_derivative() -> None:
    objective, part = single(problem(), SIZES, 1)
    calls = []

    def curved(p: Tensor) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        matrix, precondition = objective.curved(p)
        return lambda x: calls.append(1) or matrix(x), precondition

    counted = Objective(objective.value, curved, objective.plane, objective.rows, objective.settings)
    assert descended(counted, start(problem())[part]).iterations.tolist() == [len(calls)]
    calls.clear()
    downhill = Objective(
        well(1.0, 1.0).value,
        lambda p: (lambda x: calls.append(1) or -x, well(1.0, 1.0).curved(p)[1]),
        well(1.0, 1.0).plane,
        well(1.0, 1.0).rows,
        REPORT,
    )
    assert descended(downhill, SLOPE).iterations.max() == len(calls) > 1


def test_last_steps_converge_fast() -> None:
    """Early steps are solved loosely, the last ones as far as they go: residuals fall faster and faster."""
    objective, part = single(problem(), SIZES, 3)
    residuals = []

    def curved(p: Tensor) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        residuals.append(objective.plane.tangent(objective.value(p)[1]).abs().max().item())
        return objective.curved(p)

    watched = Objective(objective.value, curved, objective.plane, objective.rows, objective.settings)
    residuals.append(descended(watched, start(problem())[part]).residual.item())
    assert len(residuals) > 4 and residuals[1] > 1e-3 * residuals[0]
    assert residuals[-1] < 1e-3 * residuals[-2]


def test_independent_of_start() -> None:
    objective = problem()
    found = [
        minimise(objective, start(objective, seed, size)).density for seed, size in ((7, 3.0), (8, 30.0), (9, 0.0))
    ]
    close(found[1], found[0], 1e-9)
    close(found[2], found[0], 1e-9)


def test_minimum_needs_no_steps_from_itself() -> None:
    objective = problem()
    first = minimise(objective, start(objective))
    again = minimise(objective, first.density.detach())
    assert first.iterations.min() > 0 and not again.iterations.any()


@pytest.mark.parametrize("which", range(4))
def test_batch_equals_singles(which: int) -> None:
    """Structures of different size rest at different times and do not see each other, to the number of products."""
    objective = problem()
    alone, part = single(objective, SIZES, which)
    whole, one = minimise(objective, start(objective)), minimise(alone, start(objective)[part])
    close(whole.density[part], one.density, 1e-10)
    assert whole.iterations[which] == one.iterations[0]
    assert whole.iterations.unique().numel() > 2


def test_single_precision() -> None:
    objective = problem()
    plane, rows = scene(SIZES, TOTAL.float())
    count = len(rows.index)
    chi, weight = 60 * random(2, count, DIM).float(), 20 * random(3, count, DIM).abs().float()
    rough = bent(plane, rows, coupling(rows).float(), chi, weight)
    found = minimise(rough, start(objective).float())
    assert found.density.dtype == torch.float32 and found.residual.max() < 1e-3
    close(found.density.double(), minimise(objective, start(objective)).density, 1e-4)


def test_steps_are_searched_for() -> None:
    """sqrt(1 + x^2) from |x| > 1: Newton steps without a search diverge, x -> -x^3."""
    plane, rows = (
        Plane((0,), torch.tensor([0]), torch.zeros(1).double(), torch.tensor([False])),
        Rows(torch.tensor([0]), 1),
    )
    zero = torch.zeros(1, 1, dtype=torch.float64)
    objective = bent(plane, rows, 1e-3 * torch.ones(1, 1, 1, 1).double(), zero, zero + 1)
    solution = minimise(objective, zero + 5.0)
    assert solution.status == (Status.CONVERGED,) and solution.density.abs().item() < 1e-9


def energy_of(matrix: Tensor, chi: Tensor, weight: Tensor, total: Tensor, density: bool = False) -> Tensor:
    """Energies at the minimum, or the minimum, from the parameters of two structures."""
    plane, rows = scene((2, 3), total)
    objective = bent(plane, rows, 0.5 * (matrix + matrix.permute(2, 3, 0, 1)), chi, weight, Settings(tolerance=1e-11))
    found = minimise(objective, torch.zeros_like(chi)).density
    return found if density else objective.value(found)[0]


def test_derivatives() -> None:
    """The energy at the minimum to second order, and the minimum to first, in everything."""
    _, rows = scene((2, 3), TOTAL[:2])
    inputs = coupling(rows), 5 * random(2, 5, DIM), 3 * random(3, 5, DIM).abs(), TOTAL[:2]
    same = (rows.index[:, None] == rows.index)[:, None, :, None]
    derivatives_of(lambda m, *others: energy_of(m * same, *others), *inputs)
    free = tuple(x.clone().requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(
        lambda m, *o: energy_of(m * same, *o, density=True), free, atol=1e-6, fast_mode=True
    )


def test_third_derivative_of_the_energy() -> None:
    """One step of the derivative rule is exact for three derivatives of the energy (2n + 1)."""
    _, rows = scene((2, 3), TOTAL[:2])
    matrix, chi, weight = coupling(rows), 5 * random(2, 5, DIM), 3 * random(3, 5, DIM).abs()
    direction = random(4, 5, DIM)

    def second(x: Tensor) -> Tensor:
        energy = energy_of(matrix, chi + x * direction, weight, TOTAL[:2]).sum()
        (slope,) = torch.autograd.grad(energy, x, create_graph=True)
        return torch.autograd.grad(slope, x, create_graph=True)[0]

    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (third,) = torch.autograd.grad(second(x), x)
    step = 1e-4
    measured = (second(x + step) - second(x - step)) / (2 * step)
    assert third.abs() > 1e-3
    close(third, measured.detach(), 1e-6)


def well(height: float, quartic: float, settings: Settings = REPORT, start: float = 1.0) -> Objective:
    """Two atoms with -h p^2 + c p^4, and one structure beside it that has a minimum."""
    index = torch.tensor([0, 0, 1, 1])
    plane, rows = Plane((0,), index, torch.zeros(2).double(), torch.tensor([True, True])), Rows(index, 2)
    down = torch.tensor([height, height, -1.0, -1.0], dtype=torch.float64)[:, None]
    up = torch.tensor([quartic, quartic, 1.0, 1.0], dtype=torch.float64)[:, None]

    def value(p: Tensor) -> tuple[Tensor, Tensor]:
        return rows.dot(up, p**4) - rows.dot(down, p**2), 4 * up * p**3 - 2 * down * p

    def curved(p: Tensor) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        return lambda x: (12 * up * p**2 - 2 * down) * x, Blocks(torch.ones(4, 1, 1).double(), plane)

    return Objective(value, curved, plane, rows, settings)


SLOPE = torch.tensor([[0.3], [-0.3], [0.4], [-0.4]], dtype=torch.float64)
"""A start for `well`."""


def test_negative_curvature_is_left_behind() -> None:
    """From where a double well curves down, either minimum +-sqrt(h / 2c); the sign is that of the start."""
    for sign in (1, -1):
        solution = verified(well(2.0, 1.0), descended(well(2.0, 1.0), sign * SLOPE))
        assert solution.status == (Status.CONVERGED, Status.CONVERGED)
        close(solution.density[:2, 0], sign * torch.tensor([1.0, -1.0]).double(), 1e-9)
        close(solution.curvature, torch.tensor([8.0, 2.0]).double(), 1e-6)


def test_a_saddle_is_no_minimum() -> None:
    """At the top of the double well the force vanishes: only the curvature tells."""
    objective = well(2.0, 1.0)
    flat = descended(objective, torch.zeros(4, 1, dtype=torch.float64))
    assert flat.status[0] is Status.CONVERGED and flat.residual[0] == 0
    told = verified(objective, flat)
    assert told.status == (Status.INDEFINITE, Status.CONVERGED)
    close(told.curvature, torch.tensor([-4.0, 2.0]).double(), 1e-12)


@pytest.mark.parametrize("quartic", [0.0, -1.0], ids=["quadratic", "quartic"])
def test_energy_without_a_minimum_is_indefinite(quartic: float) -> None:
    solution = minimise(well(1.0, quartic), SLOPE)
    assert solution.status == (Status.INDEFINITE, Status.CONVERGED)
    assert solution.density[2:].abs().max() < 1e-8 and solution.curvature[0] < 0
    with pytest.raises(Unconverged, match=r"for structure 0: the energy has no minimum"):
        minimise(well(1.0, quartic, Settings()), SLOPE)


@pytest.mark.parametrize("part", ["force", "energy", "curvature"])
def test_numbers_that_are_not_finite_are_broken(part: str) -> None:
    fine = well(-1.0, 1.0)
    spoil = torch.tensor([torch.nan, 1.0], dtype=torch.float64)

    def value(p: Tensor) -> tuple[Tensor, Tensor]:
        energy, force = fine.value(p)
        each = spoil[fine.rows.index][:, None]
        return (energy * spoil if part == "energy" else energy), (force * each if part == "force" else force)

    def curved(p: Tensor) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        matrix, precondition = fine.curved(p)
        each = spoil[fine.rows.index][:, None]
        return lambda x: matrix(x) * (each if part == "curvature" else 1.0), precondition

    objective = Objective(value, curved, fine.plane, fine.rows, REPORT)
    solution = minimise(objective, SLOPE)
    assert solution.status == (Status.BROKEN, Status.CONVERGED)
    assert solution.density[2:].abs().max() < 1e-8
    raising = Objective(value, curved, fine.plane, fine.rows, Settings())
    with pytest.raises(Unconverged, match="not finite"):
        minimise(raising, SLOPE)


def test_too_few_iterations_are_said() -> None:
    objective = problem(settings=Settings(iterations=3, unconverged="report"))
    solution = minimise(objective, start(objective))
    assert Status.LIMIT in solution.status and solution.failed.any()
    assert (solution.iterations < 6).all()
    raising = problem(settings=Settings(iterations=3))
    with pytest.raises(Unconverged, match=r"eV/e after \d iterations .* allow more iterations"):
        minimise(raising, start(raising))


def test_asymmetric_direction_is_the_same_in_any_batch() -> None:
    objective = problem()
    b = asymmetric(objective, start(objective))
    alone, part = single(objective, SIZES, 1)
    close(asymmetric(alone, start(objective)[part]), b[part], 1e-14)
    close(objective.plane.tangent(b), b, 1e-14)
    assert b[:3].unique().numel() == 6
