"""Input errors: one sentence that says what was expected, what came, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

import torch
from torch import Tensor


class InputError(ValueError):
    """A user's mistake. The message is a sentence with the remedy; the command line prints it without a traceback."""


def require(condition: bool, message: str) -> None:
    """Raise InputError(message) unless the condition holds."""
    if not condition:
        raise InputError(message)


def shaped(name: str, tensor: Tensor, *shape: int | None) -> Tensor:
    """Return the tensor, or raise InputError unless its shape matches (None stands for any length)."""
    fits = tensor.dim() == len(shape) and all(
        want is None or have == want for have, want in zip(tensor.shape, shape, strict=True)
    )
    wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
    require(fits, f"{name}: expected shape {wanted}, got {tuple(tensor.shape)}.")
    return tensor


def finite(name: str, tensor: Tensor) -> Tensor:
    """Return the tensor, or raise InputError if any entry is NaN or infinite, naming the first."""
    fine = torch.isfinite(tensor)
    if not fine.all():
        where = tuple((~fine).nonzero()[0].tolist())
        raise InputError(
            f"{name}: expected finite numbers, got {tensor[where].item()} at index {where};"
            " remove or repair that entry."
        )
    return tensor


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint ' (did you mean ...?)' with the closest known word, or an empty string."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
