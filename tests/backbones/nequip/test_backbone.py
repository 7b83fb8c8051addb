"""NequIP and Allegro: the contract of a backbone, models of nequip reproduced, and files."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leyden.backbones.nequip import NequIP
from leyden.backbones.nequip_models import allegro_form, describe, form, make, read
from leyden.checks import InputError
from leyden.neighbors import Graph, neighbor_list
from leyden.system import System
from leyden.testing.backbone import CRYSTAL, ELEMENTS, MOLECULE, BackboneContract, energy_of, evaluate, slope
from leyden.testing.numeric import close

pytestmark = pytest.mark.skipif(find_spec("nequip") is None, reason="needs leyden[nequip]")

NAMES = ["O", "C", "H"]
SHIFTS = {"O": -300.0, "C": -200.0, "H": -100.0}
COMMON: dict[str, Any] = {
    "seed": 1, "model_dtype": "float64", "type_names": NAMES, "r_max": 3.0, "avg_num_neighbors": 5.0,
    "per_type_energy_shifts": SHIFTS, "per_type_energy_scales": {"O": 1.5, "C": 0.5, "H": 2.0},
}  # fmt: skip
NEQUIP = COMMON | {
    "_target_": "nequip.model.NequIPGNNModel", "num_layers": 2, "l_max": 2, "num_features": 4, "radial_mlp_width": 8,
    "readout_mlp_hidden_layers_depth": 1, "readout_mlp_hidden_layers_width": 4,
    "pair_potential": {
        "_target_": "nequip.nn.pair_potential.ZBL", "units": "metal", "chemical_species": NAMES,
    },
}  # fmt: skip
ALLEGRO = COMMON | {
    "_target_": "allegro.model.AllegroModel", "num_layers": 2, "l_max": 2, "num_scalar_features": 6,
    "num_tensor_features": 4, "per_edge_type_cutoff": {"H": 2.0, "C": {"H": 1.7, "O": 2.9}},
    "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 6},
}  # fmt: skip
SPLINE = ALLEGRO | {
    "num_layers": 1, "tp_path_channel_coupling": False, "allegro_mlp_nonlinearity": None, "parity": False,
    "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodySplineScalarEmbed", "num_splines": 8, "spline_span": 6},
}  # fmt: skip
Checkpoint = Callable[[Path, dict[str, Any]], nn.Module]

MODELS = pytest.mark.parametrize("config", [NEQUIP, ALLEGRO, SPLINE], ids=["nequip", "allegro", "spline"])


class TestNequIP(BackboneContract):
    def make(self, elements: tuple[int, ...], dtype: torch.dtype) -> NequIP:
        return NequIP(make(form(elements, 8.0, cutoff=4.0, channels=6, lmax=2, layers=2, basis=6))).to(dtype)


class TestAllegro(BackboneContract):
    def make(self, elements: tuple[int, ...], dtype: torch.dtype) -> NequIP:
        size = allegro_form(elements, 8.0, cutoff=4.0, scalars=8, channels=4, lmax=2, layers=2, basis=6)
        return NequIP(make(size)).to(dtype)


@MODELS
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_reproduces(config: dict[str, Any], precision: str, tmp_path: Path, checkpoint: Checkpoint) -> None:
    """Energies, forces and stress of nequip's own calculator, of a model read from a checkpoint."""
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
    from nequip.integrations.ase import NequIPCalculator
    from nequip.utils import torch_default_dtype

    path, before = tmp_path / "last.ckpt", (torch.get_default_dtype(), torch.get_rng_state())
    bare = checkpoint(path, config | {"model_dtype": precision}).eval()
    network = read(path)
    assert torch.get_default_dtype() == before[0] and torch.equal(torch.get_rng_state(), before[1])
    model = NequIP(network)
    assert next(model.parameters()).dtype == torch.float64
    assert model.reference == {8: -300.0, 6: -200.0, 1: -100.0}
    mapper = ChemicalSpeciesToAtomTypeMapper(
        model_type_names=NAMES, chemical_species_to_atom_type_map={name: name for name in NAMES}
    )
    calculator = NequIPCalculator(bare, "cpu", transforms=[mapper, NeighborListTransform(r_max=3.0)])
    tolerance = 1e-6 if precision == "float64" else 1e-4
    for atoms in (MOLECULE.copy(), CRYSTAL.copy()):
        atoms.calc, system = calculator, System.from_ase(atoms)
        with torch_default_dtype(torch.float64):  # as nequip expects
            atoms.get_potential_energy()
        energy = energy_of(model, system)
        isolated = sum(model.reference[z] for z in atoms.numbers)
        assert abs(energy(system.positions).item() + isolated - atoms.get_potential_energy()) < tolerance
        close(-slope(energy, system.positions), torch.as_tensor(atoms.get_forces()), tolerance)
    pairs = neighbor_list(system, model.cutoff)
    strain = torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True)
    (virial,) = torch.autograd.grad(model(Graph.of(system.strained(strain), pairs)).energy.sum(), strain)
    stress = torch.as_tensor(atoms.get_stress(voigt=False)) * atoms.get_volume()
    close((virial[0] + virial[0].T) / 2, stress, tolerance)


@MODELS
def test_form(config: dict[str, Any]) -> None:
    """A form is plain data, from which the same network is made; weights fit into it."""
    import json

    from hydra.utils import get_method

    from leyden.backbones.nequip_models import building

    arguments = dict(config)
    with building():
        bare = get_method(arguments.pop("_target_"))(**arguments)
    model, plain = NequIP(bare), describe(bare)
    again = NequIP(make(json.loads(json.dumps(plain))))
    assert describe(again.model) == plain
    again.load_state_dict(model.state_dict())
    system = System.from_ase(MOLECULE)
    close(evaluate(again, system).energy, evaluate(model, system).energy, 1e-12)
    assert again.average_neighbors == pytest.approx(5.0)


@pytest.mark.parametrize(
    "plain",
    [
        form(ELEMENTS, 8.0, cutoff=2.0, channels=4, lmax=1, layers=3, basis=4),
        allegro_form(ELEMENTS, 8.0, cutoff=2.0, scalars=4, channels=2, lmax=1, layers=2, basis=4),
    ],
    ids=["nequip", "allegro"],
)
def test_born_charges(plain: dict[str, Any]) -> None:
    """The probe multiplies derivatives of what is read at i by the position of j by 1 + k.(r_i - r_j)."""
    torch.manual_seed(0)
    model, system = NequIP(make(plain)), System.from_ase(MOLECULE)
    positions, probe = system.positions.requires_grad_(), torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    pairs = neighbor_list(system, model.cutoff)

    def read_at_atoms(k: Tensor | None) -> Tensor:
        x = model(Graph.of(replace(system, positions=positions), pairs, k))
        return x.energy + x.scalars.sum(1) + x.vectors.sum((1, 2))

    each = torch.stack([torch.autograd.grad(e, positions, retain_graph=True)[0] for e in read_at_atoms(None)])
    apart = (positions[:, None] - positions[None]).detach()
    expected = torch.einsum("ijk,ija->jka", each, apart)
    (gradient,) = torch.autograd.grad(read_at_atoms(probe).sum(), positions, create_graph=True)
    found = [torch.autograd.grad(g, probe, retain_graph=True)[0][0] for g in gradient.flatten()]
    close(torch.stack(found).view_as(expected), expected, 1e-10)
    assert expected.abs().max() > 1e-3


@pytest.mark.parametrize(
    "plain", [form(ELEMENTS, 8.0, 3.0, 4, 1, 2, 4), allegro_form(ELEMENTS, 8.0, 3.0, 4, 2, 1, 1, 4)]
)
def test_freeze(plain: dict[str, Any]) -> None:
    """Readouts are among the weights of the model, charge and spin are not."""
    model = NequIP(make(plain))
    readouts, own, every = (
        {id(w) for w in each} for each in (model.readouts(), model.pretrained(), model.parameters())
    )
    assert readouts and readouts < own < every
    assert every - own == {id(w) for w in model.conditioning.parameters()}
    model.freeze("features")
    assert {id(w) for w in model.parameters() if w.requires_grad} == readouts | (every - own)


def test_refused(tmp_path: Path, checkpoint: Checkpoint) -> None:
    """Files and models that are none are named in a sentence."""
    for name, said in [
        ("model.nequip.pth", "compiled model"), ("model.nequip.pt2", "compiled model"), ("model.zip", "package"),
        ("last.ckpt", "expected a model of nequip"), ("a.nequip.zip", "expected a model of nequip"),
    ]:  # fmt: skip
        path = tmp_path / name
        with pytest.raises(InputError, match="found none"):
            read(path)
        path.write_text("nothing")
        with pytest.raises(InputError, match=said):
            read(path)
    for extra, said in [
        ({"convnet_nonlinearity_scalars": {"e": "tanh", "o": "tanh"}}, "energies that differ"),
        (
            {"categorical_graph_field_embed": [{"field": "charge", "num_features": 2, "min": -1, "max": 1}]},
            "got charge",
        ),
        ({"pair_potential": NEQUIP["pair_potential"] | {"units": "real"}}, "units 'metal'"),
    ]:
        checkpoint(tmp_path / "last.ckpt", NEQUIP | {"num_layers": 1} | extra)
        with pytest.raises(InputError, match=said):
            read(tmp_path / "last.ckpt")
    with pytest.raises(InputError, match="expected a NequIP or Allegro potential, got Linear"):
        NequIP(nn.Linear(1, 1))
    network: Any = make(form((1, 8), 8.0, 3.0, 4, 1, 1, 4))
    network.per_type_energy_scale_shift.type_names = ["Ow", "H"]
    with pytest.raises(InputError, match="chemical symbols, got Ow"):
        NequIP(network)
