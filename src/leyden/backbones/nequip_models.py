"""Models of nequip and nequip-allegro: read from a file, and made from a form (nequip_forms.py).

What is read is made anew from its form in float64, given the weights of the file, and compared with it. Constants, such
as Clebsch-Gordan coefficients, then have all their digits, and code that a package brings with it is not used further.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from leyden.backbones.foreign import imported, quiet
from leyden.backbones.nequip_forms import allegro_form, describe, form
from leyden.backbones.nequip_networks import network, shifts
from leyden.checks import InputError, require

__all__ = ["allegro_form", "building", "describe", "form", "inputs", "make", "network", "read"]

COMPILED = (".pth", ".pt", ".pt2")
"""How files of nequip-compile end: TorchScript and AOTInductor."""
RADIAL = {"bessel": "allegro.nn.TwoBodyBesselScalarEmbed", "spline": "allegro.nn.TwoBodySplineScalarEmbed"}
ZBL = "nequip.nn.pair_potential.ZBL"


def read(path: Path) -> nn.Module:
    """The network of energies in a checkpoint (.ckpt) or package (.nequip.zip). Reading one executes it.

    Raises InputError for what is no such file or has no potential that Leyden can make again, and where nequip is
    missing.
    """
    nequip("nequip")
    require(path.is_file(), f"{path}: expected a file with a NequIP or Allegro model, found none; correct the path.")
    require(
        not path.name.endswith(COMPILED),
        f"{path}: expected a checkpoint (.ckpt) or package (.nequip.zip), got a compiled model, which hides the"
        " features; give the file that it was compiled from.",
    )
    require(
        path.name.endswith((".ckpt", ".nequip.zip")),
        f"{path}: expected a checkpoint (.ckpt) or package (.nequip.zip) of nequip, got another file; give one of"
        " these.",
    )
    try:
        with quiet(), building():
            models = nequip("nequip.model.saved_models").load_saved_model(str(path), model_key=None)
    except Exception as error:
        raise InputError(f"{path}: expected a model of nequip, got: {_said(error)}; give another file.") from None
    require(
        len(models) == 1,
        f"{path}: expected one model, got {', '.join(models)}; package the one that you want.",
    )
    return _again(network(next(iter(models.values())), str(path)), path)


def make(form: Mapping[str, Any]) -> nn.Module:
    """A network of this form with fresh weights in float64, whose isolated atoms have no energy."""
    arguments = dict(form)
    if form["family"] == "NequIP":
        build = nequip("nequip.model.nequip_models").FullNequIPGNNModel
    else:
        build = allegro("allegro.model.allegro_models").FullAllegroModel
        radial = dict(form["radial_chemical_embed"])
        arguments["radial_chemical_embed"] = {"_target_": RADIAL[radial.pop("kind")]} | radial
    if "pair_potential" in form:
        pair = {"_target_": ZBL, "units": "metal", "chemical_species": form["type_names"]}
        arguments["pair_potential"] = pair | form["pair_potential"]
    del arguments["family"]
    tools = nequip("nequip.utils")
    with quiet(), tools.torch_default_dtype(torch.float64), tools.conditional_torchscript_mode(False):
        # without its decorator, which needs the state of the whole process to be set
        return network(build.__wrapped__(**arguments, do_derivatives=False))


def inputs(types: Tensor, centers: Tensor, neighbors: Tensor, vectors: Tensor) -> dict[str, Tensor]:
    """What a network reads: types (N,), pairs (E,) and vectors (E, 3) Å from center to neighbor."""
    edges = torch.stack([centers, neighbors])
    return {
        "pos": vectors.new_zeros(len(types), 3),
        "atom_types": types,
        "edge_index": edges,
        "edge_vectors": vectors,
    }


def nequip(module: str) -> ModuleType:
    """A module of nequip. Raises InputError where it is missing or of another version."""
    return imported(module, "nequip", "nequip", (0, 19), (0, 20))


def allegro(module: str) -> ModuleType:
    """A module of nequip-allegro. Raises InputError where it is missing or of another version."""
    return imported(module, "nequip-allegro", "nequip", (0, 8), (0, 9))


def _again(found: nn.Module, path: Path) -> nn.Module:
    """The same network, made anew."""
    try:
        with torch.random.fork_rng(devices=[]):  # fresh weights are not kept
            fresh = make(describe(found))
        weights = {name for name, _ in found.named_parameters()}
        kept = {  # buffers of lower precision are constants
            name: value for name, value in found.state_dict().items() if name in weights or value.dtype == torch.float64
        }
        fresh.load_state_dict(fresh.state_dict() | kept)
        error, size = _difference(found, fresh)
    except (AttributeError, AssertionError, KeyError, RuntimeError, TypeError) as problem:
        raise InputError(
            f"{path}: expected a model that this version of nequip can make again, got: {_said(problem)}; package it"
            " with this version."
        ) from None
    require(
        error < 1e-4 * size,
        f"{path}: expected a model that this version of nequip can make again, got energies that differ by"
        f" {error:.1e} eV; package it with this version.",
    )
    return fresh


def _difference(a: nn.Module, b: nn.Module) -> tuple[float, float]:
    """Largest difference of energies (eV) of some atoms in two networks, and largest energy, less isolated atoms."""
    apart = torch.tensor(list(shifts(a).values()), dtype=torch.float64)
    count, noise = 8, torch.Generator().manual_seed(0)
    places = torch.cartesian_prod(*[torch.arange(2.0, dtype=torch.float64)] * 3)
    places = places + 0.3 * torch.rand(count, 3, dtype=torch.float64, generator=noise)
    centers, neighbors = (1 - torch.eye(count)).nonzero().T
    vectors = 0.4 * float(b.edge_norm.r_max) * (places[neighbors] - places[centers])  # type: ignore[arg-type, union-attr]
    types = torch.arange(count) * len(apart) // count
    with torch.no_grad():
        first, second = (
            each(inputs(types, centers, neighbors, vectors))["atomic_energy"][:, 0] - apart[types] for each in (a, b)
        )
    return float((first - second).abs().max()), float(second.abs().max())


@contextmanager
def building() -> Iterator[None]:
    """Inside, nequip builds models; random numbers, precision and environment of the process are as before after it."""
    from lightning.pytorch.utilities.seed import isolate_rng

    environment, sharing = dict(os.environ), torch.multiprocessing.get_sharing_strategy()
    with isolate_rng(), nequip("nequip.utils").torch_default_dtype(torch.float64):
        try:
            nequip("nequip.utils.global_state").set_global_state()
            yield
        finally:
            torch.multiprocessing.set_sharing_strategy(sharing)
            for name in set(os.environ) - set(environment):
                del os.environ[name]


def _said(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
