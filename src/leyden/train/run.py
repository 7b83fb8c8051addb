"""One training run: data, potential, lightning's Trainer, and the model folders it leaves."""

import logging
import platform
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, RichProgressBar
from rich.console import Console

from leyden.charges import Local
from leyden.checks import InputError
from leyden.potential import Potential
from leyden.spec import build
from leyden.storage import load, metadata, save
from leyden.train.callbacks import AveragedWeights, EpochEndCheckpoint, EpochLog
from leyden.train.checkpoint import FOLDER, Interrupted, resume_from
from leyden.train.config import Config, dump
from leyden.train.dataset import TrainingData, load_data, loaders, potential_spec, steps_per_epoch
from leyden.train.module import TrainingModule

QUIET = (
    ".*does not have many workers.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*is smaller than the logging interval.*",
    ".*isinstance.treespec, LeafSpec.. is deprecated.*",
)
"""Lightning's hints that do not concern small in-memory batches and restarts, and its own use of an older torch."""


@dataclass(frozen=True)
class Trained:
    """The model folder of the best epoch, the epochs done, and the seconds they took."""

    best: Path
    epochs: int
    seconds: float


def train(config: Config, restart: str = "no", console: Console | None = None) -> Trained:
    """Train from a config and return where the best model is.

    Raises InputError for bad data or an output folder that cannot be used, Interrupted after Ctrl-C.
    """
    console = console or Console()
    checkpoint = resume_from(config.output, restart)
    _prepare(config)
    seed_everything(config.seed, verbose=False)
    data = load_data(config)
    for line in data.notes:
        console.print(f"note: {line}", highlight=False)
    for line in data.warnings:
        console.print(f"warning: {line}", style="yellow", highlight=False)
    potential = build(potential_spec(config, data.train)).to(getattr(torch, config.hardware.dtype))
    log = EpochLog(config.output, provenance(config, data), console)
    _fit(config, data, potential, log, checkpoint, console)
    _orient(config.output / "best", data)
    return Trained(config.output / "best", len(log.rows), log.seconds)


def provenance(config: Config, data: TrainingData) -> dict[str, Any]:
    """What metadata.json says about a run."""
    return {
        "versions": {name: version(name) for name in ("leyden", "torch", "lightning", "ase", "vesin", "numpy")}
        | {"python": platform.python_version()},
        "data": data.hashes,
        "frames": {"train": len(data.train), "validation": len(data.validation)},
        "accuracy": config.model.coulomb.accuracy,
        "seed": config.seed,
        "dtype": config.hardware.dtype,
    }


def _prepare(config: Config) -> None:
    try:
        config.output.mkdir(parents=True, exist_ok=True)
        (config.output / "config.yaml").write_text(dump(config))
    except OSError as error:
        raise InputError(
            f"{config.output}: expected a folder that can be written, got {error.strerror}; set output."
        ) from None


def _fit(
    config: Config, data: TrainingData, potential: Potential, log: EpochLog, checkpoint: Path | None, console: Console
) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    hardware, settings = config.hardware, config.optimizer
    labels = tuple(name for name in ("energy", "forces", "stress", "dipole") if name in config.loss.wanted())
    module = TrainingModule(
        potential, config, labels, steps_per_epoch(len(data.train), settings.batch_size, hardware.devices)
    )
    callbacks: list[Callback] = [log, AveragedWeights(settings.ema_decay), EpochEndCheckpoint(config.output / FOLDER)]
    if console.is_terminal:
        callbacks.append(RichProgressBar(leave=False))
    with warnings.catch_warnings():
        for message in QUIET:
            warnings.filterwarnings("ignore", message=message)
        trainer = Trainer(
            accelerator=hardware.accelerator, devices=hardware.devices, strategy=hardware.strategy,
            max_epochs=settings.epochs, gradient_clip_val=settings.clip_gradient, callbacks=callbacks,
            logger=False, num_sanity_val_steps=0, inference_mode=False, use_distributed_sampler=False,
            enable_model_summary=False, enable_progress_bar=console.is_terminal, default_root_dir=config.output,
        )  # fmt: skip
        batches = loaders(data, config, trainer.global_rank, trainer.world_size)
        try:
            trainer.fit(module, *batches, ckpt_path=checkpoint)
        except SystemExit:
            raise Interrupted(_how_to_go_on(config, len(log.rows))) from None
        if trainer.interrupted:
            raise Interrupted(_how_to_go_on(config, len(log.rows)))


def _how_to_go_on(config: Config, epochs: int) -> str:
    return (
        f"stopped after {epochs} of {config.optimizer.epochs} epochs; continue with"
        f" `leyden train {config.output / 'config.yaml'} --restart auto`."
    )


def _orient(best: Path, data: TrainingData) -> None:
    """Fix the sign of latent charges where the data leave it open: neutral structures only."""
    potential = load(best)
    if not isinstance(potential.charges, Local) or any(frame.system.charge.any() for frame in data.train):
        return
    dtype = next(potential.parameters()).dtype
    sample = data.train[:20]
    charges = [potential(frame.system.to(dtype=dtype)).charges.detach() for frame in sample]
    if potential.charges.orient(torch.cat([f.system.numbers for f in sample]), torch.cat(charges)):
        save(potential, best, metadata(best))
