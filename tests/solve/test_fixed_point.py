"""Fixed points: values and derivatives against unrolling and finite differences, starts, masks, and how they fail."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from leyden.solve import Plane, Rows, Settings, Solution, Status, Unconverged
from leyden.solve.anderson import Map, anderson
from leyden.solve.fixed_point import Cycle, Slope, fixed_point
from leyden.testing.numeric import close, derivatives_of, random

INDEX = torch.tensor([0, 0, 0, 1, 1])
ROWS = Rows(INDEX, 2)
DIM = 2
SAME = (INDEX[:, None] == INDEX[None]).repeat_interleave(DIM, 0).repeat_interleave(DIM, 1)
TOTAL = torch.tensor([1.0, -2.0], dtype=torch.float64)
HELD = torch.tensor([True, True])
WEIGHTS, BIAS = 0.25 * SAME * random(0, 10, 10), random(1, 5, DIM)
START = random(2, 5, DIM)


def plane(total: Tensor = TOTAL) -> Plane:
    return Plane((0,), INDEX, total, HELD)


def curved(weights: Tensor, bias: Tensor, total: Tensor) -> Map:
    """A contracting map that is not affine, and neither symmetric."""
    softness = 1.0 + bias[:, :1].square()
    return lambda p: plane(total).onto(bias + torch.sin((weights * SAME @ p.flatten()).view_as(p)), softness)


def affine(scale: float) -> Map:
    return lambda p: plane().onto(BIAS + scale * (WEIGHTS @ p.flatten()).view_as(p))


def solved(weights: Tensor, bias: Tensor, total: Tensor, times: int, start: Tensor = START) -> Tensor:
    image = curved(weights, bias, total)
    return fixed_point(image, start, ROWS, plane(total), Settings(), times).density


def cycled(weights: Tensor, bias: Tensor, total: Tensor) -> Tensor:
    """The plain cycle, with autograd through all of it."""
    image, p = curved(weights, bias, total), START
    for _ in range(150):
        p = image(p)
    return p


def find(image: Map, start: Tensor = START, **settings: object) -> Solution:
    return fixed_point(image, start, ROWS, plane(), Settings(**settings))


def spectral_radius(image: Map, p: Tensor, s: int) -> Tensor:
    entries = INDEX.repeat_interleave(DIM) == s
    slope = torch.autograd.functional.jacobian(image, p).reshape(10, 10)[entries][:, entries]
    return torch.linalg.eigvals(slope).abs().max()


def test_derivatives() -> None:
    """First and second, by the weights of the map, its bias, and the total charge."""
    derivatives_of(lambda w, b, q: solved(w, b, q, 2), WEIGHTS, BIAS, TOTAL)


def test_derivatives_are_those_of_the_cycle() -> None:
    """Implicit and unrolled, to the third order, by weights, bias and total charge."""
    inputs = tuple(x.clone().requires_grad_() for x in (WEIGHTS, BIAS, TOTAL))

    def orders(f: Callable[..., Tensor]) -> list[Tensor]:
        out = [f(*inputs)]
        for seed in range(3):
            slopes = torch.autograd.grad((out[-1] * random(seed + 3, *out[-1].shape)).sum(), inputs, create_graph=True)
            out.append(torch.cat([slope.flatten() for slope in slopes]))
        return out

    for a, b in zip(orders(lambda *x: solved(*x, 3)), orders(cycled), strict=True):
        assert b.abs().max() > 0.1
        close(a, b, 1e-10)


def test_too_few_steps_miss_the_next_order() -> None:
    """One step gives one derivative: what `times` means."""
    bias = BIAS.clone().requires_grad_()

    def second(f: Callable[[], Tensor]) -> Tensor:
        (slope,) = torch.autograd.grad(f().sum(), bias, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), bias)[0]

    exact = second(lambda: cycled(WEIGHTS, bias, TOTAL))
    close(second(lambda: solved(WEIGHTS, bias, TOTAL, 2)), exact, 1e-10)
    assert (second(lambda: solved(WEIGHTS, bias, TOTAL, 1)) - exact).abs().max() > 1e-3


def test_small_gradients_are_as_exact_as_large_ones() -> None:
    bias = BIAS.clone().requires_grad_()
    slopes = [torch.autograd.grad((s * solved(WEIGHTS, bias, TOTAL, 1)).sum(), bias)[0] / s for s in (1.0, 1e-12)]
    close(slopes[1], slopes[0], 1e-11)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_start_does_not_matter(seed: int) -> None:
    expected = cycled(WEIGHTS, BIAS, TOTAL)
    close(solved(WEIGHTS, BIAS, TOTAL, 1, 3.0 * random(seed, 5, DIM)), expected, 1e-10)


def test_a_root_stays_and_the_other_structure_moves() -> None:
    root = find(curved(WEIGHTS, BIAS, TOTAL)).density
    start = torch.where((INDEX == 0)[:, None], root, START)
    solution = find(curved(WEIGHTS, BIAS, TOTAL), start)
    assert solution.iterations[0] == 0 < solution.iterations[1]
    assert solution.radius[0].isnan() and solution.radius[1] > 0
    close(solution.density[INDEX == 0], root[INDEX == 0], 1e-15)
    close(solution.density, root, 1e-10)


@pytest.mark.parametrize("scale", [1.0, -20.0])
def test_affine_maps_need_one_step_whatever_their_radius(scale: float) -> None:
    """The radius is that of the cycle; above one it would diverge."""
    calls = []
    image = affine(scale)

    def counted(p: Tensor) -> Tensor:
        calls.append(p)
        return image(p)

    solution = find(counted, tolerance=1e-9)
    assert solution.status == (Status.CONVERGED,) * 2
    assert (solution.iterations <= torch.tensor([6, 4])).all()
    assert len(calls) == 4, "expected the start, its slope, the root, and the derivatives"
    close(image(solution.density), solution.density, 1e-9)
    for s in range(2):
        close(solution.radius[s], spectral_radius(image, START, s), 1e-6)
    assert (solution.radius.max() > 1) == (abs(scale) > 1)
    assert solution.potential.isnan().all() and solution.curvature.isnan().all()


@pytest.mark.parametrize("scale", [1.0, 20.0, -20.0])
def test_a_real_eigenvalue_above_one_is_no_stable_root(scale: float) -> None:
    """There the answer to a potential has turned its sign: the root is found, and said to be unstable."""
    image = affine(scale)
    slope = torch.autograd.functional.jacobian(image, START).reshape(10, 10)
    solution = find(image, unconverged="report")
    close(image(solution.density), solution.density, 1e-8)
    for s in range(2):
        entries = INDEX.repeat_interleave(DIM) == s
        values = torch.linalg.eigvals(slope[entries][:, entries])
        real = values.real[values.imag.abs() < 1e-9]
        assert solution.status[s] is (Status.INDEFINITE if (real > 1).any() else Status.CONVERGED)
    assert (Status.INDEFINITE in solution.status) == (scale == 20.0)


def test_single_precision() -> None:
    image = curved(WEIGHTS.float(), BIAS.float(), TOTAL.float())
    solution = fixed_point(image, START.float(), ROWS, plane(TOTAL.float()), Settings())
    assert solution.density.dtype == solution.radius.dtype == torch.float32
    close(solution.density.double(), cycled(WEIGHTS, BIAS, TOTAL), 1e-5)


@pytest.mark.parametrize("flipped", [False, True])
def test_inverse_and_its_transpose(flipped: bool) -> None:
    image, b = curved(WEIGHTS, BIAS, TOTAL), random(6, 5, DIM)
    slope = torch.autograd.functional.jacobian(image, START).reshape(10, 10)
    matrix = torch.eye(10) - (slope.T if flipped else slope)
    inverse = Cycle(Slope(image, START), ROWS, Settings())
    expected = torch.linalg.solve(matrix, b.flatten()).view_as(b)
    close((inverse.transposed if flipped else inverse)(b), expected, 1e-10)
    close((inverse.transposed.transposed.transposed if flipped else inverse.transposed.transposed)(b), expected, 1e-10)
    assert (matrix - matrix.T).abs().max() > 0.1


def test_a_map_that_ignores_the_density() -> None:
    close(find(lambda p: plane().onto(BIAS)).density, plane().onto(BIAS), 1e-14)


def arctangent(p: Tensor) -> Tensor:
    """p - arctan p for the second column: Newton's steps grow from |p| > 1.39 on, and mixing finds 0."""
    return torch.cat([plane().onto(BIAS)[:, :1], p[:, 1:] - torch.atan(p[:, 1:])], 1)


def test_mixing_goes_on_where_newton_fails() -> None:
    """For the one structure that needs it."""
    start = torch.full((5, DIM), 3.0, dtype=torch.float64)
    start[INDEX == 1, 1] = 0.3
    solution = find(arctangent, start)
    assert solution.status == (Status.CONVERGED,) * 2
    close(solution.density[:, 1], torch.zeros(5, dtype=torch.float64), 1e-10)
    assert solution.iterations[0] > solution.iterations[1] + 3


def test_what_is_solved_is_not_mixed() -> None:
    """Beside a structure that needs it: one whose residual, within ten tolerances, cannot become smaller."""

    def image(p: Tensor) -> Tensor:
        return torch.where((INDEX == 0)[:, None], arctangent(p), p + 3e-6)

    start = torch.full((5, DIM), 3.0, dtype=torch.float64)
    solution = find(image, start, tolerance=1e-6)
    assert solution.status == (Status.CONVERGED,) * 2
    assert solution.iterations[0] > 5 and solution.iterations[1] <= 2
    close(solution.density[INDEX == 1], plane().onto(start)[INDEX == 1], 1e-9)


def without_root(p: Tensor) -> Tensor:
    """1 + p^2 more than p."""
    return torch.cat([plane().onto(BIAS)[:, :1], p[:, 1:] + 1.0 + p[:, 1:].square()], 1)


@pytest.mark.parametrize(
    ("image", "settings", "expected"),
    [
        (curved(WEIGHTS, BIAS, TOTAL), {"iterations": 2}, Status.LIMIT),
        (without_root, {"iterations": 30}, Status.INDEFINITE),
        (lambda p: p * torch.nan, {}, Status.BROKEN),
    ],
)
def test_failure_is_an_error_or_reported(image: Map, settings: dict[str, int], expected: Status) -> None:
    start = START.abs()
    with pytest.raises(Unconverged, match=expected.value[:30]):
        find(image, start, **settings)
    solution = find(image, start, unconverged="report", **settings)
    assert expected in solution.status and set(solution.status) <= {expected, Status.CONVERGED}
    assert solution.failed.any() and solution.iterations.max() <= 30


def test_failure_stays_in_its_structure() -> None:
    def image(p: Tensor) -> Tensor:
        return torch.where((INDEX == 0)[:, None], torch.nan, curved(WEIGHTS, BIAS, TOTAL)(p))

    solution = find(image, unconverged="report")
    assert solution.status == (Status.BROKEN, Status.CONVERGED)
    close(solution.density[INDEX == 1], cycled(WEIGHTS, BIAS, TOTAL)[INDEX == 1], 1e-10)


def test_derivatives_that_fail_are_an_error() -> None:
    """At a root that was given, two iterations are enough for the density and not for its slope."""
    bias, root = BIAS.clone().requires_grad_(), cycled(WEIGHTS, BIAS, TOTAL)
    for unconverged in ("raise", "report"):
        image = curved(WEIGHTS, bias, TOTAL)
        settings = Settings(iterations=2, unconverged=unconverged)
        density = fixed_point(image, root, ROWS, plane(), settings).density
        if unconverged == "report":
            assert torch.autograd.grad(density.square().sum(), bias)[0].isfinite().all()
        else:
            with pytest.raises(Unconverged, match="expected converged derivatives"):
                torch.autograd.grad(density.square().sum(), bias)


@pytest.mark.parametrize("scale", [1.0, -6.0])
def test_mixing(scale: float) -> None:
    """Also where the plain cycle diverges; each structure stops by itself."""
    image = affine(scale)
    tolerance = torch.tensor([1e-4, 1e-10], dtype=torch.float64)
    mixed = anderson(image, START, ROWS, tolerance, 200)
    assert mixed.converged.all() and (mixed.residual <= tolerance).all()
    assert mixed.residual[0] > 1e-10 and mixed.iterations.max() < 40
    close(mixed.residual, ROWS.largest(image(mixed.x) - mixed.x), 1e-14)
    exact = find(affine(scale)).density
    close(mixed.x[INDEX == 1], exact[INDEX == 1], 1e-9)
    resting = anderson(image, mixed.x, ROWS, tolerance, 200)
    assert torch.equal(resting.x, mixed.x) and not resting.iterations.any()
    lone = anderson(image, START, ROWS, torch.tensor([torch.inf, 1e-10], dtype=torch.float64), 200)
    assert torch.equal(lone.x[INDEX == 0], START[INDEX == 0])
    assert spectral_radius(image, START, 0) > 1 or scale == 1.0


def test_mixing_at_its_limit_is_not_converged() -> None:
    mixed = anderson(affine(1.0), START, ROWS, torch.full((2,), 1e-12, dtype=torch.float64), 3)
    assert mixed.iterations.tolist() == [3, 3] and not mixed.converged.any()


def test_mixing_takes_no_more_steps_than_unknowns_allow() -> None:
    """With as many differences as an affine map has unknowns, it is a direct solver."""
    mixed = anderson(affine(-6.0), START, ROWS, torch.full((2,), 1e-8, dtype=torch.float64), 200)
    assert (mixed.iterations <= torch.tensor([8, 6])).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_mixing_starts_again_where_the_residual_grows(dtype: torch.dtype) -> None:
    """The first step of one structure overshoots by orders of magnitude; the other is not touched by it."""

    def image(p: Tensor) -> Tensor:
        return 0.9 * p - 0.3 * p**3 + 0.2

    start, tolerance = START.to(dtype), torch.full((2,), 1e-5, dtype=dtype)
    far = torch.where((INDEX == 0)[:, None], 100.0 * start, start)
    mixed, near = (anderson(image, x, ROWS, tolerance, 200) for x in (far, start))
    assert mixed.converged.all() and mixed.iterations[0] < 100
    assert mixed.iterations[1] == near.iterations[1]
    assert torch.equal(mixed.x[INDEX == 1], near.x[INDEX == 1])


def test_mixing_that_diverges_returns_the_best_it_met() -> None:
    tolerance = torch.full((2,), 1e-9, dtype=torch.float64)
    mixed = anderson(lambda p: p + 1.0 + p.abs() ** 3, 5.0 * START, ROWS, tolerance, 100)
    assert not mixed.converged.any() and mixed.iterations.tolist() == [100, 100]
    close(mixed.residual, ROWS.largest(1.0 + mixed.x.abs() ** 3), 1e-12)
    assert (mixed.residual < ROWS.largest(1.0 + (5.0 * START).abs() ** 3)).all()


def test_preconditioner_of_mixing() -> None:
    """With the inverse of 1 - dg/dp, a full step is Newton's."""
    image = affine(3.0)
    inverse = Cycle(Slope(image, START), ROWS, Settings())
    tolerance = torch.full((2,), 1e-9, dtype=torch.float64)
    mixed = anderson(image, START, ROWS, tolerance, 10, mixing=1.0, precondition=inverse)
    assert mixed.iterations.tolist() == [1, 1] and mixed.converged.all()
