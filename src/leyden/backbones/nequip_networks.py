"""The network of a model of nequip or nequip-allegro, which makes energies, and what it says of itself.

A model is a network, in which one part after the other is applied to a dictionary, inside others that make forces and
stress of its energies. Leyden needs the network alone.
"""

import re
from typing import Any

import torch
from ase.data import atomic_numbers
from torch import nn

from leyden.checks import require

FAMILIES = {
    "NequIP": {"type_embed", "spharm", "bessel_encode", "factor", "layer_convnet", "per_atom_energy_readout"},
    "Allegro": {"radial_chemical_embed", "scalar_embed_mlp", "tensor_embed", "allegro", "edge_readout", "edge_eng_sum"},
}
"""Parts of a network by which it is known."""
COMMON = {"edge_norm", "per_type_energy_scale_shift", "total_energy_sum"}
OPTIONAL = {"pair_potential", "cutoff"}
COULOMB = 14.399645
"""e^2/(4 pi epsilon_0) of nequip's ZBL in eV Å."""


def network(model: object, where: str = "backbones.NequIP") -> Any:
    """The part of a model that makes energies; `model` may be that part itself.

    Raises InputError for a model that is compiled, has other parts or inputs than those of a NequIP or Allegro
    potential, types that are not elements, or energies in other units than eV.
    """
    require(
        not isinstance(model, torch._dynamo.OptimizedModule | torch.jit.ScriptModule)
        and not getattr(model, "is_compile_graph_model", False),
        f"{where}: expected a model in eager mode, got a compiled one; load it with compile_mode='eager'.",
    )
    inner: Any = getattr(model, "model", model)  # GraphModel
    inner = getattr(inner, "func", inner)  # ForceStressOutput
    require(
        isinstance(inner, nn.Module) and family(inner) is not None,
        f"{where}: expected a NequIP or Allegro potential, got {type(model).__name__} of other parts; take one that"
        " nequip's or allegro's own model builders made.",
    )
    types = inner.per_type_energy_scale_shift.type_names
    require(
        all(name in atomic_numbers for name in types),
        f"{where}: expected types that are chemical symbols, got {', '.join(types)}; take another model.",
    )
    fields = [*inner.type_embed.categorical_graph_field_embed_modules] if hasattr(inner, "type_embed") else []
    require(not fields, f"{where}: expected no inputs but the structure, got {', '.join(fields)}; take another model.")
    if hasattr(inner, "pair_potential"):
        pair = inner.pair_potential
        require(
            type(pair).__name__ == "ZBL" and abs(2 * pair._qqr2exesquare.item() - COULOMB) < 1e-3,
            f"{where}: expected no pair potential but ZBL in units 'metal', got {type(pair).__name__} in others; take"
            " another model.",
        )
    return inner


def family(inner: nn.Module) -> str | None:
    """Which of FAMILIES a network is of, if any."""
    parts = {re.sub(r"^layer\d+_", "layer_", name) for name, _ in inner.named_children()}
    return next((name for name, own in FAMILIES.items() if own | COMMON == parts - OPTIONAL), None)


def shifts(inner: Any) -> dict[int, float]:
    """Energies (eV) of isolated atoms in a network, by atomic number."""
    shift = inner.per_type_energy_scale_shift
    values = _each(shift.type_names, shift.shifts, 0.0)
    return {atomic_numbers[name]: value for name, value in values.items()}


def average_neighbors(inner: Any) -> float:
    """What sums over neighbors are normalised with, on average over the elements."""
    return float(norm(inner).norm_const.double().pow(-2).mean())


def norm(inner: Any) -> Any:
    """Where a network keeps its average number of neighbors N, as 1/sqrt(N)."""
    if hasattr(inner, "edge_eng_sum"):
        return inner.edge_eng_sum.norm_module
    return inner.layer0_convnet.conv.avg_num_neighbors_norm


def plain(names: list[str], values: torch.Tensor) -> float | dict[str, float] | None:
    """Nothing, one number for all elements, or one for each."""
    numbers = values.detach().flatten().tolist()
    return dict(zip(names, numbers, strict=True)) if len(numbers) > 1 else next(iter(numbers), None)


def _each(names: list[str], values: torch.Tensor, otherwise: float) -> dict[str, float]:
    """One number for each element."""
    found = plain(names, values)
    return found if isinstance(found, dict) else dict.fromkeys(names, otherwise if found is None else found)
