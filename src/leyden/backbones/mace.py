"""MACE: a model of mace-torch (Batatia et al., arXiv:2206.07697), trained or not, as a backbone.

The model is used as it is. Its energies of isolated atoms are taken out, into `reference`, for the baseline keeps them
in float64; charge and spin are added to the embedding of the elements (conditioning.py, zero at first); and the
features of all layers are handed on. The vectors of the pairs are those of the graph, whose derivatives by positions,
cell and the probe of periodic Born charges then reach all of the model.
"""

from collections.abc import Iterator, Mapping
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

STATES = {"total_charge": "charge", "total_spin": "spin"}
"""Inputs of models that were trained with charge and spin, and where a system has them."""
ADDED = "added"
"""Input of the features of charge and spin."""


class MACE(Pretrained):
    """The model of the module docstring, a copy of which is kept; backbones/mace_models.py reads and makes some.

    head: which of several heads gives the energy. Models that mace-torch converted for cuequivariance may be given.
    Raises InputError for a model that is not a ScaleShiftMACE, is compiled, has inputs other than charge and spin, or
    several heads of which none is named.
    """

    model: Any

    def __init__(self, model: nn.Module, head: str | None = None) -> None:
        super().__init__()
        mace_models.check(model)
        self.form = mace_models.describe(model)
        with quiet():
            self.model = deepcopy(model)
        numbers, self.inputs = self.form["atomic_numbers"], tuple(self.form["embedding_specs"] or ())
        unknown = ", ".join(set(self.inputs) - set(STATES))
        known = " and ".join(STATES)
        require(not unknown, f"backbones.MACE: expected no inputs but {known}, got {unknown}; take another model.")
        self.head, self.place = _head(tuple(self.form["heads"]), head)
        self.elements, self.cutoff = tuple(sorted(numbers)), self.form["r_max"]
        self.average_neighbors, self.compiled = float(self.form["avg_num_neighbors"]), False
        self.layout = mace_models.layout(self.model)
        self.channels = self.layout.channels
        self.species = Elements(tuple(numbers))
        width = Layout(str(self.model.node_embedding.linear.irreps_out)).size
        self.conditioning = Conditioning(len(numbers), width, silent=True).to(next(self.model.parameters()).dtype)
        self.reference = self._take_reference(numbers)
        self._add_embedding()

    def forward(self, graph: Graph) -> Features:
        """Energy and features of all atoms; the features of all layers are joined along the channels."""
        data = self._data(graph, self.species(graph.system.numbers))
        if graph.twist is None:
            out = self.model(data, compute_force=False)
        else:
            with self._seen_through(graph):
                out = self.model.forward(data, compute_force=False)  # never the compiled one, which has no hooks
        energy = out["node_energy"]
        if self.form["use_embedding_readout"]:  # an energy of structures, which those of atoms leave out
            energy = energy + ((out["energy"] - out["interaction_energy"]) / graph.system.size)[graph.system.index]
        return self.layout.features(energy.to(graph.vectors.dtype), out["node_feats"])

    def compile_model(self, backend: str = "inductor") -> None:
        """For evaluation only: torch.compile with a backend of it, at the first call, which takes minutes."""
        dtype = next(self.model.parameters()).dtype
        self.model = mace_models.traced(self.form, self._weights()).to(dtype).requires_grad_(False)
        self._add_embedding()
        self.model.compile(dynamic=True, backend=backend)
        self.compiled = True

    def plain(self, energies: Mapping[int, float]) -> nn.Module:
        """A model of mace-torch again, for torch.save: without charge and spin, and with energies (eV) of isolated
        atoms, such as those of `potential.baseline`.

        Raises InputError for one that is compiled, or has several heads.
        """
        require(
            not self.compiled and len(self.form["heads"]) == 1,
            "MACE.plain: expected a model with one head that is not compiled, got another; take one before that.",
        )
        model: Any = mace_models.make(self.form)
        model.to(next(self.model.parameters()).dtype).load_state_dict(self._weights())
        table = model.atomic_energies_fn.atomic_energies
        model.atomic_energies_fn.atomic_energies = table.new_tensor(
            [[energies[z] for z in self.form["atomic_numbers"]]]
        )
        return model

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

    def _add_embedding(self) -> None:
        """Where a MACE model adds what it knows of a structure to the embedding of the elements."""
        own = self.model.joint_embedding if self.inputs else None
        self.model.joint_embedding = Joint(own)
        self.model.embedding_specs = {name: {} for name in (*self.inputs, ADDED)}
        self.model.node_embedding.register_forward_hook(_copied)

    def _weights(self) -> dict[str, Tensor]:
        """By the names that they have without what _add_embedding adds."""
        own = self.model.state_dict()
        return {name.replace("joint_embedding.own.", "joint_embedding."): weight for name, weight in own.items()}

    def _data(self, graph: Graph, species: Tensor) -> dict[str, Tensor]:
        """What a MACE model reads. Its pairs go from the neighbor to the center."""
        system, vectors = graph.system, graph.vectors
        attributes = nn.functional.one_hot(species, len(self.elements)).to(vectors.dtype)
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
            ADDED: self.conditioning(system, species),
        } | {name: getattr(system, STATES[name]) for name in self.inputs}

    @contextmanager
    def _seen_through(self, graph: Graph) -> Iterator[None]:
        """Inside, what comes from neighbors is seen through the graph."""
        fused = any(hasattr(interaction, "conv_fusion") for interaction in self.model.interactions)
        require(
            not fused,
            "born_charges: expected a model whose convolutions are not fused, got one of cuequivariance that fuses"
            " them; in periodic structures, take the model before its conversion.",
        )
        with ExitStack() as stack:
            for interaction in self.model.interactions:
                hook = interaction.conv_tp.register_forward_pre_hook(
                    lambda module, given: (graph.seen(given[0]), *given[1:])
                )
                stack.enter_context(hook)
            yield


class Joint(nn.Module):
    """What a model adds to the embedding of elements by itself, and features (N, channels) that are given."""

    def __init__(self, own: nn.Module | None) -> None:
        super().__init__()
        self.own = own

    def forward(self, batch: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Index of the structure of each atom (N,) and inputs by name -> (N, channels)."""
        return features[ADDED] if self.own is None else features[ADDED] + self.own(batch, features)


def _copied(module: nn.Module, given: Any, embedding: Tensor) -> Tensor:
    """MACE adds in place to what may be a view of a weight."""
    return embedding.clone()


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
