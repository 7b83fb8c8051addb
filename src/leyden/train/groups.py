"""Which weights are trained, how fast, and which decay."""

from typing import Any

from torch import nn

from leyden.backbones import Pretrained
from leyden.potential import Potential
from leyden.spec import PretrainedSpec
from leyden.train.config import Config


def groups(potential: Potential, config: Config) -> list[dict[str, Any]]:
    """Parameter groups of an optimizer: matrices, which decay, and the rest, each of the file that a config names and
    of what was added to it. Frozen weights are in none."""
    settings, section, backbone = config.optimizer, config.model.backbone, potential.backbone
    old: set[nn.Parameter] = set()
    if isinstance(section, PretrainedSpec) and section.source is not None and isinstance(backbone, Pretrained):
        old = set(backbone.pretrained())
    out = []
    for known, rate in ((False, settings.learning_rate), (True, settings.pretrained_rate)):
        weights = [w for w in potential.parameters() if w.requires_grad and (w in old) == known]
        for decays in (True, False):
            chosen = [w for w in weights if (w.dim() > 1) == decays]
            decay = settings.weight_decay if decays else 0.0
            out.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return [group for group in out if group["params"]]
