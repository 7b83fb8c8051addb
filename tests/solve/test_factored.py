"""A factorised 1 - dg/dp: against the map alone, with derivatives, padding, instability and singularity."""

import pytest
import torch
from torch import Tensor

from leyden.solve import Plane, Rows, Settings, Solution, Status, Unconverged
from leyden.solve.factored import Factored
from leyden.solve.fixed_point import Cycle, Slope, fixed_point
from leyden.testing.numeric import close, derivatives_of, random

INDEX = torch.tensor([0, 0, 0, 1, 1])
ROWS, DIM = Rows(INDEX, 2), 2
HELD = torch.tensor([True, True])
SAME = (INDEX[:, None] == INDEX[None]).repeat_interleave(DIM, 0).repeat_interleave(DIM, 1)
SLOPE, BIAS, TOTAL = 0.2 * SAME * random(0, 10, 10), random(1, 5, DIM), torch.tensor([1.0, -2.0], dtype=torch.float64)


def matrices(slope: Tensor) -> Tensor:
    """Of the structures, (2, 6, 6), the second with two rows of zeros."""
    out = slope.new_zeros(2, 6, 6)
    out[0], out[1, :4, :4] = slope[:6, :6], slope[6:, 6:]
    return out


def solved(slope: Tensor, bias: Tensor, factored: bool = True, times: int = 2, **settings: str) -> Solution:
    """The root of p = P (bias + slope p), by factors or from the map alone."""
    plane = Plane((0,), INDEX, TOTAL.to(bias), HELD)
    onto = torch.autograd.functional.jacobian(plane.onto, bias.detach()).reshape(10, 10)
    newton = Factored.of(matrices((onto @ slope).detach()), ROWS, Settings(**settings)) if factored else None

    def image(p: Tensor) -> Tensor:
        return plane.onto(bias + (slope @ p.flatten()).view_as(p))

    return fixed_point(image, torch.zeros_like(bias), ROWS, plane, Settings(**settings), times, newton)


def test_against_the_map_alone() -> None:
    found, iterated = (solved(SLOPE, BIAS, factored) for factored in (True, False))
    close(found.density, iterated.density, 1e-11)
    close(found.radius, iterated.radius, 0.1)
    assert found.status == iterated.status == (Status.CONVERGED,) * 2
    assert found.iterations.tolist() == [1, 1] and iterated.iterations.min() > 2


def test_derivatives() -> None:
    """First and second, by what the map depends on."""
    derivatives_of(lambda slope, bias: solved(SAME * slope, bias).density, SLOPE, BIAS)


def test_transposed() -> None:
    matrix, b = matrices(SLOPE), random(2, 5, DIM)
    factored, cycle = (
        inverse.transposed(b)
        for inverse in (
            Factored.of(matrix, ROWS, Settings()),
            Cycle(Slope(lambda p: (SLOPE @ p.flatten()).view_as(p), b), ROWS, Settings()),
        )
    )
    close(factored, cycle, 1e-10)
    assert (factored - Factored.of(matrix, ROWS, Settings())(b)).abs().max() > 0.1


@pytest.mark.parametrize("size", [0.5, 2.0, -2.0])
def test_radius_and_stability(size: float) -> None:
    """dg/dp with one real eigenvalue apart from roundoff: above one, the root is unstable."""
    slope = torch.zeros(10, 10, dtype=torch.float64)
    slope[1, 1] = slope[7, 7] = size
    found = solved(slope, BIAS, unconverged="report")
    close(found.radius, torch.full((2,), abs(size), dtype=torch.float64), 1e-12)
    assert found.status == (Status.INDEFINITE if size > 1 else Status.CONVERGED,) * 2
    close(found.density[[0, 3], 1], BIAS[[0, 3], 1] / (1 - size), 1e-12)


def test_singular() -> None:
    """An eigenvalue of one: no root, and an error that says so."""
    slope = torch.zeros(10, 10, dtype=torch.float64)
    slope[1, 1] = 1.0
    with pytest.raises(Unconverged, match="the equations are singular or not finite"):
        solved(slope, BIAS)


def test_single_precision() -> None:
    single = solved(SLOPE.float(), BIAS.float()).density
    assert single.dtype == torch.float32
    close(single.double(), solved(SLOPE, BIAS).density, 1e-5)
