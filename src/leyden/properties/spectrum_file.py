"""A spectrum as a file: comma-separated columns under a header that says how it was made, or a picture."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from leyden.checks import InputError, require
from leyden.properties.spectra import Spectrum
from leyden.properties.wavenumber import Array

WIDEST = 5000.0
"""cm^-1, end of a picture: no vibration is faster."""
EMPTY = 1e-3
"""Of the highest peak; a picture ends where nothing above it is left."""
WING = 200.0
"""cm^-1; what is below may be higher than a picture shows, and is then said to be."""
COLOURS = ("#1f3a5f", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e")
AXES = {"ir": "Absorption", "raman": "Raman cross section", "power": "Density of states"}


def writer(path: Path) -> Callable[[Spectrum], None]:
    """What writes a spectrum to a .csv or a .png. Raises InputError for another ending, or where matplotlib is missing;
    so does writing, for a file that cannot be written."""
    writers = {".csv": _write_table, ".png": _draw}
    require(path.suffix in writers, f"{path}: expected a file that ends in {' or '.join(writers)}; rename it.")
    if path.suffix == ".png" and find_spec("matplotlib") is None:
        raise InputError(
            f"{path}: expected matplotlib to draw with, found none; run pip install 'leyden[viz]', or write a .csv."
        )

    def write(spectrum: Spectrum) -> None:
        try:
            writers[path.suffix](spectrum, path)
        except OSError as error:
            raise InputError(
                f"{path}: expected a file that can be written, got {error.strerror}; choose another."
            ) from None

    return write


def notes(spectrum: Spectrum) -> dict[str, str]:
    """How it was made, in words."""
    how = spectrum.transform
    return {
        "kind": spectrum.kind,
        "unit": spectrum.unit,
        "formula": spectrum.formula,
        "window": f"{how.window}, resolution {how.resolution:g} cm^-1",
        "time between frames": f"{how.timestep:g} fs, vibrations below {how.highest:.0f} cm^-1",
        "quantum correction": spectrum.correction,
        "temperature": "not needed" if np.isnan(spectrum.temperature) else f"{spectrum.temperature:.1f} K",
        "noise": f"{100 / np.sqrt(spectrum.averages):.2g} % at each wavenumber, were all components independent",
    }


def _write_table(spectrum: Spectrum, path: Path) -> None:
    lines = [f"# {name}: {text}" for name, text in notes(spectrum).items()]
    lines.append(",".join(["wavenumber", *spectrum.columns]))
    rows = np.column_stack([spectrum.wavenumbers, *spectrum.columns.values()])
    lines += [",".join(f"{value:.7g}" for value in row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _draw(spectrum: Spectrum, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    nu, shown = spectrum.wavenumbers, spectrum.wavenumbers <= _end(spectrum)
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    drawn = [name for name in spectrum.columns if name not in ("isotropic", "anisotropic")]
    for number, name in enumerate(drawn):
        colour, width = COLOURS[number % len(COLOURS)], 1.0 if number else 1.6
        axes.plot(nu[shown], spectrum.columns[name][shown], label=name, color=colour, linewidth=width)
    axes.set(xlabel="Wavenumber (cm⁻¹)", ylabel=f"{AXES[spectrum.kind]} ({pretty(spectrum.unit)})")
    axes.set_xlim(0, nu[shown].max())
    axes.axhline(0.0, color="0.7", linewidth=0.6, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    if len(drawn) > 1:
        axes.legend(frameon=False)
    highest = spectrum.intensity[shown & (nu > WING)].max(initial=0.0)
    cut = bool(0.0 < 2.0 * highest < spectrum.intensity.max())
    if cut:
        axes.set_ylim(-0.05 * highest, 1.1 * highest)
    axes.set_title(_said(spectrum, cut), fontsize=8, loc="right", color="0.4")
    figure.savefig(path, dpi=160)


def _said(spectrum: Spectrum, cut: bool) -> str:
    """How it was made, in a line above a picture, and whether that is cut at the top."""
    about = notes(spectrum)
    corrected = (
        [] if np.isnan(spectrum.temperature) else [f"quantum correction {spectrum.correction}", about["temperature"]]
    )
    return pretty("; ".join([about["window"], *corrected, *["higher at low wavenumbers"] * cut]))


def _end(spectrum: Spectrum) -> float:
    """Where a picture ends, cm^-1."""
    within = spectrum.wavenumbers <= WIDEST
    value: Array = np.abs(spectrum.intensity[within])
    last = spectrum.wavenumbers[within][np.flatnonzero(value > EMPTY * value.max())[-1]] if value.any() else WIDEST
    return float(min(1.1 * last + 10 * spectrum.transform.resolution, spectrum.wavenumbers[-1]))


def pretty(unit: str) -> str:
    """A unit with superscripts."""
    for plain, raised in (("^-1", "⁻¹"), ("^2", "²"), ("1e-30", "10⁻³⁰")):
        unit = unit.replace(plain, raised)
    return unit
