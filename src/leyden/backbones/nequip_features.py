"""Features of every atom in a network of nequip: of atoms in NequIP, of pairs in Allegro, summed onto their centers.

    x_i = (x_i^1, x_i^2, ...)    or    x_i = sum_j (t_ij^0, t_ij^1, ..., s_ij)/sqrt(N)

with the features x^l of atoms after layer l, the tensors t^l of pairs before the first layer and after layer l, the
scalars s of pairs of all layers, and the average number of neighbors N by which Allegro normalises its own sums. All of
them vanish as a neighbor reaches the cutoff.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from leyden.backbones.irreps import Layout
from leyden.neighbors import Graph


class Tap(ABC):
    """Takes features out of a network while it is evaluated, and puts charge and spin in.

    layout: what their columns mean; embedding: of the elements; readout: what makes energies of features.
    """

    layout: Layout
    embedding: nn.Embedding
    readout: nn.Module

    @abstractmethod
    def hooks(self, graph: Graph, state: Tensor, kept: list[Tensor]) -> Iterator[RemovableHandle]:
        """While they are there, state (N, width) is added to the embedding, and features are appended to `kept`."""

    @abstractmethod
    def joined(self, graph: Graph, out: dict[str, Tensor], kept: list[Tensor]) -> Tensor:
        """Features (N, layout.size), of those kept and what the network gave."""


class Atoms(Tap):
    """Of NequIP: the features of atoms after each layer."""

    def __init__(self, network: Any) -> None:
        self.layers = [part for name, part in network.named_children() if name.startswith("layer")]
        self.layout = Layout("+".join(str(layer.irreps_out["node_features"]) for layer in self.layers))
        self.embedding, self.readout = network.type_embed.embed_module, network.per_atom_energy_readout

    def hooks(self, graph: Graph, state: Tensor, kept: list[Tensor]) -> Iterator[RemovableHandle]:
        """What comes from neighbors is seen through the graph."""
        yield self.embedding.register_forward_hook(lambda module, given, x: x + state)
        for layer in self.layers:
            yield layer.register_forward_hook(lambda module, given, out: kept.append(out["node_features"]))
            if graph.twist is not None:
                yield layer.conv.tp_scatter.tp.register_forward_pre_hook(
                    lambda module, given: (graph.seen(given[0]), *given[1:])
                )

    def joined(self, graph: Graph, out: dict[str, Tensor], kept: list[Tensor]) -> Tensor:
        """Layer after layer."""
        return torch.cat(kept, 1)


class Pairs(Tap):
    """Of Allegro: the tensors of pairs before and after each layer, and their scalars, summed onto the centers."""

    def __init__(self, network: Any) -> None:
        self.before, self.layers = network.tensor_embed, network.allegro
        self.tensors = [self.before.irreps_out["edge_features"], *(product.irreps_out for product in self.layers.tps)]
        count = self.layers.num_tensor_features
        terms = [f"{count}x{irrep}" for irreps in self.tensors for _, irrep in irreps]
        self.layout = Layout("+".join([*terms, str(self.layers.irreps_out["edge_features"])]))
        radial = network.radial_chemical_embed
        self.embedding = radial.spline.class_embed if hasattr(radial, "spline") else radial.type_embed.center_embed
        self.readout = network.edge_readout

    def hooks(self, graph: Graph, state: Tensor, kept: list[Tensor]) -> Iterator[RemovableHandle]:
        """The state of a pair is that of its center."""
        of_pairs = state.index_select(0, graph.pairs.centers)
        yield self.embedding.register_forward_hook(lambda module, given, x: x + of_pairs)
        yield self.before.register_forward_hook(lambda module, given, out: kept.append(out["edge_features"]))
        for product in self.layers.tps:
            yield product.register_forward_hook(lambda module, given, x: kept.append(x))
        yield self.layers.register_forward_hook(lambda module, given, out: kept.append(out["edge_features"]))

    def joined(self, graph: Graph, out: dict[str, Tensor], kept: list[Tensor]) -> Tensor:
        """Tensors, which come as (E, channels, components of all ranks), block by block, then scalars."""
        *tensors, scalars = kept
        blocks = [
            block.flatten(1)
            for irreps, x in zip(self.tensors, tensors, strict=True)
            for block in graph.gather(x).split([irrep.dim for _, irrep in irreps], 2)
        ]
        return torch.cat([*blocks, graph.gather(scalars)], 1) * out["feature_norm_factor"]
