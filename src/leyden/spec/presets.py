"""Models by name: what `leyden init --preset` and `leyden.augment` know."""

from leyden.spec.charges import (
    EquilibrationSpec,
    LocalSpec,
    ResponseSpec,
    SplitChargeEquilibrationSpec,
    SplitSpec,
    VariationalSpec,
)
from leyden.spec.model import ModelSpec

PRESETS: dict[str, ModelSpec] = {
    "short-range": ModelSpec(charges=None),
    "les": ModelSpec(charges=LocalSpec()),
    "les-multipole": ModelSpec(charges=LocalSpec(dipoles=True)),
    "split": ModelSpec(charges=SplitSpec()),
    "qeq": ModelSpec(charges=EquilibrationSpec()),
    "sqe": ModelSpec(charges=SplitChargeEquilibrationSpec()),
    "sqe-multipole": ModelSpec(charges=SplitChargeEquilibrationSpec(dipoles=True)),
    "polarizable": ModelSpec(charges=EquilibrationSpec(dipoles=True)),
    "response": ModelSpec(charges=ResponseSpec(dipoles=True)),
    "variational": ModelSpec(charges=VariationalSpec(dipoles=True)),
}
