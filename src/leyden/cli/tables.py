"""Tables that several commands print."""

from rich.table import Table

from leyden.train.metrics import Evaluation
from leyden.units import MILLI

DISPLAY = {
    "energy": ("meV/atom", MILLI),
    "forces": ("meV/Å", MILLI),
    "stress": ("meV/Å^3", MILLI),
}
"""Unit and size of that unit in which a property is printed; others as they are."""


def error_table(evaluation: Evaluation) -> Table:
    """RMSE, MAE, R2 and slope of every labelled property."""
    table = Table("property", "unit", "RMSE", "MAE", "R2", "slope", box=None)
    for name, unit, rmse, mae, r2, slope in evaluation.table():
        shown, scale = DISPLAY.get(name, (unit, 1.0))
        table.add_row(name, shown, f"{rmse / scale:.4g}", f"{mae / scale:.4g}", f"{r2:.4f}", f"{slope:.4f}")
    return table
