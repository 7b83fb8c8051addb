"""The charge plane: the shift is the weighted closest point, and leaves dipoles alone."""

import torch
from torch import Tensor

from leyden.solve import Plane
from leyden.testing.numeric import derivatives_of, random

INDEX = torch.tensor([0, 0, 0, 1, 1])
TARGET = torch.tensor([1.0, -2.0], dtype=torch.float64)
WEIGHTS = random(0, 5).abs() + 0.1
HELD = torch.tensor([True, True])


def onto_plane(density: Tensor, target: Tensor, weights: Tensor, index: Tensor) -> Tensor:
    return Plane((0,), index, target, HELD).onto(density, weights[:, None])


def test_total_charge() -> None:
    """Sums are met, dipoles stay, and a density on the plane is a fixed point."""
    density = random(1, 5, 4)
    shifted = onto_plane(density, TARGET, WEIGHTS, INDEX)
    sums = torch.stack([shifted[:3, 0].sum(), shifted[3:, 0].sum()])
    torch.testing.assert_close(sums, TARGET, rtol=1e-13, atol=1e-13)
    assert torch.equal(shifted[:, 1:], density[:, 1:])
    torch.testing.assert_close(onto_plane(shifted, TARGET, WEIGHTS, INDEX), shifted, rtol=0, atol=1e-14)
    assert (shifted - density)[:, 0].abs().min() > 1e-3


def test_closest_point() -> None:
    """The minimum of sum (q - q0)^2 / 2 w on the plane, from its linear equations."""
    density = random(1, 5, 1)
    constraint = torch.nn.functional.one_hot(INDEX).double()
    matrix = torch.cat(
        [torch.cat([torch.diag(1 / WEIGHTS), constraint], 1), torch.cat([constraint.T, torch.zeros(2, 2)], 1)]
    )
    solution = torch.linalg.solve(matrix, torch.cat([density[:, 0] / WEIGHTS, TARGET]))
    torch.testing.assert_close(onto_plane(density, TARGET, WEIGHTS, INDEX)[:, 0], solution[:5], rtol=1e-12, atol=1e-12)


def test_derivatives() -> None:
    """In the density, the totals and the weights."""
    derivatives_of(lambda p, q, w: onto_plane(p, q, w, INDEX), random(1, 5, 4), TARGET, WEIGHTS)
