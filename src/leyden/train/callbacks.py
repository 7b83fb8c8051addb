"""What happens around an epoch: averaged weights, the log, the model folder of the best epoch."""

import csv
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from rich.console import Console

from leyden.storage import save
from leyden.train.module import TrainingModule

COLUMNS = (
    "epoch", "train_loss", "val_loss", "val_energy_rmse", "val_force_rmse", "val_virial_rmse", "val_dipole_rmse",
    "learning_rate", "seconds",
)  # fmt: skip


class EpochLog(Callback):
    """After each epoch: one row of train.csv, one printed line, and the model folder `best` if validation improved.

    Must stand before the weight averaging in the list of callbacks, so that it still sees the averaged weights.
    """

    def __init__(self, folder: Path, metadata: dict[str, Any], console: Console) -> None:
        self.folder, self.metadata, self.console = folder, metadata, console
        self.best, self.seconds, self.started = float("inf"), 0.0, 0.0
        self.rows: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "seconds": self.seconds, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back from a checkpoint."""
        self.best, self.seconds, self.rows = state["best"], state["seconds"], state["rows"]

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
        row = {"epoch": trainer.current_epoch, "learning_rate": rate, "seconds": self.seconds} | summary
        self.rows.append({name: row[name] for name in COLUMNS if name in row})
        if not trainer.is_global_zero:
            return
        self._write()
        self._say(row, trainer.max_epochs)
        if summary["val_loss"] < self.best:
            self.best = summary["val_loss"]
            save(module.potential, self.folder / "best", self.metadata | {"epoch": trainer.current_epoch})

    def _write(self) -> None:
        with (self.folder / "train.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)

    def _say(self, row: dict[str, Any], epochs: int | None) -> None:
        better = "*" if row["val_loss"] < self.best else " "
        self.console.print(
            f"epoch {row['epoch'] + 1:4d}/{epochs}{better} loss {row['train_loss']:9.3e}  validation {row['val_loss']:9.3e}"
            + (f"  E {row['val_energy_rmse']:7.2f} meV/atom" if "val_energy_rmse" in row else "")
            + (f"  F {row['val_force_rmse']:7.1f} meV/Å" if "val_force_rmse" in row else "")
            + f"  lr {row['learning_rate']:.1e}  {row['seconds']:.0f} s",
            highlight=False,
        )


class EpochEndCheckpoint(ModelCheckpoint):
    """Training state after every epoch, for --restart: last.ckpt."""

    def __init__(self, folder: Path) -> None:
        super().__init__(dirpath=folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True)


class AveragedWeights(EMAWeightAveraging):
    """Exponential moving average of the parameters; buffers (tables, signs) are copied, never averaged."""

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False, decay=decay)
