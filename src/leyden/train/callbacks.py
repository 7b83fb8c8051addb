"""What happens around an epoch: averaged weights, the log, the model folder of the best epoch."""

import csv
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from leyden.checks import InputError
from leyden.storage import save
from leyden.train.checkpoint import KEY
from leyden.train.compared import COMPARED
from leyden.train.module import TrainingModule

COLUMNS = (
    "epoch", "train_loss", "val_loss", *(f"val_{each.column}" for each in COMPARED), "val_density_norm",
    "val_instability", "train_unsolved", "val_unsolved", "learning_rate", "seconds",
)  # fmt: skip

PRINTED = (
    ("train_loss", "loss", 10, ".3e"), ("val_loss", "validation", 11, ".3e"), ("val_energy_rmse", "meV/atom", 9, ".2f"),
    ("val_force_rmse", "meV/Å", 8, ".1f"), ("val_virial_rmse", "virial", 8, ".2f"),
    ("val_dipole_rmse", "me Å", 8, ".1f"), ("learning_rate", "rate", 8, ".0e"), ("seconds", "s", 6, ".0f"),
)  # fmt: skip
"""Key, header, width and format of the printed columns, less than 80 characters in all: validation errors and rates."""


class EpochLog(Callback):
    """After each epoch: one row of train.csv, one printed line, and the model folder `best` if validation improved.

    Must stand before the weight averaging in the list of callbacks, so that it still sees the averaged weights.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], metadata: Mapping[str, Any], console: Console) -> None:
        self.folder, self.run, self.metadata, self.console = folder, dict(run), dict(metadata), console
        self.best, self.seconds, self.started, self.headed = float("inf"), 0.0, 0.0, False
        self.rows: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "seconds": self.seconds, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back from a checkpoint; in a new output folder the next epoch is the best so far."""
        self.seconds, self.rows = state["seconds"], state["rows"]
        self.best = state["best"] if (self.folder / "best").is_dir() else float("inf")

    def on_save_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Say which run the checkpoint belongs to."""
        checkpoint[KEY] = self.run

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start the clock and forget the last epoch."""
        self.started = time.perf_counter()
        assert isinstance(module, TrainingModule)
        module.reset("train")
        module.reset("val")

    def on_validation_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Record the epoch, with the averaged weights in place."""
        assert isinstance(module, TrainingModule)
        summary = module.epoch_summary("train") | module.epoch_summary("val")
        self.seconds += time.perf_counter() - self.started
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        row = {"epoch": trainer.current_epoch + 1, "learning_rate": rate, "seconds": self.seconds} | summary
        if not math.isfinite(summary["val_loss"]):
            raise InputError(
                f"epoch {row['epoch']}: expected a finite validation loss, got {summary['val_loss']} (it diverged);"
                " start again with a smaller optimizer.learning_rate in another output."
            )
        self.rows.append({name: row[name] for name in COLUMNS if name in row})
        if not trainer.is_global_zero:
            return
        self._write()
        self._say(row, trainer.max_epochs)
        for which, word in (("train", "training"), ("val", "validation")):
            if number := summary[f"{which}_unsolved"]:
                told = f"  {number} {word} structures left out: their density was not found"
                self.console.print(told, highlight=False, soft_wrap=True)
        if summary["val_loss"] < self.best:
            self.best = summary["val_loss"]
            save(module.potential, self.folder / "best", self.metadata | {"epoch": row["epoch"]})

    def _write(self) -> None:
        """Replace train.csv in one step."""
        partial = self.folder / ".train.csv"
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(partial, self.folder / "train.csv")

    def _say(self, row: dict[str, Any], epochs: int | None) -> None:
        """One line; * marks the best epoch so far. The first line has the column names above it."""
        shown = [column for column in PRINTED if column[0] in row]
        if not self.headed:
            head = f"{'epoch':<10}" + "".join(f"{name:>{width}}" for _, name, width, _ in shown)
            self.console.print(head, style="bold", highlight=False, soft_wrap=True)
            self.headed = True
        done = f"{row['epoch']}/{epochs}{'*' * (row['val_loss'] < self.best)}"
        cells = "".join(f"{row[key]:{width}{form}}" for key, _, width, form in shown)
        self.console.print(f"{done:<10}{cells}", highlight=False, soft_wrap=True)


class Bar(Callback):
    """How far the whole run is: a bar below the lines of EpochLog, which share its console."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task("", total=None)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Show the bar, at the place where a restart begins."""
        batches = int(trainer.num_training_batches)
        self.bar.update(
            self.task, total=batches * (trainer.max_epochs or 0), completed=batches * trainer.current_epoch
        )  # fmt: skip
        self.bar.start()

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Name the epoch."""
        self.bar.update(self.task, description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One step further."""
        self.bar.advance(self.task)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Remove the bar."""
        self.bar.stop()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """Remove the bar before anything is said."""
        self.bar.stop()


class EpochEndCheckpoint(ModelCheckpoint):
    """Training state after every epoch, for --restart: last.ckpt."""

    def __init__(self, folder: Path) -> None:
        super().__init__(dirpath=folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True)


class AveragedWeights(WeightAveraging):
    """Exponential moving average of the parameters; buffers (tables, signs) are copied, never averaged.

    After n steps the decay is min(decay, (1 + n) / (10 + n)), so that the average forgets the start of training soon.
    """

    def __init__(self, decay: float) -> None:
        def average(old: Tensor, new: Tensor, count: Tensor) -> Tensor:
            return torch.lerp(new, old, min(decay, (1 + count.item()) / (10 + count.item())))

        super().__init__(use_buffers=False, avg_fn=average)
