"""The form of a model of nequip or nequip-allegro as plain data: read off a model, or chosen for one to be trained.

A form has the names and values that the builders FullNequIPGNNModel and FullAllegroModel take, besides `family`, which
tells them apart. It has no weights and names no code, so that a model folder of Leyden needs no pickle.
"""

from typing import Any

import torch
from ase.data import chemical_symbols

from leyden.backbones.irreps import polar
from leyden.backbones.nequip_networks import family, network, norm, plain

NONLINEARITIES = {"SiLU": "silu", "Mish": "mish", "GELU": "gelu", "ShiftedSoftplus": "ssp", "Tanh": "tanh",
                  "Sigmoid": "sigmoid", "Softplus": "softplus", "Identity": "None"}  # fmt: skip


def describe(model: object) -> dict[str, Any]:
    """The form of a model. Raises InputError for what is no model of one of FAMILIES."""
    inner = network(model)
    kind = family(inner)
    own = _nequip(inner) if kind == "NequIP" else _allegro(inner)
    return {"family": kind} | _common(inner) | own


def form(
    elements: tuple[int, ...],
    average_neighbors: float,
    cutoff: float,
    channels: int,
    lmax: int,
    layers: int,
    basis: int,
) -> dict[str, Any]:
    """A NequIP model to be trained: `channels` scalars, vectors, ... up to rank lmax; the rest as nequip's presets."""
    hidden = [polar(channels, lmax)] * (layers - 1) + [polar(channels, 0)]
    return _fresh("NequIP", elements, average_neighbors, cutoff, lmax) | {
        "type_embed_num_features": channels,
        "feature_irreps_hidden": hidden,
        "radial_mlp_depth": [1] * layers,
        "radial_mlp_width": [128] * layers,
        "num_bessels": basis,
    }


def allegro_form(
    elements: tuple[int, ...],
    average_neighbors: float,
    cutoff: float,
    scalars: int,
    channels: int,
    lmax: int,
    layers: int,
    basis: int,
) -> dict[str, Any]:
    """An Allegro model to be trained: `scalars` and `channels` tensors of each rank up to lmax for each pair."""
    width = {f"{name}_mlp_hidden_layers_width": scalars for name in ("scalar_embed", "allegro", "readout")}
    return _fresh("Allegro", elements, average_neighbors, cutoff, lmax) | width | {
        "tensor_track_allowed_irreps": polar(1, lmax),
        "radial_chemical_embed": {"kind": "bessel", "num_bessels": basis},
        "num_layers": layers,
        "num_scalar_features": scalars,
        "num_tensor_features": channels,
    }  # fmt: skip


def _fresh(kind: str, elements: tuple[int, ...], neighbors: float, cutoff: float, lmax: int) -> dict[str, Any]:
    names = [chemical_symbols[z] for z in elements]
    harmonics = polar(1, lmax)
    return {"family": kind, "type_names": names, "r_max": cutoff, "avg_num_neighbors": neighbors,
            "irreps_edge_sh": harmonics}  # fmt: skip


def _common(inner: Any) -> dict[str, Any]:
    """Arguments of both builders. Energies of isolated atoms count as weights."""
    lengths, scale = inner.edge_norm, inner.per_type_energy_scale_shift
    names = list(scale.type_names)
    out = {
        "type_names": names,
        "r_max": lengths.r_max,
        "avg_num_neighbors": plain(names, norm(inner).norm_const.double().pow(-2)),
        "per_type_energy_scales": plain(names, scale.scales),
        "per_type_energy_shifts": plain(names, torch.zeros_like(scale.shifts)),
        "per_type_energy_scales_trainable": scale.scales_trainable,
        "per_type_energy_shifts_trainable": scale.shifts_trainable,
    }
    if lengths._per_edge_type:
        table = lengths._rmax_recip.double().reciprocal().clamp(max=lengths.r_max).view(len(names), -1).tolist()
        out["per_edge_type_cutoff"] = {
            a: dict(zip(names, row, strict=True)) for a, row in zip(names, table, strict=True)
        }
    if hasattr(inner, "pair_potential"):
        out["pair_potential"] = {"polynomial_cutoff_p": inner.pair_potential.cutoff.p}
    return out


def _nequip(inner: Any) -> dict[str, Any]:
    layers = [part for name, part in inner.named_children() if name.startswith("layer")]
    return _bessel(inner.bessel_encode) | _mlp("readout", inner.per_atom_energy_readout.mlp_module) | {
        "irreps_edge_sh": str(inner.spharm.irreps_edge_sh),
        "type_embed_num_features": inner.type_embed.embed_module.embedding_dim,
        "feature_irreps_hidden": [str(layer.feature_irreps_hidden) for layer in layers],
        "radial_mlp_depth": [len(layer.conv.edge_mlp.dims) - 2 for layer in layers],
        "radial_mlp_width": [layer.conv.edge_mlp.dims[1] for layer in layers],
        "convnet_sc": any(layer.conv.use_sc for layer in layers),
        "learnable_shift": layers[0].conv.use_sc,
        "convnet_resnet": any(layer.resnet for layer in layers),
        "convnet_nonlinearity_type": "gate" if hasattr(layers[0].equivariant_nonlin, "mul") else "norm",
    }  # fmt: skip


def _allegro(inner: Any) -> dict[str, Any]:
    radial, layers = inner.radial_chemical_embed, inner.allegro
    if hasattr(radial, "spline"):
        spline = radial.spline
        embed = {"kind": "spline", "num_splines": spline.num_splines, "spline_span": spline.spline_span}
    else:
        embed = {"kind": "bessel"} | _bessel(radial.bessel_encode)
    mlps = {"scalar_embed": inner.scalar_embed_mlp.mlp_module, "allegro": layers.latents[0],
            "readout": inner.edge_readout.mlp_module}  # fmt: skip
    linear = [part for part in inner.modules() if type(part).__name__ == "ScalarLinearLayer"]
    gains = [float(part.alpha) ** 2 * part.in_features for part in linear]  # 1 or 2, of weights by their inputs
    return {key: value for name, mlp in mlps.items() for key, value in _mlp(name, mlp).items()} | {
        "irreps_edge_sh": str(inner.tensor_embed.irreps_out["edge_attrs"]),
        "tensor_track_allowed_irreps": str(layers.tensor_track_allowed_irreps),
        "radial_chemical_embed": embed,
        "radial_chemical_embed_dim": radial.irreps_out["edge_embedding"].num_irreps,
        "num_layers": layers.num_layers,
        "num_scalar_features": layers.num_scalar_features,
        "num_tensor_features": layers.num_tensor_features,
        "tp_path_channel_coupling": layers.tps[0].path_channel_coupling,
        "weight_individual_irreps": layers._env_weighter.weight_individual_irreps,
        "forward_normalize": all(min(abs(gain - 1), abs(gain - 2)) < 1e-3 for gain in gains),
    }


def _bessel(encode: Any) -> dict[str, Any]:
    return {"num_bessels": encode.num_bessels, "bessel_trainable": encode.trainable,
            "polynomial_cutoff_p": encode.cutoff.p}  # fmt: skip


def _mlp(name: str, mlp: Any) -> dict[str, Any]:
    depth = len(mlp.dims) - 2
    nonlinearity = NONLINEARITIES[type(mlp.mlp[1]).__name__] if mlp.is_nonlinear else None
    return {f"{name}_mlp_hidden_layers_depth": depth, f"{name}_mlp_hidden_layers_width": mlp.dims[1],
            f"{name}_mlp_nonlinearity": nonlinearity}  # fmt: skip
