"""What nequip-train writes of a model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from leyden.backbones.foreign import quiet
from leyden.backbones.nequip_models import building

Checkpoint = Callable[[Path, dict[str, Any]], nn.Module]


@pytest.fixture
def checkpoint() -> Checkpoint:
    """Write the checkpoint of a model of a config, and return the model."""
    return _written


def _written(path: Path, config: dict[str, Any]) -> nn.Module:
    import lightning
    from nequip.train import NequIPLightningModule

    metrics = {"_target_": "nequip.train.EnergyOnlyMetrics", "coeffs": {"total_energy_mae": 1.0}}
    count = {"train": 1, "val": 0, "test": 0, "predict": 0}
    info = {"versions": {}, "training_module": {"_target_": "nequip.train.NequIPLightningModule"}}
    with quiet(), building():
        module = NequIPLightningModule(config, count, val_metrics=metrics, info_dict=info)
    torch.save(
        {
            "state_dict": module.state_dict(),
            "hyper_parameters": dict(module.hparams),
            "pytorch-lightning_version": lightning.__version__,
        },
        path,
    )
    return module.model["sole_model"]
