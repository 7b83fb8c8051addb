"""Scalars, vectors and symmetric traceless tensors: linear mixing and bilinear products of them.

A tensor T is packed as its five components t_a = B_a : T in an orthonormal basis B_a of the symmetric traceless
matrices, so T = sum_a t_a B_a and T:T' = sum_a t_a t'_a. The product of (s, v, T) with (s', v', T') has, for every
channel, the parts that keep their character under reflections:

    scalars   s s',  v.v',  T:T'
    vectors   s v',  s' v,  T v',  T' v
    tensors   s T',  s' T,  {v v'},  {T T'}            {M} = symmetric traceless part of M

which are multiplied by weights of the atom's element and mixed over channels (Batatia et al., MACE, arXiv:2206.07697,
equation 10, in Cartesian form).
"""

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Irreps(NamedTuple):
    """Features of N atoms in C channels: scalars (N, C), vectors (N, 3, C), packed tensors (N, 5, C)."""

    scalars: Tensor
    vectors: Tensor
    tensors: Tensor


@cache
def traceless_basis(dtype: torch.dtype, device: torch.device) -> Tensor:
    """B_a: orthonormal basis of the symmetric traceless 3 x 3 matrices, (5, 9) with flattened matrices as rows."""
    basis = torch.zeros(5, 3, 3, dtype=torch.float64)
    for row, (x, y) in enumerate([(0, 1), (1, 2), (2, 0)]):
        basis[row, x, y] = basis[row, y, x] = math.sqrt(0.5)
    basis[3] = torch.diag(basis.new_tensor([1.0, -1.0, 0.0])) * math.sqrt(0.5)
    basis[4] = torch.diag(basis.new_tensor([-1.0, -1.0, 2.0])) * math.sqrt(1.0 / 6)
    return basis.view(5, 9).to(device, dtype)


def pack(matrices: Tensor) -> Tensor:
    """Symmetric traceless part of matrices (N, 3, 3, C), packed (N, 5, C)."""
    return traceless_basis(matrices.dtype, matrices.device) @ matrices.flatten(1, 2)


def pack_square(vectors: Tensor) -> Tensor:
    """Symmetric traceless part of v v^T for vectors (E, 3), packed (E, 5)."""
    dyads = (vectors[:, :, None] * vectors[:, None]).flatten(1)
    return dyads @ traceless_basis(vectors.dtype, vectors.device).T


def unpack(tensors: Tensor) -> Tensor:
    """Packed tensors (N, 5, C) to matrices (N, 3, 3, C)."""
    return (traceless_basis(tensors.dtype, tensors.device).T @ tensors).unflatten(1, (3, 3))


def concatenate(parts: list[Irreps]) -> Irreps:
    """Join features along their channels."""
    return Irreps(*(torch.cat(each, dim=-1) for each in zip(*parts, strict=True)))


class Mix(nn.Module):
    """Linear mixing of channels, scalars, vectors and tensors each with a matrix of their own."""

    def __init__(self, inputs: tuple[int, int, int], outputs: tuple[int, int, int]) -> None:
        super().__init__()
        shapes = zip(inputs, outputs, strict=True)
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(n, m) / math.sqrt(n)) for n, m in shapes])

    def forward(self, x: Irreps) -> Irreps:
        """Channels of x to the output channels."""
        return Irreps(*(part @ weight for part, weight in zip(x, self.weights, strict=True)))


class Scale(nn.Module):
    """Multiply every channel by a weight of the atom's element."""

    def __init__(self, elements: int, channels: tuple[int, int, int], mean: float, spread: float) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(mean + spread * torch.randn(elements, n)) for n in channels])

    def forward(self, x: Irreps, species: Tensor) -> Irreps:
        """x and the index of each atom's element (N,)."""
        scalars, vectors, tensors = (weight.index_select(0, species) for weight in self.weights)
        return Irreps(x.scalars * scalars, x.vectors * vectors[:, None], x.tensors * tensors[:, None])


class Product(nn.Module):
    """The bilinear product of the module docstring, C channels to C channels."""

    def __init__(self, elements: int, channels: int) -> None:
        super().__init__()
        paths = (3 * channels, 4 * channels, 4 * channels)
        self.scale = Scale(elements, paths, mean=0.5, spread=0.2)
        self.mix = Mix(paths, (channels, channels, channels))

    def forward(self, x: Irreps, y: Irreps, species: Tensor) -> Irreps:
        """All products of x with y, scaled and mixed."""
        return self.mix(self.scale(couple(x, y), species))


def couple(x: Irreps, y: Irreps) -> Irreps:
    """All products of x with y, one after the other along the channels."""
    s, a = x.scalars[:, None], y.scalars[:, None]
    v, u, t, q = x.vectors, y.vectors, unpack(x.tensors), unpack(y.tensors)
    return Irreps(
        torch.cat(
            [
                x.scalars * y.scalars,
                (v * u).sum(1) / math.sqrt(3),
                (x.tensors * y.tensors).sum(1) / math.sqrt(5),
            ],
            -1,
        ),
        torch.cat([s * u, a * v, (t * u[:, None]).sum(2), (q * v[:, None]).sum(2)], -1),
        torch.cat(
            [
                s * y.tensors,
                a * x.tensors,
                pack(v[:, :, None] * u[:, None]),
                pack((t[:, :, :, None] * q[:, None]).sum(2)),
            ],
            -1,
        ),
    )
