"""One training run: data, potential, lightning's Trainer, and the model folders it leaves."""

import hashlib
import logging
import platform
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from rich.console import Console

from leyden.charges import Local
from leyden.checks import InputError
from leyden.memory import keep_freed_memory
from leyden.potential import Potential
from leyden.spec import PretrainedSpec, build
from leyden.storage import load, metadata, save
from leyden.train.callbacks import AveragedWeights, Bar, EpochEndCheckpoint, EpochLog
from leyden.train.checkpoint import FOLDER, Interrupted, check, identity, resume_from
from leyden.train.compared import COMPARED
from leyden.train.config import Config, HardwareSection, dump
from leyden.train.dataset import TrainingData, load_data, loaders, potential_spec, steps_per_epoch
from leyden.train.module import TrainingModule
from leyden.train.reference import fitted
from leyden.train.requests import check_model

QUIET = (
    ".*does not have many workers.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*The dirpath has changed from .*",
    ".*is smaller than the logging interval.*",
    ".*isinstance.treespec, LeafSpec.. is deprecated.*",
    ".*``compute`` method of metric MeanMetric was called before the ``update`` method.*",
    ".*Grad strides do not match bucket view strides.*",
)
"""Lightning's hints that do not concern small in-memory batches and restarts, its own use of an older torch, and with
several processes: a label that no batch of one of them had, gradients of matrices with one row."""

SIGNED = {each.name for each in COMPARED if each.signed}
"""Labels that change their sign with the charges."""


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
    console = (console or Console()) if main_process() else Console(quiet=True)
    checkpoint = resume_from(config.output, restart)
    if main_process():
        _make(config.output)
    try:
        data = load_data(config)
    except KeyboardInterrupt:
        raise Interrupted("stopped before the first epoch; start again with the same command.") from None
    run = identity(config, data.hashes)
    if checkpoint is not None:
        check(checkpoint, run, config.optimizer.epochs)
    _say(data, console)
    seed_everything(config.seed, verbose=False)
    keep_freed_memory()
    if config.hardware.threads is not None:
        torch.set_num_threads(config.hardware.threads)
    potential = build(potential_spec(config, data.train)).to(getattr(torch, config.hardware.dtype))
    check_model(config, potential, [*data.train, *data.validation])
    _warn(fitted(potential, config.model, data.train), console)
    log = EpochLog(config.output, run, provenance(config, data), console)
    _fit(config, data, potential, log, checkpoint, console)
    if main_process():
        _orient(config, data)
    return Trained(config.output / "best", len(log.rows), log.seconds)


def main_process() -> bool:
    """Whether this is the only or the first of several training processes: the one that prints and writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0  # set by lightning, unknown to its type hints


def provenance(config: Config, data: TrainingData) -> dict[str, Any]:
    """What metadata.json says about a run."""
    packages = ("leyden", "torch", "lightning", "ase", "vesin", "numpy", *config.model.backbone.packages)
    return {
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "data": data.hashes,
        "backbone": _origin(config),
        "frames": {"train": len(data.train), "validation": len(data.validation)},
        "total_charges": sorted({frame.system.charge.item() for frame in data.train}),
        "accuracy": config.model.coulomb.accuracy,
        "seed": config.seed,
        "dtype": config.hardware.dtype,
    }


def _origin(config: Config) -> dict[str, str]:
    """The file that the backbone is from, and its sha256."""
    section = config.model.backbone
    if not isinstance(section, PretrainedSpec) or section.source is None:
        return {}
    return {str(section.source): hashlib.sha256(section.source.read_bytes()).hexdigest()}


def _make(output: Path) -> None:
    """Create the output folder before anything that takes long."""
    try:
        (output / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{output}: expected a folder that can be written, got {error.strerror}; set output."
        ) from None


def _say(data: TrainingData, console: Console) -> None:
    for line in data.notes:
        console.print(f"note: {line}", highlight=False, markup=False, soft_wrap=True)
    _warn(data.warnings, console)


def _warn(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(f"warning: {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def _fit(
    config: Config, data: TrainingData, potential: Potential, log: EpochLog, checkpoint: Path | None, console: Console
) -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    settings = config.optimizer
    steps = steps_per_epoch(len(data.train), settings.batch_size, config.hardware.devices)
    module = TrainingModule(potential, config, tuple(config.loss.wanted()), steps)
    callbacks: list[Callback] = [log, AveragedWeights(settings.ema_decay), EpochEndCheckpoint(config.output / FOLDER)]
    if console.is_terminal:
        callbacks.append(Bar(console))
    with warnings.catch_warnings():
        for message in QUIET:
            warnings.filterwarnings("ignore", message=message)
        trainer = _trainer(config, callbacks)
        batches = loaders(data, config, trainer.global_rank, trainer.world_size)
        if main_process():
            (config.output / "config.yaml").write_text(dump(config), encoding="utf-8")
        try:
            trainer.fit(module, *batches, ckpt_path=checkpoint, weights_only=True)
        except SystemExit:  # how lightning ends after Ctrl-C
            raise Interrupted(_how_to_go_on(config, len(log.rows))) from None


def _trainer(config: Config, callbacks: list[Callback]) -> Trainer:
    hardware = config.hardware
    try:
        return Trainer(
            accelerator=hardware.accelerator, devices=hardware.devices, strategy=_strategy(hardware),
            max_epochs=config.optimizer.epochs, gradient_clip_val=config.optimizer.clip_gradient, callbacks=callbacks,
            logger=False, num_sanity_val_steps=0, inference_mode=False, use_distributed_sampler=False,
            enable_model_summary=False, enable_progress_bar=False, default_root_dir=config.output,
        )  # fmt: skip
    except (MisconfigurationException, ValueError, ImportError) as error:
        raise InputError(
            f"hardware: expected accelerator, devices and strategy that this machine has, got:"
            f" {str(error).split('. ')[0].rstrip('!.')}; correct the section hardware."
        ) from None


def _strategy(hardware: HardwareSection) -> str:
    """The last layer's vectors and tensors reach no loss, which several processes have to be told."""
    if hardware.devices > 1 and hardware.strategy in ("auto", "ddp"):
        return "ddp_find_unused_parameters_true"
    return hardware.strategy


def _how_to_go_on(config: Config, epochs: int) -> str:
    return (
        f"stopped after {epochs} of {config.optimizer.epochs} epochs; continue with"
        f" `leyden train {config.output / 'config.yaml'} --restart auto`."
    )


def _orient(config: Config, data: TrainingData) -> None:
    """Fix the sign of latent charges where the data leave it open: neutral structures without labels that know it."""
    best = config.output / "best"
    potential, known = load(best), SIGNED & set(config.loss.wanted())
    if not isinstance(potential.charges, Local) or known or any(frame.system.charge.any() for frame in data.train):
        return
    dtype = next(potential.parameters()).dtype
    sample = data.train[:20]
    charges = [potential(frame.system.to(dtype=dtype)).charges.detach() for frame in sample]
    if potential.charges.orient(torch.cat([f.system.numbers for f in sample]), torch.cat(charges)):
        save(potential, best, metadata(best))
