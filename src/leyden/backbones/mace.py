"""MACE: a model of mace-torch (Batatia et al., arXiv:2206.07697), trained or not, as a backbone.

The model is used as it is. Its energies of isolated atoms are taken out, into `reference`, for the baseline keeps them
in float64; charge and spin are added to the embedding of the elements (conditioning.py, zero at first); and the
features of all layers are handed on. The vectors of the pairs are those of the graph, whose derivatives by positions,
cell and the probe of periodic Born charges then reach all of the model.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from leyden.backbones import mace_models
from leyden.backbones.backbone import Features
from leyden.backbones.conditioning import Conditioning
from leyden.backbones.elements import Elements
from leyden.backbones.foreign import quiet
from leyden.backbones.irreps import Layout
from leyden.backbones.pretrained import Pretrained
from leyden.checks import require
from leyden.neighbors import Graph
from leyden.system import System

STATES = {"total_charge": "charge", "total_spin": "spin"}
"""Inputs of models that were trained with charge and spin, and where a system has them."""


class MACE(Pretrained):
    """The model of the module docstring, a copy of which is kept; backbones/mace_models.py reads and makes some.

    head: which of several heads gives the energy. Raises InputError for a model that is not a ScaleShiftMACE, is
    compiled, has inputs other than charge and spin, or several heads of which none is named.
    """

    model: Any
    column: Tensor

    def __init__(self, model: nn.Module, head: str | None = None) -> None:
        super().__init__()
        mace_models.check(model)
        inputs = getattr(model, "embedding_specs", {})
        require(
            set(inputs) <= set(STATES),
            f"backbones.MACE: expected no inputs but {' and '.join(STATES)}, got {', '.join(inputs)}; take another"
            " model.",
        )
        with quiet():
            self.model = deepcopy(model)
        self.inputs, self.heads = tuple(inputs), tuple(self.model.heads)
        self.head, self.place = _head(self.heads, head)
        numbers = self.model.atomic_numbers.tolist()
        self.elements, self.cutoff = tuple(sorted(numbers)), float(self.model.r_max)
        self.layout = Layout("+".join(str(product.linear.irreps_out) for product in self.model.products))
        self.channels = self.layout.channels
        self.average_neighbors = float(self.model.interactions[0].avg_num_neighbors)
        self.species = Elements(self.elements)
        self.register_buffer("column", torch.tensor([numbers.index(z) for z in self.elements]), persistent=False)
        width = Layout(str(self.model.node_embedding.linear.irreps_out)).size
        self.conditioning = Conditioning(len(numbers), width, silent=True)
        self.conditioning.to(next(self.model.parameters()).dtype)
        self.reference = self._take_reference(numbers)

    def forward(self, graph: Graph) -> Features:
        """Energy and features of all atoms; the features of all layers are joined along the channels."""
        species = self.species(graph.system.numbers)
        with self._prepared(graph, species):
            out = self.model(self._data(graph, species), compute_force=False)
        energy = out["node_energy"].to(graph.vectors.dtype)
        return self.layout.features(energy, out["node_feats"])

    def pretrained(self) -> Iterator[nn.Parameter]:
        """Weights of the model itself."""
        return self.model.parameters()

    def readouts(self) -> Iterator[nn.Parameter]:
        """Weights that make energies of features."""
        return self.model.readouts.parameters()

    def _take_reference(self, numbers: list[int]) -> dict[int, float]:
        """Energies of isolated atoms, which the model has no more."""
        atoms = self.model.atomic_energies_fn
        energies = torch.atleast_2d(atoms.atomic_energies)
        table = energies[self.place].double().tolist()
        atoms.atomic_energies = torch.zeros_like(energies)
        return {z: e for z, e in zip(numbers, table, strict=True)}

    def _data(self, graph: Graph, species: Tensor) -> dict[str, Tensor]:
        """What a MACE model reads. Its pairs go from the neighbor to the center."""
        system, vectors = graph.system, graph.vectors
        attributes = nn.functional.one_hot(self.column[species], len(self.elements)).to(vectors.dtype)
        ends = torch.cat([system.size.new_zeros(1), system.size.cumsum(0)])
        return {
            "positions": vectors.new_zeros(len(system.numbers), 3),
            "shifts": -vectors,
            "cell": system.cell.detach().flatten(0, 1),
            "edge_index": torch.stack([graph.pairs.neighbors, graph.pairs.centers]),
            "node_attrs": attributes,
            "batch": system.index,
            "ptr": ends,
            "head": torch.full_like(system.index[: system.count], self.place),
        } | {name: _state(system, name) for name in self.inputs}

    @contextmanager
    def _prepared(self, graph: Graph, species: Tensor) -> Iterator[None]:
        """Inside, the embedding has charge and spin, and what comes from neighbors is seen through the graph."""
        state = self.conditioning(graph.system, species)
        with ExitStack() as stack:
            embedding = self.model.node_embedding
            stack.enter_context(embedding.register_forward_hook(lambda module, given, x: x + state))
            for interaction in self.model.interactions if graph.twist is not None else ():
                seen = interaction.conv_tp.register_forward_pre_hook(
                    lambda module, given: (graph.seen(given[0]), *given[1:])
                )
                stack.enter_context(seen)
            yield


def _head(heads: tuple[str, ...], wanted: str | None) -> tuple[str, int]:
    """Name and place of the wanted head, or of the only one."""
    if wanted is None and len(heads) == 1:
        return heads[0], 0
    require(
        wanted in heads,
        f"backbones.MACE: expected head to be one of {', '.join(heads)}, got {wanted!r}; name the one whose energies"
        " you want.",
    )
    return str(wanted), heads.index(str(wanted))


def _state(system: System, name: str) -> Tensor:
    return getattr(system, STATES[name])
