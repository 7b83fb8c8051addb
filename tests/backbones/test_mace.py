"""MACE: the contract of a backbone, and a model of mace-torch reproduced."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from leyden.backbones.mace import MACE
from leyden.backbones.mace_models import form, make
from leyden.testing.backbone import BackboneContract

pytestmark = pytest.mark.skipif(find_spec("mace") is None, reason="needs leyden[mace]")


def model(elements: tuple[int, ...] = (1, 6, 8), lmax: int = 2) -> torch.nn.Module:
    """A small model with random weights and energies of isolated atoms."""
    torch.manual_seed(0)
    out = make(form(elements, 8.0, cutoff=4.0, channels=8, lmax=lmax, layers=2, correlation=2, harmonics=2, basis=6))
    out.atomic_energies_fn.atomic_energies = -torch.arange(1.0, len(elements) + 1).double()[None] * 100
    return out


class TestMACE(BackboneContract):
    def make(self, elements: tuple[int, ...], dtype: torch.dtype) -> MACE:
        return MACE(model(elements)).to(dtype)
