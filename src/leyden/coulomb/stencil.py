"""The p^3 nodes that each site reaches on its mesh: a density is laid onto them, and a potential is read from them.

With v = n s + p / 2, the node l = j - floor(v) of an axis has the weight M_p(v - floor(v) + j), j = 0 ... p - 1, and
derivatives by s as those of M_p times powers of n. Where numba is installed (`pip install leyden[fast]`), sites on the
CPU go through compiled loops (loops.py), with the same result to roundoff.
"""

import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leyden.coulomb import splines
from leyden.density.harmonics import multi_indices

COMPILED = True
"""Whether compiled loops are used where they can be."""
BLOCK = 250_000
"""Largest number of entries of a sites x nodes array; more sites go block by block, in memory linear in sites."""


class Stencil:
    """M sites at v (M, 3), each on a mesh of sizes (M, 3) whose nodes begin at first (M,); splines of order p.

    The weights have the given dtype; v may be more precise.
    """

    def __init__(self, v: Tensor, sizes: Tensor, first: Tensor, order: int, dtype: torch.dtype) -> None:
        self.sizes, self.p, self.count = sizes, order, len(v)
        floor = v.floor()
        self.x = (v - floor).to(dtype)
        node = (torch.arange(order, device=v.device) - floor.long()[..., None]) % sizes[..., None]
        self.x_node, self.y_node, self.z_node = node.unbind(1)
        self.y_node = self.y_node * sizes[:, 2:]
        self.x_node = self.x_node * sizes[:, 1:].prod(1, keepdim=True) + first[:, None]
        block = max(1, BLOCK // order**3)
        self.blocks = [slice(a, a + block) for a in range(0, self.count, block)]
        self.weights: list[Tensor] = []

    def lay(self, coefficients: Tensor, order: int, nodes: int) -> Tensor:
        """The density (nodes,) of coefficients (M, number of multi-indices up to order)."""
        _, rows, columns = _layout(order)
        density = coefficients.new_zeros(nodes)
        for block in self.blocks:
            x, yz = self._weights(block, order)
            matrix = x.new_zeros(len(x), order + 1, yz.shape[1])
            matrix[:, rows, columns] = coefficients[block]
            values = torch.einsum("mai,maj->mij", x, torch.einsum("mab,mbj->maj", matrix, yz))
            density.scatter_add_(0, self._nodes(block), values.flatten())
        return density

    def read(self, potential: Tensor, order: int) -> Tensor:
        """The transpose: (nodes,) -> (M, number of multi-indices up to order)."""
        _, rows, columns = _layout(order)
        out = potential.new_empty(self.count, len(rows))
        for block in self.blocks:
            x, yz = self._weights(block, order)
            values = potential.index_select(0, self._nodes(block)).view(len(x), x.shape[2], yz.shape[2])
            matrix = torch.einsum("maj,mbj->mab", torch.einsum("mai,mij->maj", x, values), yz)
            out[block] = matrix[:, rows, columns]
        return out

    def _weights(self, block: slice, order: int) -> tuple[Tensor, Tensor]:
        """Derivatives of M_p by s along x, (m, order + 1, p), and products of those along y and z, (m, n, p * p)."""
        for a in range(len(self.weights), order + 1):
            spline = splines.weights(self.x, self.p, a) * self.sizes**a
            self.weights.append(spline.permute(1, 2, 0).contiguous())
        x, y, z = torch.stack([w[block] for w in self.weights[: order + 1]], 2).unbind(1)
        (b, c), _, _ = _layout(order)
        return x, (y[:, b, :, None] * z[:, c, None, :]).flatten(2)

    def _nodes(self, block: slice) -> Tensor:
        """Where the p^3 nodes of each site stand, flattened."""
        plane = (self.y_node[block, :, None] + self.z_node[block, None, :]).flatten(1)
        return (self.x_node[block, :, None] + plane[:, None, :]).flatten()


class Compiled(Stencil):
    """The same by compiled loops, for tensors on the CPU."""

    def __init__(self, v: Tensor, sizes: Tensor, first: Tensor, order: int, dtype: torch.dtype) -> None:
        floor = v.floor()
        near = torch.remainder(-floor.long(), sizes)
        self.sites = (v - floor).to(dtype).numpy(), near.numpy(), sizes.numpy(), first.numpy()
        self.p, self.count = order, len(v)

    def lay(self, coefficients: Tensor, order: int, nodes: int) -> Tensor:
        """The density (nodes,) of coefficients (M, number of multi-indices up to order)."""
        density = coefficients.new_zeros(nodes)
        given = coefficients.detach().contiguous().numpy()
        _loops().lay(given, *self.sites, _indices(order), (0,) * self.p, (0,) * (order + 1), density.numpy())
        return density

    def read(self, potential: Tensor, order: int) -> Tensor:
        """The transpose: (nodes,) -> (M, number of multi-indices up to order)."""
        out = potential.new_empty(self.count, len(_indices(order)))
        given = potential.detach().contiguous().numpy()
        _loops().read(given, *self.sites, _indices(order), (0,) * self.p, (0,) * (order + 1), out.numpy())
        return out


def compiled(device: torch.device) -> bool:
    """Whether sites on a device go through compiled loops."""
    return COMPILED and device.type == "cpu" and _loops() is not None


def stencil(v: Tensor, sizes: Tensor, first: Tensor, order: int, dtype: torch.dtype) -> Stencil:
    """By compiled loops where they can be used."""
    return (Compiled if compiled(v.device) else Stencil)(v, sizes, first, order, dtype)


@cache
def _loops() -> Any:
    """The module with the loops; None without numba."""
    if find_spec("numba") is None:
        return None
    try:
        return import_module("leyden.coulomb.loops")
    except ImportError as error:
        warnings.warn(f"leyden sums without compiled loops, since numba cannot be imported: {error}", stacklevel=2)
        return None


@cache
def _indices(order: int) -> np.ndarray:
    return np.array(multi_indices(order))


@cache
def _layout(order: int) -> tuple[list[list[int]], list[int], list[int]]:
    """Multi-indices (a, b, c) as places in a matrix a x (b, c): all b, c with b + c <= order, rows, columns."""
    plane = [(b, c) for b, c in product(range(order + 1), repeat=2) if b + c <= order]
    rows, columns = zip(*((a, plane.index((b, c))) for a, b, c in multi_indices(order)), strict=True)
    return [list(each) for each in zip(*plane, strict=True)], list(rows), list(columns)
