"""Packages of other backbones: imported when one is wanted, with a sentence when they are not there."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from leyden.checks import InputError, require


def imported(module: str, package: str, extra: str, least: tuple[int, ...], below: tuple[int, ...]) -> ModuleType:
    """The module of a package, whose version is at least `least` and less than `below`.

    Raises InputError with the pip line where it is missing, of another version, or cannot be imported.
    """
    remedy = f"pip install 'leyden[{extra}]', in an environment of its own"
    try:
        present = version(package)
    except PackageNotFoundError:
        raise InputError(f"backbone {extra}: expected the package {package}, found none; {remedy}.") from None
    numbers = tuple(int(part) for part in present.split("+")[0].split(".")[:3] if part.isdigit())
    require(
        least <= numbers < below,
        f"backbone {extra}: expected {package} >= {_dotted(least)}, < {_dotted(below)}, got {present}; {remedy}.",
    )
    try:
        with quiet():
            return import_module(module)
    except Exception as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"backbone {extra}: {package} {present} cannot be imported: {said}; {remedy}.") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, what such packages print and warn of on import and on loading is not shown: it is about themselves."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(str(n) for n in numbers)
