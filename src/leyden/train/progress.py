"""A progress bar for loops that take longer than two seconds."""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE = 2.0
"""Seconds before the bar appears."""

Item = TypeVar("Item")


def track(items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items; after PATIENCE seconds a bar on the standard error shows how far the loop is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task, start = bar.add_task(title, total=total), monotonic()
    try:
        for item in items:
            yield item
            bar.advance(task)
            if not bar.live.is_started and monotonic() - start > PATIENCE:
                bar.start()
    finally:
        if bar.live.is_started:  # stopping a bar that never showed would print an empty line
            bar.stop()
