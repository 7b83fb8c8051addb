"""Training runs: what they leave, and that an interrupted run goes on as if nothing had happened."""

import csv
import json
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write
from rich.console import Console

from leyden.charges import Local
from leyden.checks import InputError
from leyden.spec import CartesianSpec, EquilibrationSpec, LocalSpec, ModelSpec, SplitChargeEquilibrationSpec, SplitSpec
from leyden.storage import FILES, load
from leyden.train.checkpoint import Interrupted
from leyden.train.config import Config, DataSection, HardwareSection, LossSection, OptimizerSection, load_config, preset
from leyden.train.dataset import load_data
from leyden.train.evaluate import evaluate
from leyden.train.frames import frames_for
from leyden.train.module import TrainingModule
from leyden.train.run import Trained, train
from leyden.units import COULOMB

EPOCHS = 3
MOLECULES = {"OH2": 0, "OH3": 1, "OH": -1}


def clusters(count: int, seed: int = 0, charges: bool = True) -> list[Atoms]:
    """Springs of 1 Å between all atoms, and point charges: water, hydronium and hydroxide, or water only."""
    rng, frames = np.random.default_rng(seed), []
    base = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [-0.3, -0.4, 0.8]])
    for number in range(count):
        symbols = list(MOLECULES)[number % 3] if charges else "OH2"
        atoms = Atoms(symbols, base[: len(Atoms(symbols))] + 0.05 * rng.normal(size=(len(Atoms(symbols)), 3)))
        q = np.where(atoms.numbers == 8, -0.8, 0.4)
        q += (MOLECULES[symbols] - q.sum()) / len(q)
        i, j = np.triu_indices(len(atoms), 1)
        vectors = atoms.positions[i] - atoms.positions[j]
        r = np.linalg.norm(vectors, axis=1)
        pull = (10 * (r - 1) - COULOMB * q[i] * q[j] / r**2)[:, None] * vectors / r[:, None]
        force = np.zeros_like(atoms.positions)
        np.subtract.at(force, i, pull)
        np.add.at(force, j, pull)
        energy = (5 * (r - 1) ** 2 + COULOMB * q[i] * q[j] / r).sum() - 100.0 * len(atoms)
        atoms.info = {"REF_energy": energy, "REF_dipole": q @ atoms.positions} | (
            {"total_charge": MOLECULES[symbols]} if charges else {}
        )
        atoms.arrays["REF_forces"] = force
        frames.append(atoms)
    return frames


Make = Callable[..., Config]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A config for a small model and data in tmp_path."""

    def config(name: str = "run", frames: Sequence[Atoms] | None = None, **changes: Any) -> Config:
        write(tmp_path / "train.xyz", clusters(9) if frames is None else frames, format="extxyz")
        write(tmp_path / "val.xyz", clusters(3, 1) if frames is None else frames[:3], format="extxyz")
        start = preset("les", tmp_path / "train.xyz")
        model = ModelSpec(
            backbone=CartesianSpec(cutoff=3.0, channels=4, layers=1, basis=4), charges=start.model.charges
        )
        parts: dict[str, Any] = {
            "output": tmp_path / name,
            "data": DataSection(train=tmp_path / "train.xyz", validation=tmp_path / "val.xyz"),
            "model": model,
            "optimizer": OptimizerSection(epochs=EPOCHS, warmup_steps=2, ema_decay=0.5),
            "hardware": HardwareSection(accelerator="cpu"),
        }
        return start.model_copy(update=parts | changes)

    return config


def run(config: Config, restart: str = "no") -> Trained:
    return train(config, restart, Console(quiet=True))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "train.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def state(folder: Path) -> dict[str, Any]:
    """The last checkpoint."""
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Bitwise."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_what_a_run_leaves(make: Make) -> None:
    config = make(optimizer=OptimizerSection(epochs=20, warmup_steps=2, ema_decay=0.5))
    done = run(config)
    found = rows(config.output)
    loss = [float(row["val_loss"]) for row in found]
    assert [row["epoch"] for row in found] == [str(n + 1) for n in range(20)] and done.epochs == 20
    assert min(loss) < 0.5 * loss[0]
    assert sorted(p.name for p in config.output.iterdir()) == ["best", "checkpoints", "config.yaml", "train.csv"]
    assert sorted(p.name for p in done.best.iterdir()) == sorted(FILES)
    assert load_config(config.output / "config.yaml") == config
    best = json.loads((done.best / "metadata.json").read_text())["epoch"]
    assert loss[best - 1] == min(loss)
    potential = load(done.best)
    assert config.data.validation is not None
    parities = evaluate(potential, frames_for(potential, config.data.validation).frames).parities
    assert parities["energy"].rmse * 1000 == pytest.approx(float(found[best - 1]["val_energy_rmse"]), rel=1e-3)
    assert parities["forces"].rmse * 1000 == pytest.approx(float(found[best - 1]["val_force_rmse"]), rel=1e-3)


def test_provenance(make: Make) -> None:
    config = make(seed=5, optimizer=OptimizerSection(epochs=1))
    about = json.loads((run(config).best / "metadata.json").read_text())
    assert about["total_charges"] == [-1.0, 0.0, 1.0]
    assert about["seed"] == 5 and about["dtype"] == "float32" and about["accuracy"] == config.model.coulomb.accuracy
    assert about["units"] == {"energy": "eV", "length": "Å", "charge": "e"} and about["epoch"] == 1
    assert {"leyden", "torch", "lightning", "ase", "vesin", "numpy", "python"} == set(about["versions"])
    assert set(about["data"]) == {str(config.data.train), str(config.data.validation)}
    assert all(len(value) == 64 for value in about["data"].values()) and len(set(about["data"].values())) == 2
    assert about["frames"] == {"train": 9, "validation": 3}


def test_exported_weights_are_the_averaged_ones(make: Make) -> None:
    """After the first epoch, which is the best so far; the raw weights go on from where they were."""
    config = make(optimizer=OptimizerSection(epochs=1, warmup_steps=0, ema_decay=0.9))
    exported = load(run(config).best).state_dict()
    checkpoint = state(config.output)
    averaged, raw = (
        {k.removeprefix("potential."): v for k, v in checkpoint[key].items() if k.startswith("potential.")}
        for key in ("state_dict", "current_model_state")
    )
    assert same(exported, averaged)
    assert not same(raw, averaged)


def test_learning_rate_of_each_epoch(make: Make) -> None:
    """3 steps an epoch: the end of the warm-up of 2, then the cosine to a hundredth."""
    config = make()
    run(config)
    rates = [float(row["learning_rate"]) for row in rows(config.output)]
    expected = [0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * (step - 2) / 7)) for step in (3, 6, 9)]
    assert np.array(rates) / 0.01 == pytest.approx(expected)


def test_neutral_data_fix_the_sign_of_charges(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training starts, and ends, with positive oxygen here; the model that is kept is turned."""
    monkeypatch.setattr("leyden.charges.local.INITIAL_CHARGE", -0.1)
    frames = clusters(6, charges=False)
    done = run(make(frames=frames, optimizer=OptimizerSection(epochs=1)))
    assert json.loads((done.best / "metadata.json").read_text())["total_charges"] == [0.0]
    potential = load(done.best, torch.float64)
    found = evaluate(potential, frames_for(potential, make(frames=frames).data.train).frames)
    assert found.charges is not None
    assert found.charges[found.numbers == 8].mean() < 0 < found.charges[found.numbers == 1].mean()


@pytest.mark.parametrize("label", ["dipole", "stress"])
def test_dipole_and_stress_are_trained(make: Make, label: str) -> None:
    """Each of the two losses falls by itself."""
    frames = clusters(6, charges=False)
    if label == "stress":
        for atoms in frames:
            atoms.set_cell(np.eye(3) * 4)
            atoms.set_pbc(True)
            atoms.info["REF_stress"] = 0.02 * np.eye(3).ravel()
    weights = LossSection(**({"energy": 0.0, "forces": 0.0} | {label: 1.0}))
    settings = OptimizerSection(epochs=8, warmup_steps=0, ema_decay=0.0)
    config = make(frames=frames, loss=weights, optimizer=settings)
    run(config)
    found = rows(config.output)
    assert min(float(row["val_loss"]) for row in found) < 0.9 * float(found[0]["val_loss"])
    name = {"dipole": "val_dipole_rmse", "stress": "val_virial_rmse"}[label]
    assert name in found[0] and "val_energy_rmse" not in found[0]


@pytest.mark.parametrize(
    "label",
    ["quadrupole", "density_coefficients", "density", "chemical_potential", "electrostatic_potential", "charges"],
)
def test_other_labels_are_trained(make: Make, label: str) -> None:
    """Each of these losses falls by itself, and half of the frames may lack the label."""
    frames = clusters(6)
    for atoms in frames[::2]:
        q = np.where(atoms.numbers == 8, -1.2, 0.2)
        q += (atoms.info["total_charge"] - q.sum()) / len(q)
        atoms.arrays["REF_density_coefficients"] = q
        atoms.info["REF_quadrupole"] = np.einsum("i,ia,ib->ab", q, atoms.positions, atoms.positions).ravel()
        atoms.info["REF_chemical_potential"] = -3.0
        atoms.arrays["REF_charges"] = q
        points = atoms.positions.mean(0) + np.array([[3.0, 0, 0], [0, -4.0, 0], [0, 0, 3.5]])
        distances = np.linalg.norm(points[:, None] - atoms.positions, axis=2)
        atoms.info |= {"esp_points": points, "esp": 14.4 * (q / distances).sum(1)}
    weights = LossSection(**({"energy": 1e-6, "forces": 0.0} | {label: 1.0}))
    config = make(frames=frames, loss=weights, optimizer=OptimizerSection(epochs=8, warmup_steps=0, ema_decay=0.0))
    run(config)
    found = rows(config.output)
    assert min(float(row["val_loss"]) for row in found) < 0.9 * float(found[0]["val_loss"])


def test_training_on_charges_is_discouraged(make: Make) -> None:
    """In one sentence, where there is a weight."""
    frames = clusters(6)
    for atoms in frames:
        atoms.arrays["REF_charges"] = np.zeros(len(atoms))
    for weight in (0.0, 1.0):
        said = load_data(make(frames=frames, loss=LossSection(charges=weight))).warnings
        assert [line.startswith("loss.charges: discouraged, as schemes divide") for line in said] == [True] * (
            weight > 0
        )


def test_spins_that_the_model_does_not_know_are_said(make: Make) -> None:
    frames = clusters(6)
    for atoms in frames:
        atoms.info["total_spin"] = 3
    for conditioned in (True, False):
        model = make().model.model_copy(update={"charges": EquilibrationSpec(), "conditioned": conditioned})
        said = load_data(make(frames=frames, model=model)).warnings
        assert any("total_spin" in line for line in said) is not conditioned


def test_direct_epochs_end_where_they_should_after_a_restart(make: Make, stop: "Stop") -> None:
    """Stopped among them, and after: bitwise the same, and not the same as without them."""
    settings = {"warmup_steps": 2, "ema_decay": 0.5, "epochs": EPOCHS}
    model = make().model.model_copy(update={"charges": EquilibrationSpec()})
    changes: dict[str, Any] = {"model": model, "optimizer": OptimizerSection(direct_epochs=2, **settings)}
    run(make("whole", **changes))
    for name, step in (("early", 4), ("late", 7)):
        stop.at(step, RuntimeError)
        with pytest.raises(RuntimeError):
            run(make(name, **changes))
        stop.never()
        run(make(name, **changes), "auto")
        assert rows(make(name).output) == rows(make("whole").output)
    run(make("solved", model=model, optimizer=OptimizerSection(**settings)))
    assert rows(make("solved").output)[0]["train_loss"] != rows(make("whole").output)[0]["train_loss"]


@pytest.mark.parametrize(
    ("charges", "changes", "message"),
    [
        (None, {"loss": LossSection(dipole=1.0)}, "loss.dipole: expected a model with charges, got a short-range one"),
        (LocalSpec(), {"optimizer": OptimizerSection(direct_epochs=1)}, "optimizer.direct_epochs: .* got Local"),
        (EquilibrationSpec(), {"loss": LossSection(stability=1.0)}, "loss.stability: .* got Equilibration"),
        (
            LocalSpec(dipoles=True),
            {"loss": LossSection(density_coefficients=1.0)},
            "frame 0: density_coefficients: expected 4 an atom, as the density of the model has, got 1; fit them",
        ),
        (
            None,
            {"loss": LossSection(born_effective_charges=1.0)},
            "loss.born_effective_charges: expected a model with charges, got a short-range one",
        ),
        (LocalSpec(), {"loss": LossSection(polarizability=1.0)}, "loss.polarizability: .* got Local, .* exactly zero"),
        (SplitSpec(), {"loss": LossSection(polarizability=1.0)}, "loss.polarizability: .* got Split, .* exactly zero"),
        (
            EquilibrationSpec(),
            {"loss": LossSection(polarizability=1.0), "optimizer": OptimizerSection(direct_epochs=2)},
            "loss.polarizability: expected optimizer.direct_epochs=0, got 2, in which the density feels no field",
        ),
    ],
)
def test_what_the_model_has_not(make: Make, charges: Any, changes: dict[str, Any], message: str) -> None:
    frames = clusters(6)
    for atoms in frames:
        atoms.arrays["REF_density_coefficients"] = np.zeros(len(atoms))
        respond(atoms)
    config = make(frames=frames, **changes)
    with pytest.raises(InputError, match=message):
        run(config.model_copy(update={"model": config.model.model_copy(update={"charges": charges})}))


def respond(atoms: Atoms) -> None:
    """Labels of the point charges of `clusters`, and 0.5 Å^3 for each atom."""
    q = np.where(atoms.numbers == 8, -0.8, 0.4)
    q += (atoms.info["total_charge"] - q.sum()) / len(q)
    atoms.arrays["REF_born_effective_charges"] = np.kron(q[:, None], np.eye(3).ravel())
    atoms.info["REF_polarizability"] = 0.5 * len(atoms) * np.eye(3)


def test_a_few_born_charges_are_learned(make: Make) -> None:
    """Every third frame has them, and the forces of all hardly count."""
    frames = clusters(9)
    for atoms in frames[::3]:
        respond(atoms)
    config = make(
        frames=frames,
        loss=LossSection(energy=0.0, forces=0.01, born_effective_charges=10.0),
        optimizer=OptimizerSection(epochs=10, warmup_steps=0, ema_decay=0.0),
    )
    run(config)
    errors = [float(row["val_born_rmse"]) for row in rows(config.output)]
    assert errors[-1] < 0.3 * errors[0]


def test_periodic_structures_whose_charges_flow(make: Make) -> None:
    """Their Born charges are refused by name; with latent charges, or without that label, they are trained on."""
    frames = clusters(6)
    for atoms in frames:
        respond(atoms)
    frames[4].set_cell(np.eye(3) * 8)
    frames[4].set_pbc(True)
    loss, once = LossSection(born_effective_charges=1.0), OptimizerSection(epochs=1)
    config = make(frames=frames, loss=loss, optimizer=once)
    flowing = config.model_copy(update={"model": config.model.model_copy(update={"charges": EquilibrationSpec()})})
    with pytest.raises(
        InputError,
        match=r"frame 4: loss.born_effective_charges: expected open structures with Equilibration, .* charge can"
        r" flow; take the preset 'les', 'split' or 'sqe'",
    ):
        run(flowing)
    run(config)
    del frames[4].arrays["REF_born_effective_charges"], frames[4].info["REF_polarizability"]
    write(config.data.train, frames, format="extxyz")
    both = LossSection(born_effective_charges=1.0, polarizability=1.0)
    run(flowing.model_copy(update={"output": config.output / "other", "loss": both}))
    (row,) = rows(config.output / "other")
    assert float(row["val_born_rmse"]) > 0.0 and float(row["val_polarizability_rmse"]) > 0.0


def test_crystals_whose_charge_moves_along_bonds(make: Make) -> None:
    """Are trained on dipoles, whichever branch these are on, Born charges and polarizabilities."""
    frames = clusters(6)
    for number, atoms in enumerate(frames):
        respond(atoms)
        if number % 2:
            atoms.set_cell(np.eye(3) * 8)
            atoms.set_pbc(True)
            atoms.info["REF_dipole"] = np.array(atoms.info["REF_dipole"]) + 8.0 * np.array([1, -2, 0])
    weights = LossSection(energy=0.0, forces=0.01, born_effective_charges=10.0, polarizability=10.0, dipole=10.0)
    optimizer = OptimizerSection(epochs=8, ema_decay=0.0, warmup_steps=0)
    config = make(frames=frames, loss=weights, optimizer=optimizer)
    bonded = SplitChargeEquilibrationSpec(dipoles=True, width=0.7)
    run(config.model_copy(update={"model": config.model.model_copy(update={"charges": bonded})}))
    first, *_, last = rows(config.output)
    for column in ("val_born_rmse", "val_polarizability_rmse"):
        assert float(last[column]) < 0.8 * float(first[column])
    assert float(last["val_dipole_rmse"]) < float(first["val_dipole_rmse"]) < 1000.0  # on another branch 3000 and more


class Stop:
    """Makes one training step fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch, self.original = monkeypatch, TrainingModule.training_step

    def at(self, step: int, error: type[BaseException]) -> None:
        """Raise at the given step of all epochs together."""
        calls = iter(range(1000))

        def training_step(module: TrainingModule, *arguments: Any) -> torch.Tensor:
            if next(calls) == step:
                raise error
            return self.original(module, *arguments)

        self.patch.setattr(TrainingModule, "training_step", training_step)

    def never(self) -> None:
        self.patch.undo()


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stop]:
    yield Stop(monkeypatch)


@pytest.mark.parametrize(("step", "error"), [(1, KeyboardInterrupt), (3, RuntimeError), (7, KeyboardInterrupt)])
def test_interrupted_equals_uninterrupted(make: Make, stop: Stop, step: int, error: type[BaseException]) -> None:
    """Stopped in the first epoch, at the start of the second, in the midst of the third: bitwise the same."""
    run(make("whole"))
    stop.at(step, error)
    with pytest.raises(Interrupted if error is KeyboardInterrupt else error):
        run(make("parts"))
    stop.never()
    run(make("parts"), "auto")
    whole, parts = make("whole").output, make("parts").output
    assert rows(parts) == rows(whole) and len(rows(whole)) == EPOCHS
    assert (parts / "best" / FILES[1]).read_bytes() == (whole / "best" / FILES[1]).read_bytes()
    one, other = state(whole), state(parts)
    assert same(one["state_dict"], other["state_dict"])  # averaged
    assert same(one["current_model_state"], other["current_model_state"])
    assert one["optimizer_states"][0]["state"].keys() == other["optimizer_states"][0]["state"].keys()
    for key, moments in one["optimizer_states"][0]["state"].items():
        assert same(moments, other["optimizer_states"][0]["state"][key])


@pytest.mark.usefixtures("interruptible")
def test_interrupt_says_how_to_go_on_and_leaves_ctrl_c_working(make: Make, stop: Stop) -> None:
    before = signal.getsignal(signal.SIGINT)
    stop.at(4, KeyboardInterrupt)
    config = make()
    with pytest.raises(
        Interrupted, match=r"stopped after 1 of 3 epochs; continue with `leyden train .*--restart auto`"
    ):
        run(config)
    assert signal.getsignal(signal.SIGINT) is before is not signal.SIG_IGN


def test_more_epochs_and_none(make: Make) -> None:
    run(make())
    longer = make(optimizer=OptimizerSection(epochs=EPOCHS + 2, warmup_steps=2, ema_decay=0.5))
    first = rows(longer.output)
    assert run(longer, "auto").epochs == EPOCHS + 2
    assert rows(longer.output)[:EPOCHS] == first and len(rows(longer.output)) == EPOCHS + 2
    assert run(longer, "auto").epochs == EPOCHS + 2  # nothing left to do
    with pytest.raises(InputError, match=r"expected at most optimizer.epochs=3 epochs, got 5 done already"):
        run(make(), "auto")


def test_restart_from_a_file_into_another_folder(make: Make) -> None:
    run(make("first", optimizer=OptimizerSection(epochs=1, warmup_steps=2, ema_decay=0.5)))
    config, last = make("second"), make("first").output / "checkpoints" / "last.ckpt"
    stored = torch.load(last, weights_only=True)
    stored["callbacks"]["EpochLog"]["best"] = 0.0  # even if nothing gets better than it was, there is a model
    torch.save(stored, last)
    done = run(config, str(last))
    assert done.epochs == len(rows(config.output)) == EPOCHS
    load(done.best)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "got seed=1 instead of 0"),
        ({"loss": LossSection(forces=2.0)}, "got loss.forces=2.0 instead of 1.0"),
        ({"model": ModelSpec(charges=None)}, "got model.backbone.cutoff=4.5 instead of 3.0"),
        ({"frames": clusters(8)}, "got other files"),
    ],
)
def test_restart_of_another_run(make: Make, changes: dict[str, Any], message: str) -> None:
    """And the folder stays as it was."""
    run(make())
    before = (make().output / "config.yaml").read_text()
    with pytest.raises(InputError, match=f"expected the settings and data of the run to continue, {message}"):
        run(make(**changes), "auto")
    assert (make().output / "config.yaml").read_text() == before


def test_used_output(make: Make) -> None:
    config = make(optimizer=OptimizerSection(epochs=1))
    run(config)
    for restart, message in (
        ("no", "found an earlier run; continue it with --restart auto"),
        ("x.ckpt", "got 'x.ckpt'"),
    ):
        with pytest.raises(InputError, match=message):
            run(config, restart)


@pytest.mark.parametrize("epochs", [1, 2])
def test_model_without_training_state(make: Make, epochs: int) -> None:
    """After one epoch the run may have been stopped just before its first checkpoint: only then it starts anew."""
    config = make(optimizer=OptimizerSection(epochs=epochs))
    run(config)
    (config.output / "checkpoints" / "last.ckpt").unlink()
    with pytest.raises(InputError, match="choose another output"):
        run(config)
    if epochs == 1:
        assert run(config, "auto").epochs == 1
        return
    with pytest.raises(InputError, match=r"last.ckpt to continue the run, found none; choose another output"):
        run(config, "auto")


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_damaged_checkpoint(make: Make, content: bytes | None) -> None:
    """Empty, no checkpoint at all, cut off."""
    config = make(optimizer=OptimizerSection(epochs=1))
    run(config)
    last = config.output / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5000] if content is None else content)
    with pytest.raises(InputError, match=r"last.ckpt: expected an intact checkpoint of this version of Leyden"):
        run(config, "auto")


def test_checkpoint_of_something_else(make: Make, tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "other.ckpt")
    with pytest.raises(InputError, match="expected an intact checkpoint of this version"):
        run(make(), str(tmp_path / "other.ckpt"))


def broken(change: Callable[[list[Atoms]], object]) -> list[Atoms]:
    frames = clusters(6)
    change(frames)
    return frames


def periodic(frames: list[Atoms]) -> None:
    for atoms in frames:
        atoms.set_cell(np.eye(3) * 8)
        atoms.set_pbc((True, True, False))
        atoms.info["REF_stress"] = np.zeros(9)
        atoms.info["REF_polarizability"] = atoms.info["REF_quadrupole"] = np.zeros(9)


def without(frame: int, *keys: str) -> Callable[[list[Atoms]], object]:
    return lambda frames: (
        [frames[frame].info.pop(key, None) for key in keys] + [frames[frame].arrays.pop(keys[-1], None)]
    )


@pytest.mark.parametrize(
    ("change", "loss", "message"),
    [
        (
            without(4, "total_charge"),
            {},
            r"train.xyz: total_charge: 1 of 6 structures lack it \(the first is structure 4\)",
        ),
        (
            without(4, "REF_energy", "REF_forces"),
            {},
            "train.xyz, frame 4: expected at least one of energy, forces, got none",
        ),
        (lambda frames: None, {"stress": 1.0}, "stress: expected REF_stress"),
        (periodic, {"stress": 1.0}, "loss.stress: expected structures that are periodic along three axes"),
        (
            periodic,
            {"dipole": 1.0},
            "loss.dipole: expected open structures with Local, got a periodic one, whose dipole depends",
        ),
        (periodic, {"quadrupole": 1.0}, "loss.quadrupole: expected open structures, got periodic ones"),
    ],
)
def test_data_that_cannot_be_trained_on(make: Make, change: Any, loss: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(make(frames=broken(change), loss=LossSection(**loss)))


def test_label_in_training_or_validation_only(make: Make) -> None:
    frames = clusters(6)
    for atoms in frames[:3]:  # these are the validation frames
        del atoms.info["REF_dipole"]
    frames[0].info["REF_dipole"] = frames[3].info["REF_dipole"]
    config = make(frames=frames, loss=LossSection(dipole=1.0), optimizer=OptimizerSection(epochs=1))
    run(config)  # one of three validation frames has a dipole: enough
    part = config.data.model_copy(update={"validation": None, "validation_fraction": 0.01})
    write(config.data.train, clusters(1) + [without_dipole(a) for a in clusters(5)], format="extxyz")
    with pytest.raises(InputError, match=r"loss.dipole: expected dipole in training and validation frames"):
        run(config.model_copy(update={"data": part, "output": config.output / "other", "seed": 0}))


def without_dipole(atoms: Atoms) -> Atoms:
    del atoms.info["REF_dipole"]
    return atoms


def test_divergence_is_said(make: Make) -> None:
    config = make(optimizer=OptimizerSection(learning_rate=1e12, warmup_steps=0, epochs=2, clip_gradient=1e9))
    with pytest.raises(InputError, match=r"epoch \d: expected a finite validation loss, got (nan|inf) \(it diverged\)"):
        run(config)


@pytest.mark.parametrize("changes", [{"accelerator": "abacus"}, {"strategy": "none"}, {"accelerator": "tpu"}])
def test_hardware_that_is_not_there(make: Make, changes: dict[str, str]) -> None:
    with pytest.raises(InputError, match="hardware: expected accelerator, devices and strategy that this machine has"):
        run(make(hardware=HardwareSection(**changes)))  # type: ignore[arg-type]


def test_output_that_cannot_be_written(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder that can be written, got Not a directory; set output"):
        run(make(output=tmp_path / "file" / "run"))


def test_printed_lines_fit(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """One header, one line an epoch, nothing wider than 80 characters."""
    loss, settings = LossSection(dipole=1.0), OptimizerSection(epochs=2)
    train(make(loss=loss, optimizer=settings), console=Console(soft_wrap=True))
    epochs = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("note")]
    assert len(epochs) == 3 and epochs[0].split() == [
        "epoch", "loss", "validation", "meV/atom", "meV/Å", "me", "Å", "rate", "s",
    ]  # fmt: skip
    assert epochs[1].startswith("1/2* ") and len({len(line) for line in epochs}) == 1 and len(epochs[0]) <= 80


def test_bar_and_lines_do_not_mix(make: Make) -> None:
    """On a terminal the bar stays below the printed lines."""
    screen = StringIO()
    train(make(optimizer=OptimizerSection(epochs=2)), console=Console(file=screen, force_terminal=True, width=80))
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()))
    printed = [line for line in lines if re.match(r"[12]/2", line)]
    assert len(printed) == 2 and all("━" not in line for line in printed)
    assert any(line.startswith("epoch 2/2 ") and "━" in line for line in lines)
    assert screen.getvalue().count("\x1b[?25l") == screen.getvalue().count("\x1b[?25h") == 1  # cursor hidden and shown


@pytest.mark.parametrize(("label", "weight"), [("dipole", 0.0), ("dipole", 1.0), ("charges", 1.0)])
def test_sign_is_chosen_where_no_label_knows_it(
    make: Make, monkeypatch: pytest.MonkeyPatch, label: str, weight: float
) -> None:
    """Neutral structures: electronegative atoms become negative, unless dipoles or charges were trained on."""
    asked: list[torch.Tensor] = []
    monkeypatch.setattr(Local, "orient", lambda model, numbers, charges: bool(asked.append(charges)))
    frames = clusters(9, charges=False)
    for atoms in frames:
        atoms.arrays["REF_charges"] = np.zeros(len(atoms))
    run(make(frames=frames, loss=LossSection(**{label: weight}), optimizer=OptimizerSection(epochs=1)))
    assert len(asked) == (weight == 0.0)
