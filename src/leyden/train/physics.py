"""Sum rules that labels obey whatever the model; a violation means a wrong unit, order or charge.

charges:                sum_i q_i = Q
born effective charges: sum_i Z*_i,ab = Q delta_ab (translation)
and, in open structures, sum_i Z*_i,ab eps_bcd r_id = eps_acd mu_d (rotation), which a transposed Z* violates.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from leyden.system import System

CHARGE_SLACK = 0.1
"""Largest deviation of a sum of charges that passes, e."""

LEVI_CIVITA = torch.zeros(3, 3, 3, dtype=torch.float64)
for _a, _b, _c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    LEVI_CIVITA[_a, _b, _c], LEVI_CIVITA[_a, _c, _b] = 1.0, -1.0


def problems(values: Sequence[Mapping[str, Tensor]], systems: Sequence[System]) -> list[str]:
    """One sentence for each sum rule that the labels violate; systems may be empty if they could not be built."""
    pairs = list(zip(values, systems, strict=False))
    return [*_charge_sum(pairs), *_born_sum(pairs), *_born_order(pairs)]


def rotation_residual(born: Tensor, dipole: Tensor, positions: Tensor) -> float:
    """Largest violation of the rotational sum rule, e Å: born (N, 3, 3), dipole (3,), positions (N, 3)."""
    turned = torch.einsum("iab,bcd,id->ac", born, LEVI_CIVITA, positions)
    return (turned - torch.einsum("acd,d->ac", LEVI_CIVITA, dipole)).abs().max().item()


def _charge_sum(pairs: Sequence[tuple[Mapping[str, Tensor], System]]) -> list[str]:
    off = [
        (n, v["charges"].sum().item(), s.charge.item())
        for n, (v, s) in enumerate(pairs)
        if "charges" in v and abs(v["charges"].sum().item() - s.charge.item()) > CHARGE_SLACK
    ]
    if not off:
        return []
    n, got, wanted = off[0]
    return [
        (
            f"charges: expected to sum to total_charge, got {got:.3f} e for {wanted:g} e in frame {n} ({len(off)} such"
            " frames); correct total_charge or the charges."
        )
    ]


def _born_sum(pairs: Sequence[tuple[Mapping[str, Tensor], System]]) -> list[str]:
    eye = torch.eye(3, dtype=torch.float64)
    worst = [
        (n, (v["born_effective_charges"].sum(0) - s.charge * eye).abs().max().item())
        for n, (v, s) in enumerate(pairs)
        if "born_effective_charges" in v
    ]
    off = [(n, size) for n, size in worst if size > CHARGE_SLACK]
    if not off:
        return []
    return [
        (
            f"born_effective_charges: expected to sum to total_charge times 1 (sum rule), got {off[0][1]:.3f} e"
            f" off in frame {off[0][0]} ({len(off)} such frames); correct either."
        )
    ]


def _born_order(pairs: Sequence[tuple[Mapping[str, Tensor], System]]) -> list[str]:
    """A problem if the tensors obey the rotational sum rule clearly better after transposition."""
    as_read, transposed = 0.0, 0.0
    for v, s in pairs:
        if "born_effective_charges" in v and "dipole" in v and not s.pbc.any():
            born, dipole = v["born_effective_charges"], v["dipole"][0]
            as_read += rotation_residual(born, dipole, s.positions)
            transposed += rotation_residual(born.transpose(1, 2), dipole, s.positions)
    if as_read <= 2.0 * transposed or as_read < 1e-3:
        return []
    return [
        (
            "born_effective_charges: expected row = polarization, column = displacement, got the transpose (rotational"
            f" sum rule off by {as_read:.3g} e Å, by {transposed:.3g} after transposition); transpose them in the"
            " file, or rename the key to bec, which is read as row = displacement."
        )
    ]
