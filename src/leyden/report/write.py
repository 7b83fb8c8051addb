"""Write report.html and report.json; each appears whole or not at all."""

import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from leyden.checks import require
from leyden.report.content import Report
from leyden.report.numbers import numbers

PAGE = "report.html"
NUMBERS = "report.json"


def write(report: Report, folder: str | Path) -> Path:
    """Write both files into the folder (made if missing) and return the path of the page.

    Raises InputError where plotly is not installed.
    """
    require(find_spec("plotly") is not None, "report: expected plotly, found none; run: pip install 'leyden[viz]'.")
    from leyden.report.page import page  # here, as plotly is an optional extra

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    data = json.dumps(numbers(report), indent=1, ensure_ascii=False, allow_nan=False)
    html = page(report)
    _replace(target / NUMBERS, data + "\n")
    _replace(target / PAGE, html)
    return target / PAGE


def _replace(path: Path, text: str) -> None:
    """Write beside the target, then rename over it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
