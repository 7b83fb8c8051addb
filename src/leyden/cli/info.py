"""leyden info: versions, device, extras, and how to install what is missing."""

import platform
from importlib.metadata import PackageNotFoundError, version

import torch
from rich.console import Console
from rich.table import Table

CORE = ("leyden", "torch", "numpy", "scipy", "ase", "vesin", "pydantic", "safetensors")
EXTRAS = {
    "train": ("lightning", "torchmetrics"),
    "viz": ("plotly", "matplotlib"),
    "fast": ("numba",),
    "phonopy": ("phonopy",),
    "mace": ("mace-torch",),
    "nequip": ("nequip", "nequip-allegro"),
    "data": ("pyscf", "pyscf-dispersion", "tblite"),
}


def info() -> None:
    """Show versions, the device, and which extras are present."""
    console = Console(soft_wrap=True)
    table = Table(show_header=False, box=None)
    table.add_row("python", platform.python_version())
    for name in CORE:
        table.add_row(name, _version(name) or "missing")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    table.add_row("device", f"{device}, {torch.get_num_threads()} threads")
    console.print(table)
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if _version(name) is None]
        state = f"missing {', '.join(missing)}: pip install 'leyden\\[{extra}]'" if missing else "present"
        console.print(f"extra {extra}: {state}", highlight=False)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
