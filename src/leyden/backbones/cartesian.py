"""Cartesian: a small equivariant message-passing network with scalar, vector and symmetric traceless tensor features.

An atom carries scalars s, vectors v and tensors T in several channels; n is the unit vector from atom i to its neighbor
j, and every R a radial function of its own (radial.py). Each layer sums messages over neighbors, for every channel,

    h_ij = s_j + [ R_v (n . v_j), R_t (n T_j n) ]
    A_i  = sum_j ( R_0 h_ij,  [R_1 h_ij n, R_3 v_j],  [R_2 h_ij {n n}, R_4 T_j] ) / sqrt(mean number of neighbors)

with {n n} the symmetric traceless part and [a, b] the channels of a beside those of b (in the first layer there are
scalars only: h_ij = s_j, and no v_j, T_j), raises them to products of up to three sums (products.py), and adds the
atom's own features with weights of its element z_i,

    P_i = A_i x A_i,    D_i = P_i x A_i,    (s, v, T)_i <- W (A_i, P_i, D_i) + w[z_i] (s, v, T)_i

The energy is E_i = sum over layers of a . s_i, plus b . silu(C s_i + d) after the last layer. The products are those of
MACE (arXiv:2206.07697), the messages in Cartesian form those of TensorNet (arXiv:2306.06482).

Charge and spin enter the first scalars (conditioning.py).
"""

import math

import torch
from torch import Tensor, nn

from leyden.backbones.backbone import Backbone, Channels, Features
from leyden.backbones.conditioning import Conditioning
from leyden.backbones.elements import Elements
from leyden.backbones.products import Irreps, Mix, Product, Scale, concatenate, unpack
from leyden.backbones.radial import Edges, Radial
from leyden.neighbors import Graph
from leyden.system import System


class Cartesian(Backbone):
    """The network of the module docstring.

    elements: atomic numbers; cutoff in Å; channels of each kind of feature; average_neighbors: mean number of neighbors
    within the cutoff in the training data, which normalises the sums; basis: number of Bessel functions.
    """

    def __init__(
        self,
        elements: tuple[int, ...],
        cutoff: float = 4.5,
        channels: int = 32,
        layers: int = 2,
        average_neighbors: float = 20.0,
        basis: int = 8,
    ) -> None:
        super().__init__()
        self.elements = tuple(sorted(elements))
        self.cutoff = cutoff
        self.channels = Channels(layers * channels, layers * channels, layers * channels)
        self.basis, self.width, self.depth, self.average_neighbors = basis, channels, layers, average_neighbors
        count = len(self.elements)
        self.embedding = Embedding(self.elements, channels)
        self.first = FirstMessages(count, channels, basis, average_neighbors)
        later = [Messages(count, channels, basis, average_neighbors) for _ in range(layers - 1)]
        self.messages = nn.ModuleList(later)
        inputs = [self.first.outputs] + [messages.outputs for messages in later]
        self.updates = nn.ModuleList([Update(count, sums, channels) for sums in inputs])
        self.linear = nn.Parameter(0.1 * torch.randn(layers, channels) / math.sqrt(channels))
        self.hidden = nn.Linear(channels, channels)
        self.last = nn.Parameter(0.1 * torch.randn(channels) / math.sqrt(channels))

    def forward(self, graph: Graph) -> Features:
        """Energy and features of all atoms; the features of all layers are joined along the channels."""
        species = self.embedding.species(graph.system.numbers)
        edges = Edges.of(graph, species, len(self.elements), self.cutoff, self.basis)
        x = self.embedding(graph.system, species)
        outputs = []
        for messages, update in zip([self.first, *self.messages], self.updates, strict=True):
            x = update(messages(x, edges), x, species)
            outputs.append(x)
        energy = torch.stack([y.scalars for y in outputs]).mul(self.linear[:, None]).sum((0, 2))
        energy = energy + nn.functional.silu(self.hidden(x.scalars)) @ self.last
        joined = concatenate(outputs)
        return Features(energy, joined.scalars, joined.vectors, unpack(joined.tensors))


class Embedding(nn.Module):
    """First features: scalars of the element, charge and spin; zero vectors and tensors."""

    def __init__(self, elements: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.species = Elements(elements)
        self.element = nn.Parameter(torch.randn(len(elements), channels))
        self.conditioning = Conditioning(len(elements), channels)

    def forward(self, system: System, species: Tensor) -> Irreps:
        """Scalars of each atom's element, plus those of charge and spin."""
        scalars = self.element.index_select(0, species) + self.conditioning(system, species)
        count, channels = scalars.shape
        return Irreps(scalars, scalars.new_zeros(count, 3, channels), scalars.new_zeros(count, 5, channels))


def gather(messages: Irreps, edges: Edges, count: int) -> Irreps:
    """Sum messages of E pairs onto their centers."""
    return Irreps(*(m.new_zeros(count, *m.shape[1:]).index_add(0, edges.centers, m) for m in messages))


class FirstMessages(nn.Module):
    """A_i of the first layer, where neighbors have scalars only."""

    def __init__(self, elements: int, channels: int, basis: int, average_neighbors: float) -> None:
        super().__init__()
        self.channels, self.norm = channels, 1 / math.sqrt(average_neighbors)
        self.outputs = (channels, channels, channels)
        self.radial = Radial(elements, basis, 3 * channels)

    def forward(self, x: Irreps, edges: Edges) -> Irreps:
        """Features of neighbors to sums on centers."""
        scalars = edges.graph.of_neighbors(self.norm * x.scalars)
        zero, one, two = self.radial(edges).split(self.channels, 1)
        messages = Irreps(
            zero * scalars,
            edges.directions * (one * scalars)[:, None],
            edges.squares * (two * scalars)[:, None],
        )
        return gather(messages, edges, len(x.scalars))


class Messages(nn.Module):
    """A_i of a later layer, C channels each to `outputs` channels.

    Neighbors' vectors and tensors travel in half of the channels, v_j and T_j adding to one half of h_ij each: a fifth
    less time for a training step. What they add to A_i directly comes in channels of its own.
    """

    def __init__(self, elements: int, channels: int, basis: int, average_neighbors: float) -> None:
        super().__init__()
        self.norm = 1 / math.sqrt(average_neighbors)
        v, t = (channels + 1) // 2, channels // 2
        self.outputs = (channels, channels + v, channels + t)
        self.mix = Mix((channels, channels, channels), (channels, v, t))
        self.functions = [v, t, channels, channels, channels, v, t]
        self.radial = Radial(elements, basis, sum(self.functions))

    def forward(self, x: Irreps, edges: Edges) -> Irreps:
        """Features of neighbors to sums on centers."""
        scalars, vectors, tensors = (edges.graph.of_neighbors(self.norm * part) for part in self.mix(x))
        along, across, zero, one, two, vector, tensor = self.radial(edges).split(self.functions, 1)
        contracted = [along * (vectors * edges.directions).mean(1), across * (tensors * edges.squares).mean(1)]
        scalars = scalars + torch.cat(contracted, 1)
        messages = Irreps(
            zero * scalars,
            torch.cat([edges.directions * (one * scalars)[:, None], vector[:, None] * vectors], -1),
            torch.cat([edges.squares * (two * scalars)[:, None], tensor[:, None] * tensors], -1),
        )
        return gather(messages, edges, len(x.scalars))


class Update(nn.Module):
    """Products of the sums A, mixed and added to the atom's own features."""

    def __init__(self, elements: int, inputs: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        same = (channels, channels, channels)
        self.mix = Mix(inputs, same)
        self.second = Product(elements, channels)
        self.third = Product(elements, channels)
        self.join = Mix((3 * channels, 3 * channels, 3 * channels), same)
        self.own = Scale(elements, same, mean=0.0, spread=0.5)

    def forward(self, sums: Irreps, x: Irreps, species: Tensor) -> Irreps:
        """x_i' of the module docstring."""
        mixed = self.mix(sums)
        second = self.second(mixed, mixed, species)
        third = self.third(second, mixed, species)
        new, own = self.join(concatenate([mixed, second, third])), self.own(x, species)
        return Irreps(*(a + b for a, b in zip(new, own, strict=True)))
