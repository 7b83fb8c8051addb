"""What lightning trains: a potential, its loss, its optimizer and the errors it logs."""

import math
from dataclasses import replace

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric, SumMetric

from leyden.derivatives import forces
from leyden.potential import Potential
from leyden.train.batch import Batch
from leyden.train.compared import COMPARED
from leyden.train.config import Config
from leyden.train.density import coulomb_distance
from leyden.train.electric import electric
from leyden.train.groups import groups
from leyden.train.loss import instability, loss, squared_errors
from leyden.train.points import at_points
from leyden.units import MILLI

TERMS = {"density": "density_norm", "stability": "instability"}
"""Of the loss, beside those of labels, and their names in the log."""
COLUMN = {each.name: each.column for each in COMPARED} | TERMS
"""What the log calls the root mean squares of the loss, in thousandths of its units."""


class TrainingModule(LightningModule):
    """Training and validation steps; means of squared errors are kept over an epoch and over processes.

    NaN stays NaN in them: left out, as torchmetrics does by default, it would hide a divergence, and with its strategy
    "disable" the weights would be lost.
    """

    def __init__(self, potential: Potential, config: Config, labels: tuple[str, ...], steps: int) -> None:
        super().__init__()
        self.potential, self.config, self.labels, self.steps = potential, config, labels, steps
        self.stability, self.density = config.loss.stability > 0.0, config.loss.density > 0.0
        terms = (*labels, *(name for name in TERMS if getattr(config.loss, name) > 0.0))
        self.unsolved = torch.nn.ModuleDict({f"in_{which}": SumMetric() for which in ("train", "val")})
        self.train_errors = torch.nn.ModuleDict({name: MeanMetric(nan_strategy=math.nan) for name in terms})
        self.val_errors = torch.nn.ModuleDict({name: MeanMetric(nan_strategy=math.nan) for name in terms})

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one batch."""
        errors = self._errors(batch, "train")
        self._record(self.train_errors, errors)
        return loss(errors, self.config.loss)

    def backward(self, loss: Tensor) -> None:
        """To the weights only: without this, the second pass would go on to positions and cells for nothing."""
        loss.backward(inputs=[p for p in self.parameters() if p.requires_grad])

    def validation_step(self, batch: Batch, index: int) -> None:
        """Record the errors of one batch; forces need gradients here, too."""
        with torch.enable_grad():
            self._record(self.val_errors, self._errors(batch, "val"))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; the learning rate rises linearly, then falls as a cosine to final_fraction."""
        settings = self.config.optimizer
        total = self.steps * settings.epochs

        def factor(step: int) -> float:
            if step < settings.warmup_steps:
                return (step + 1) / settings.warmup_steps
            done = min(1.0, (step - settings.warmup_steps) / max(1, total - settings.warmup_steps))
            return settings.final_fraction + (1 - settings.final_fraction) * 0.5 * (1 + math.cos(math.pi * done))

        optimizer = AdamW(groups(self.potential, self.config), settings.learning_rate, foreach=True)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Batches know how to move themselves."""
        return batch.to(device)

    def epoch_summary(self, which: str) -> dict[str, float]:
        """Loss and root mean square errors (meV/atom, meV/Å, ...) of this epoch so far; which: 'train' or 'val'."""
        recorded = self.train_errors if which == "train" else self.val_errors
        means = {name: float(metric.compute()) for name, metric in _metrics(recorded).items()}
        weights = self.config.loss.model_dump()
        out = {f"{which}_loss": sum(weights[name] * value for name, value in means.items() if weights[name] > 0.0)}
        out |= {f"{which}_{COLUMN[name]}": math.sqrt(value) / MILLI for name, value in means.items()}
        return out | {f"{which}_unsolved": int(self.unsolved[f"in_{which}"].compute())}  # type: ignore[operator]

    def reset(self, which: str) -> None:
        """Forget the errors recorded so far."""
        for metric in _metrics(self.train_errors if which == "train" else self.val_errors).values():
            metric.reset()
        self.unsolved[f"in_{which}"].reset()  # type: ignore[operator]

    def _errors(self, batch: Batch, which: str) -> dict[str, Tensor]:
        """Structures whose density was not found are left out of all but the stability, and counted.

        In the first direct_epochs nothing is solved in training; validation sees the model as it will be used.
        """
        system, labels, charges = batch.system, batch.labels, self.potential.charges
        training = which == "train"
        direct = training and self.current_epoch < self.config.optimizer.direct_epochs
        order = 1 + training
        with self.potential.asked(report=True, direct=direct, stability=self.stability, order=order):
            predicted = forces(
                self.potential, system, batch.pairs, stress="stress" in self.labels, create_graph=training,
                chemical_potential="chemical_potential" in self.labels,
            )  # fmt: skip
        solution = predicted.output.solution
        failed = torch.zeros_like(system.charge, dtype=torch.bool) if solution is None else solution.failed
        self.unsolved[f"in_{which}"].update(failed.sum())  # type: ignore[operator]
        if bool(failed.any()):
            labels = labels.without(failed, system)
        with self.potential.asked(report=True, direct=direct):
            labelled = replace(batch, labels=labels)
            others = electric(self.potential, labelled, self.labels, create_graph=training)
            others |= at_points(self.potential, labelled, predicted.output.density, self.labels)
        errors = squared_errors(predicted, labels, system, None if charges is None else charges.basis, others)
        density = predicted.output.density
        if self.density and charges is not None and density is not None and labels.density_coefficients is not None:
            errors["density"] = coulomb_distance(
                self.potential.coulomb, charges.basis, system, density, labels.density_coefficients
            )
        if self.stability and solution is not None:
            errors["stability"] = instability(solution.radius)
        return errors

    def _record(self, metrics: torch.nn.ModuleDict, errors: dict[str, Tensor]) -> None:
        for name, metric in _metrics(metrics).items():
            if name in errors and len(errors[name]):
                value = errors[name].detach()
                metric.update(value.mean(), weight=len(value))


def _metrics(modules: torch.nn.ModuleDict) -> dict[str, MeanMetric]:
    return {name: metric for name, metric in modules.items() if isinstance(metric, MeanMetric)}
