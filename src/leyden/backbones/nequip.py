"""NequIP: a model of nequip (Batzner et al., arXiv:2101.03164) or nequip-allegro (Musaelian et al., arXiv:2204.05249),
trained or not, as a backbone.

The model is used as it is. Its energies of isolated atoms are taken out, into `reference`, for the baseline keeps them
in float64; charge and spin are added to the embedding of the elements (conditioning.py, zero at first); and the
features of all layers are handed on (nequip_features.py). The vectors of the pairs are those of the graph, whose
derivatives by positions, cell and the probe of periodic Born charges then reach all of the model.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from typing import Any

import torch
from ase.data import atomic_numbers
from torch import Tensor, nn

from leyden.backbones import nequip_networks
from leyden.backbones.backbone import Features
from leyden.backbones.conditioning import Conditioning
from leyden.backbones.elements import Elements
from leyden.backbones.foreign import quiet
from leyden.backbones.nequip_features import Atoms, Pairs, Tap
from leyden.backbones.nequip_models import inputs
from leyden.backbones.pretrained import Pretrained
from leyden.neighbors import Graph

PRECISION = ("_output_dtype", "model_dtype")
"""Where parts of a model keep the precision in which they were built, which `to` does not know of."""


class NequIP(Pretrained):
    """The model of the module docstring, of which a copy is kept; backbones/nequip_models.py reads and makes some.

    Raises InputError for a model that is compiled, no NequIP or Allegro potential, or has inputs besides the structure.
    """

    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        with quiet():
            self.model = deepcopy(nequip_networks.network(model))
        numbers = [atomic_numbers[name] for name in self.model.per_type_energy_scale_shift.type_names]
        self.elements, self.cutoff = tuple(sorted(numbers)), float(self.model.edge_norm.r_max)
        self.average_neighbors = nequip_networks.average_neighbors(self.model)
        self.tap: Tap = (Atoms if nequip_networks.family(self.model) == "NequIP" else Pairs)(self.model)
        self.channels = self.tap.layout.channels
        self.species = Elements(tuple(numbers))
        self.conditioning = Conditioning(len(numbers), self.tap.embedding.embedding_dim, silent=True)
        self.conditioning.to(next(self.model.parameters()).dtype)
        self.reference = nequip_networks.shifts(self.model)
        self.model.per_type_energy_scale_shift.shifts.data.zero_()

    def forward(self, graph: Graph) -> Features:
        """Energy and features of all atoms; the features of all layers are joined along the channels."""
        species, kept = self.species(graph.system.numbers), list[Tensor]()
        state = self.conditioning(graph.system, species)
        self._compute_in(graph.vectors.dtype)
        with ExitStack() as stack:
            for hook in self.tap.hooks(graph, state, kept):
                stack.enter_context(hook)
            out = self.model(inputs(species, graph.pairs.centers, graph.pairs.neighbors, graph.vectors))
        energy = out["atomic_energy"][:, 0].to(graph.vectors.dtype)
        return self.tap.layout.features(energy, self.tap.joined(graph, out, kept))

    def pretrained(self) -> Iterator[nn.Parameter]:
        """Weights of the model itself."""
        return self.model.parameters()

    def readouts(self) -> Iterator[nn.Parameter]:
        """Weights that make energies of features."""
        return self.tap.readout.parameters()

    def _compute_in(self, dtype: torch.dtype) -> None:
        for part in self.model.modules():
            for name in PRECISION:
                if name in vars(part):
                    setattr(part, name, dtype)
