"""A backbone of one's own: a model of the package sevenn (SevenNet, Park et al., arXiv:2402.03789) with latent charges.

    E = E_0 + E_SevenNet(R; Q, m) + 1/2 <p|V|p>,    p = q(h), h the features of all layers of SevenNet.

The published model SevenNet-0 is in the package. Its energies and forces are of another density functional than the
water clusters on which it is trained further here, with charges from the first step.
"""

from copy import deepcopy
from pathlib import Path

import torch
from ase.build import molecule
from ase.io import read
from sevenn.nn.convolution import IrrepsConvolution
from sevenn.nn.equivariant_gate import EquivariantGate
from sevenn.util import load_checkpoint
from torch import nn

from leyden import Baseline, Coulomb, GaussianBasis, Potential, System
from leyden.backbones import Backbone
from leyden.backbones.conditioning import Conditioning
from leyden.backbones.elements import Elements
from leyden.backbones.irreps import Layout
from leyden.charges import Local
from leyden.checks import require
from leyden.derivatives import forces
from leyden.features import Features
from leyden.neighbors import Graph
from leyden.properties import born_charges


class SevenNet(Backbone):
    """A model of sevenn, a copy of which is kept. reference: its energies (eV) of the elements, for the baseline."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        require(not model.modal_map, "SevenNet: expected a model without modalities, got one with; take another.")
        self.model = deepcopy(model)
        for name in ("onehot_idx_to_onehot", "reduce_total_enegy", "force_output"):
            self.model.delete_module_by_key(name)
        self.cutoff, self.elements = float(model.cutoff), tuple(sorted(model.type_map))
        self.species = Elements(tuple(sorted(model.type_map, key=model.type_map.get)))
        gates = [layer.gate for layer in self.model if isinstance(layer, EquivariantGate)]
        self.layout = Layout("+".join(str(gate.irreps_out) for gate in gates))
        self.channels = self.layout.channels
        self.embedding = self.model.onehot_to_feature_x
        self.conditioning = Conditioning(len(self.elements), self.embedding.irreps_out.dim, silent=True)
        self.conditioning.to(next(model.parameters()).dtype)
        shift = self.model.rescale_atomic_energy.shift
        each = shift.detach().double().expand(len(self.elements)).tolist()
        self.reference = dict(zip(self.species.elements, each, strict=True))
        nn.init.zeros_(shift)

    def forward(self, graph: Graph) -> Features:
        """Energy and features of all atoms, layer by layer."""
        species = self.species(graph.system.numbers)
        one_hot = nn.functional.one_hot(species, len(self.elements)).to(graph.vectors.dtype)
        data = {
            "edge_vec": graph.vectors,
            "edge_index": torch.stack([graph.pairs.centers, graph.pairs.neighbors]),
            "x": one_hot,
            "node_attr": one_hot,
            "atom_type": species,
        }
        features = []
        for layer in self.model:
            data = self._convolved(layer, data, graph) if isinstance(layer, IrrepsConvolution) else layer(data)
            if layer is self.embedding:
                data["x"] = data["x"] + self.conditioning(graph.system, species)
            if isinstance(layer, EquivariantGate):
                features.append(data["x"])
        return self.layout.features(data["atomic_energy"][:, 0], torch.cat(features, 1))

    def _convolved(self, layer: nn.Module, data: dict[str, torch.Tensor], graph: Graph) -> dict[str, torch.Tensor]:
        """What comes from neighbors is seen through the graph."""
        with layer.convolution.register_forward_pre_hook(lambda module, given: (graph.seen(given[0]), *given[1:])):
            return layer(data)


if __name__ == "__main__":
    torch.manual_seed(0)
    backbone = SevenNet(load_checkpoint("7net-0").build_model())
    charges = Local(backbone.channels, backbone.elements, GaussianBasis())
    potential = Potential(backbone, charges, Coulomb(), Baseline(backbone.reference))

    path = Path(__file__).parent.parent / "datasets" / "water_clusters" / "val.xyz"
    frames = [frame for frame in read(path, ":") if len(frame) <= 12][:8]
    systems = System.from_ase(frames, dtype=torch.float32)
    labels = torch.cat([torch.as_tensor(frame.arrays["REF_forces"]) for frame in frames])

    optimizer = torch.optim.Adam(potential.parameters(), lr=3e-4)
    for step in range(11):
        error = (forces(potential, systems, stress=False, create_graph=True).forces - labels).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        if step % 5 == 0:
            print(f"step {step:2d}: forces {1000 * error.sqrt().item():.0f} meV/Å")

    rest = forces(potential, systems, stress=False).output.energy - potential.baseline(systems)
    energies = torch.tensor([frame.info["REF_energy"] for frame in frames])
    potential.baseline = Baseline.fit(systems.split(), (energies - rest).tolist())

    water = System.from_ase(molecule("H2O"), charge=0, dtype=torch.float32)
    found = forces(potential, water)
    print(f"energy {found.output.energy.item():.3f} eV, long range {found.output.energy_long.item():.3f} eV")
    print("forces, eV/Å", found.forces.double().numpy().round(3).tolist())
    print("charges, e", found.output.charges.double().numpy().round(3).tolist())
    print("Born charges of O, e", born_charges(potential, water)[0].double().numpy().round(3).tolist())
