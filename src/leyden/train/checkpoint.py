"""Training state on disk: where it lies, and what --restart means."""

from pathlib import Path

from leyden.checks import InputError

FOLDER = "checkpoints"


class Interrupted(Exception):
    """Training was stopped by the user; the message says how to go on."""


def resume_from(output: Path, restart: str) -> Path | None:
    """The checkpoint to continue from, or None for a fresh start.

    'no' refuses to overwrite an earlier run; 'auto' continues it if it left a checkpoint; a path continues from that file.
    Raises InputError where there is nothing to continue, or something would be lost.
    """
    last = output / FOLDER / "last.ckpt"
    if restart == "auto":
        return last if last.is_file() else None
    if restart == "no":
        if last.is_file():
            raise InputError(
                f"{output}: expected an empty output folder, found an earlier run; continue it with --restart auto, or choose"
                " another output."
            )
        return None
    chosen = Path(restart)
    if not chosen.is_file():
        raise InputError(f"--restart: expected 'auto' or a checkpoint file, got {restart!r}, which does not exist.")
    return chosen
