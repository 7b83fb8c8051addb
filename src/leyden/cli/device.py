"""The option --device of several commands."""

import torch

from leyden.checks import InputError


def device_there(name: str) -> str:
    """The name of a device that is there. Raises InputError for any other."""
    try:
        torch.zeros((), device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        found = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        raise InputError(f"--device: expected one of {', '.join(found)}, got {name!r}.") from None
    return name
