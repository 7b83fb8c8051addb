"""Models of mace-torch: read from a file, described as plain data, and made from such a description.

The description has the names and values that the constructor of ScaleShiftMACE takes, with classes by the names that
mace-torch has for them. Weights are kept apart from it, so that a model folder of Leyden needs no pickle.
"""

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leyden.backbones.foreign import imported, quiet
from leyden.backbones.irreps import Layout, polar
from leyden.checks import InputError, require

PACKAGE = ("mace-torch", "mace", (0, 3, 14), (0, 4))
"""With the extra that installs it, and the versions that are known."""
NAMED = {
    "interaction_cls": "interaction_classes",
    "interaction_cls_first": "interaction_classes",
    "readout_cls": "readout_classes",
    "gate": "gate_dict",
}
"""Arguments that are classes or functions, and the tables of mace.modules that have their names."""
IRREPS = ("hidden_irreps", "MLP_irreps", "edge_irreps")
OTHERWISE = ("atomic_energies", "num_elements", "cueq_config", "error")
"""What mace-torch states of a model and a description does not need."""
DAMAGED = (pickle.UnpicklingError, RuntimeError, AttributeError, ImportError, EOFError, ValueError, KeyError, TypeError)
"""What torch.load raises for a file that is none, or of another version."""


def read(path: Path) -> nn.Module:
    """The model in a file of mace_run_train, or a foundation model. Such files are pickles: reading one executes it.

    Raises InputError for what is no such file, and where mace-torch is missing.
    """
    mace()
    require(path.is_file(), f"{path}: expected a file with a MACE model, found none; correct the path.")
    require(
        not _is_script(path),
        f"{path}: expected a model as mace_run_train writes it, got TorchScript, which hides the features; give the"
        " file that it was made from, NAME.model.",
    )
    try:
        with quiet():
            model = torch.load(path, map_location="cpu", weights_only=False)
    except DAMAGED as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise InputError(
            f"{path}: expected a MACE model, got: {said}; give the file that mace_run_train wrote."
        ) from None
    check(model, str(path))
    return model


def check(model: object, where: str = "backbones.MACE") -> None:
    """Raise InputError unless this is a model of energies, without electrostatics of its own, that is not compiled."""
    require(
        not isinstance(model, torch._dynamo.OptimizedModule | torch.jit.ScriptModule),
        f"{where}: expected a MACE model as it was trained, got one after torch.compile or TorchScript; give the one"
        " before.",
    )
    require(
        type(model) is mace().ScaleShiftMACE,
        f"{where}: expected a model of the class ScaleShiftMACE, got {type(model).__name__}; take one of energies and"
        " forces, without electrostatics of its own.",
    )


def describe(model: Any) -> dict[str, Any]:
    """The form of a model as plain data."""
    modules, found = mace(), _tools().extract_config_mace_model(model)
    out = {name: _plain(value) for name, value in found.items() if name not in (*OTHERWISE, *NAMED, *IRREPS)}
    out |= {name: None if found[name] is None else str(found[name]) for name in IRREPS}
    for name, table in NAMED.items():
        out[name] = next(key for key, value in getattr(modules, table).items() if value is found[name])
    last = Layout(str(model.products[-1].linear.irreps_out))
    kept = any(block.rank > 0 for block in last.blocks)
    out |= {"keep_last_layer_irreps": kept, "accelerated": _accelerated(model)}
    return out if out["accelerated"] else out | {"use_reduced_cg": _reduced(model)}


def layout(model: Any) -> Layout:
    """What the features of all layers mean."""
    irreps = "+".join(str(product.linear.irreps_out) for product in model.products)
    return Layout(irreps, model.interactions[0].cueq_config.layout_str if _accelerated(model) else "mul_ir")


def traced(form: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """A model of this form with these weights, in float64, as torch.compile wants it."""
    with quiet():
        out = imported("mace.tools.compile", *PACKAGE).prepare(make)(form)
    kept = out.load_state_dict(weights, strict=False)
    assert not kept.missing_keys
    return out


def make(form: Mapping[str, Any]) -> nn.Module:
    """A model of this form with fresh weights in float64, whose isolated atoms have no energy."""
    modules, arguments = mace(), dict(form)
    accelerated = arguments.pop("accelerated", False)
    require(
        not (accelerated or form["use_reduced_cg"]) or find_spec("cuequivariance") is not None,
        "backbone mace: expected the package cuequivariance, with which this model was made, found none; pip install"
        " cuequivariance.",
    )
    for name, table in NAMED.items():
        arguments[name] = getattr(modules, table)[form[name]]
    for name in IRREPS:
        arguments[name] = None if form[name] is None else _tools().o3.Irreps(form[name])
    energies = np.zeros((len(form["heads"]), len(form["atomic_numbers"])))
    with quiet(), _float64():  # constants of the couplings keep their digits
        model = modules.ScaleShiftMACE(**arguments, num_elements=energies.shape[1], atomic_energies=energies)
        if not accelerated:
            return model
        return imported("mace.cli.convert_e3nn_cueq", *PACKAGE).run(model, device="cpu", return_model=True)


def form(
    elements: tuple[int, ...],
    average_neighbors: float,
    cutoff: float,
    channels: int,
    lmax: int,
    layers: int,
    correlation: int,
    harmonics: int,
    basis: int,
) -> dict[str, Any]:
    """The form of a model to be trained: `channels` scalars, vectors, ... up to rank lmax, and what mace_run_train
    takes for the rest."""
    return {
        "r_max": cutoff,
        "num_bessel": basis,
        "num_polynomial_cutoff": 5,
        "max_ell": harmonics,
        "interaction_cls": "RealAgnosticResidualInteractionBlock",
        "interaction_cls_first": "RealAgnosticInteractionBlock",
        "num_interactions": layers,
        "hidden_irreps": polar(channels, lmax),
        "MLP_irreps": "16x0e",
        "edge_irreps": None,
        "avg_num_neighbors": average_neighbors,
        "atomic_numbers": list(elements),
        "correlation": correlation,
        "gate": "silu",
        "readout_cls": "NonLinearReadoutBlock",
        "heads": ["Default"],
        "use_reduced_cg": False,
        "embedding_specs": None,
        "use_embedding_readout": False,
        "atomic_inter_scale": 1.0,
        "atomic_inter_shift": 0.0,
    }


def mace() -> ModuleType:
    """The module mace.modules. Raises InputError where it is missing or of another version."""
    return imported("mace.modules", *PACKAGE)


def _tools() -> ModuleType:
    mace()
    return imported("mace.tools.scripts_utils", *PACKAGE)


def _accelerated(model: Any) -> bool:
    """Whether mace-torch converted it for cuequivariance."""
    return any(each.cueq_config is not None and each.cueq_config.enabled for each in model.interactions)


def _reduced(model: Any) -> bool:
    """Whether equivalent couplings are left out, as mace-torch does where cuequivariance is installed, whatever a model
    says of itself."""
    for product in model.products:
        contractions = product.symmetric_contractions
        for (_, wanted), each in zip(contractions.irreps_out, contractions.contractions, strict=True):
            inputs = [irrep for _, irrep in each.coupling_irreps]
            every = sum(wanted in a * b for a in inputs for b in inputs)
            if each.correlation > 1 and each.U_tensors(2).shape[-1] < every:
                return True
    return False


def _is_script(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _plain(value: Any) -> Any:
    """Numbers, strings, lists and dictionaries of them."""
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


@contextmanager
def _float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
