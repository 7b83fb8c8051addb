"""dg/dp of a map p -> g(p) as a linear map and its transpose, from the map alone."""

from functools import cached_property

import torch
from torch import Tensor

from leyden.solve.anderson import Map


class Slope:
    """At a density (N, dim), differentiable in all that it and the map depend on; nothing is evaluated before it is
    used."""

    def __init__(self, image: Map, density: Tensor) -> None:
        self.image, self.density = image, density

    def forward(self, v: Tensor, create_graph: bool = False) -> Tensor:
        """(dg/dp) v: the transpose is linear in what it is applied to, and this is its transpose."""
        _, _, probe, pulled = self._graph
        return torch.autograd.grad(pulled, probe, v, retain_graph=True, create_graph=create_graph)[0]

    def backward(self, v: Tensor) -> Tensor:
        """(dg/dp)^T v."""
        p, image, _, _ = self._graph
        return torch.autograd.grad(image, p, v, retain_graph=True)[0]

    @cached_property
    def _graph(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        with torch.enable_grad():
            p = self.density if self.density.requires_grad else self.density.detach().requires_grad_()
            probe = torch.zeros_like(p, requires_grad=True)
            image = self.image(p) + 0.0 * p
            (pulled,) = torch.autograd.grad(image, p, probe, create_graph=True)
        return p, image, probe, pulled
