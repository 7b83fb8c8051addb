"""The figures of a report, one function each; plotly figures without a title: the page says what they are."""

from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from ase.data import chemical_symbols
from numpy.typing import NDArray

from leyden.report.content import Array, FarRange, LearningCurve
from leyden.report.solver import histogram
from leyden.report.style import BASELINE, CURVE_COLOURS, EXACT, MODEL, MUTED, REFERENCE, figure, look, type_colours
from leyden.report.summary import config_types, error_row, labelled
from leyden.report.text import fixed, grouped, number, pretty_unit
from leyden.train.metrics import Evaluation, Parity, Solved

POINTS = 4000
WORST = 200
ELEMENTS = 12
BINS = 120
DECADES = 1.7
FEW = 12
SMALL, LARGE = 1e-3, 1e5
LEARNING = {
    "loss": ("Loss", {"val_loss": "validation", "train_loss": "training"}),
    "force": ("Force RMSE (meV/Å)", {"val_force_rmse": "validation"}),
    "energy": ("Energy RMSE (meV/atom)", {"val_energy_rmse": "validation"}),
    "rate": ("Learning rate", {"learning_rate": "learning rate"}),
}
"""Panel -> (axis title, column -> name); of the baseline only the first column is drawn."""


def chosen(error: Array, limit: int = POINTS, worst: int = WORST) -> NDArray[np.int64]:
    """Points to draw: all, or the `worst` largest errors and a fixed random choice of the others.

    In a fixed random order, so that no configuration type covers the others.
    """
    rng = np.random.default_rng(0)
    order = np.argsort(-np.abs(error), kind="stable")
    if len(error) > limit:
        order = np.concatenate([order[:worst], rng.choice(order[worst:], limit - worst, replace=False)])
    return rng.permutation(order).astype(np.int64)


def learning(panel: str, curve: LearningCurve, baseline: LearningCurve | None) -> go.Figure | None:
    """One quantity against epoch, log scale; the baseline's dashed. None where nothing was recorded."""
    title, columns = LEARNING[panel]
    plot = figure(280)
    for column, name in columns.items():
        _curve(plot, curve, column, name, {"color": MODEL, "width": 2.2 if name != "training" else 1.2})
    if baseline is not None:
        column, name = next(iter(columns.items()))
        _curve(plot, baseline, column, f"baseline, {name}", {"color": BASELINE, "width": 2.2, "dash": "dash"})
    if not plot.data:
        return None
    ticks = log_ticks(np.concatenate([np.asarray(trace.y, dtype=float) for trace in plot.data]))
    plot.update_layout(showlegend=True, hovermode="x unified")
    plot.update_xaxes(title_text="Epoch", nticks=7)
    names = [f"{tick:.12g}" if SMALL <= tick < LARGE else number(tick, 1) for tick in ticks]
    plot.update_yaxes(title_text=title, type="log", tickvals=ticks, ticktext=names)
    return plot


def _curve(plot: go.Figure, curve: LearningCurve, column: str, name: str, line: dict[str, str | float]) -> None:
    """Add one column of a learning curve, if any of it can be drawn on a log axis."""
    values = np.array(curve.columns.get(column, []), dtype=float)
    if (values > 0).any():
        mode = "lines" if len(values) > 1 else "markers"
        y = np.where(values > 0, values, np.nan)
        plot.add_scatter(x=curve.epoch, y=y, name=name, mode=mode, line=line, hovertemplate="%{y:.4g}")


def log_ticks(values: Array) -> list[float]:
    """Ticks of a log axis: decades, with 2 and 5 between them where fewer than two decades are drawn."""
    positive = values[values > 0]
    low, high = np.log10(positive.min()), np.log10(positive.max())
    steps = (1,) if high - low > DECADES else (1, 2, 5)
    return [step * 10.0**decade for decade in range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1) for step in steps]


def _points(plot: go.Figure, x: Array, y: Array, evaluation: Evaluation, frame: NDArray[np.int64], size: int) -> None:
    """Points coloured by the configuration type of their frame, named when pointed at."""
    colours = type_colours(config_types(evaluation))
    kinds = [evaluation.config_type[n] for n in frame]
    xy = "%{xaxis.title.text} %{x:.5g}<br>%{yaxis.title.text} %{y:.5g}<extra></extra>"
    plot.add_scatter(
        x=x.astype(np.float32), y=y.astype(np.float32), mode="markers", text=kinds, customdata=frame.astype(np.int32),
        marker={"size": size, "color": [colours[kind] for kind in kinds], "opacity": 0.6},
        hovertemplate="%{text}, frame %{customdata}<br>" + xy,
    )  # fmt: skip


def parity(name: str, data: Parity, evaluation: Evaluation) -> go.Figure | None:
    """Model against reference with equal axes, coloured by configuration type; statistics from all points."""
    clean = labelled(data)
    if len(clean.reference) == 0:
        return None
    plot = figure(None)
    low, high = _common_range(clean)
    plot.add_scatter(x=[low, high], y=[low, high], mode="lines", line={"color": EXACT, "width": 1}, hoverinfo="skip")
    keep = chosen(clean.predicted - clean.reference)
    _points(plot, clean.reference[keep], clean.predicted[keep], evaluation, clean.frame[keep], size=4)
    unit = pretty_unit(data.unit)
    plot.update_layout(showlegend=False, hovermode="closest", margin={"t": 12})
    plot.update_xaxes(title_text=f"Reference ({unit})", range=[low, high], constrain="domain", nticks=6)
    plot.update_yaxes(title_text=f"Model ({unit})", range=[low, high], scaleanchor="x", constrain="domain", nticks=6)
    _state_errors(plot, name, data)
    return plot


def parity_caption(data: Parity) -> str:
    """How many points are drawn, and how they were chosen."""
    count = len(labelled(data).reference)
    if count <= POINTS:
        return f"All {grouped(count)} values." if count > 1 else "One value."
    drawn = f"{grouped(POINTS)} of {grouped(count)} values drawn"
    return f"{drawn}: the {WORST} largest errors and a fixed random choice; numbers from all."


def _common_range(data: Parity) -> tuple[float, float]:
    """One range for both axes, with a margin; never empty."""
    both = np.concatenate([data.reference, data.predicted])
    low, high = float(both.min()), float(both.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _state_errors(plot: go.Figure, name: str, data: Parity) -> None:
    row = error_row(name, data)
    unit = pretty_unit(row.unit)
    lines = [f"RMSE {number(row.rmse)} {unit}", f"MAE {number(row.mae)} {unit}"]
    lines += [f"R² {fixed(row.r2, 4)}", f"slope {fixed(row.slope, 4)}"]
    plot.add_annotation(
        text="<br>".join(lines), xref="x domain", yref="y domain", x=0.02, y=0.98, xanchor="left", yanchor="top",
        align="left", showarrow=False, font={"size": 12}, bgcolor="rgba(255,255,255,0.85)", borderpad=3,
    )  # fmt: skip


def energy_split(evaluation: Evaluation) -> go.Figure | None:
    """Long-range against short-range energy per atom, coloured by configuration type."""
    short, far = evaluation.energy_short / evaluation.atoms, evaluation.energy_long / evaluation.atoms
    finite = np.flatnonzero(np.isfinite(short) & np.isfinite(far))
    if len(finite) == 0:
        return None
    plot = figure(380)
    keep = finite[chosen(far[finite] - far[finite].mean())]
    _points(plot, short[keep], 1000 * far[keep], evaluation, keep, size=6)
    plot.update_layout(showlegend=False, hovermode="closest", margin={"t": 12})
    plot.update_xaxes(title_text="Short-range energy (eV/atom)")
    plot.update_yaxes(title_text="Long-range energy (meV/atom)")
    return plot


def charge_histograms(evaluation: Evaluation) -> go.Figure | None:
    """Latent charges, one row an element, on a common axis. None without (finite) charges."""
    if evaluation.charges is None or not np.isfinite(evaluation.charges).any():
        return None
    finite = np.isfinite(evaluation.charges)
    charges, numbers = evaluation.charges[finite], evaluation.numbers[finite]
    elements = np.unique(numbers)[:ELEMENTS]
    low, high = _charge_range(charges)
    plot = figure(70 + 74 * len(elements))
    plot.set_subplots(rows=len(elements), cols=1, shared_xaxes=True, vertical_spacing=0.12 / len(elements))
    for row, z in enumerate(elements, start=1):
        own = charges[numbers == z]
        count, edge = np.histogram(own, bins=BINS, range=(low, high))
        plot.add_bar(
            x=0.5 * (edge[1:] + edge[:-1]), y=count / len(own), width=edge[1] - edge[0], row=row, col=1,
            marker={"color": MODEL if own.mean() >= 0 else BASELINE, "line": {"width": 0}},
            hovertemplate=f"{chemical_symbols[z]}, %{{x:.3f}} e: %{{y:.1%}}<extra></extra>",
        )  # fmt: skip
        plot.update_yaxes(title_text=f"<b>{chemical_symbols[z]}</b>", row=row, col=1)
    look(plot)
    plot.update_layout(bargap=0, showlegend=False, margin={"t": 8, "l": 48})
    plot.update_xaxes(range=[low, high], showgrid=True)
    plot.update_xaxes(title_text="Latent charge (e)", row=len(elements), col=1)
    plot.update_yaxes(showticklabels=False, ticks="", showgrid=False, rangemode="tozero")
    plot.add_vline(x=0.0, line={"color": MUTED, "width": 1, "dash": "dot"})
    return plot


def _charge_range(charges: Array) -> tuple[float, float]:
    """The range of all charges, with zero in it and a margin."""
    low, high = min(0.0, float(charges.min())), max(0.0, float(charges.max()))
    margin = 0.05 * (high - low) or 0.1
    return low - margin, high + margin


def iterations(solved: Solved) -> go.Figure:
    """Structures by iterations of the solver; those whose density was not found on top."""
    bars = histogram(solved)
    half = (bars.width - 1) / 2
    spans = [f"{m:.0f}" if half == 0 else f"{m - half:.0f} to {m + half:.0f}" for m in bars.middle]
    plot = figure(300)
    for name, count, colour in (("found", bars.found, MODEL), ("left out", bars.left_out, BASELINE)):
        if count.any():
            plot.add_bar(
                x=bars.middle, y=count, width=bars.width, name=name, customdata=spans,
                marker={"color": colour, "line": {"color": "white", "width": 1}},
                hovertemplate="%{customdata} iterations: %{y} structures",
            )  # fmt: skip
    plot.update_layout(barmode="stack", showlegend=bool(solved.failed), legend={"traceorder": "normal"})
    low = bars.middle[0] - half - 0.5
    high, most = max(bars.middle[-1] + half + 0.5, low + FEW), (bars.found + bars.left_out).max()
    plot.update_xaxes(
        title_text="Iterations", showgrid=False, range=[low, high], dtick=1 if high - low <= FEW else None
    )
    plot.update_yaxes(title_text="Structures", rangemode="tozero", dtick=1 if most <= FEW else None)
    return plot


def far_range(probe: FarRange) -> go.Figure:
    """Energy against separation: k_e q1 q2 / r, models and reference."""
    plot = figure(400)
    order = np.argsort(probe.separation)
    r = probe.separation[order]
    law = {"color": EXACT, "width": 2, "dash": "dot"}
    plot.add_scatter(x=r, y=probe.coulomb[order], name="k<sub>e</sub> q₁q₂/r", mode="lines", line=law)
    for colour, (name, energy) in zip(cycle(CURVE_COLOURS), probe.curves.items(), strict=False):
        plot.add_scatter(
            x=r, y=probe.relative(energy)[order], name=name, mode="lines+markers", marker={"size": 4},
            line={"color": colour, "width": 2},
        )  # fmt: skip
    if probe.reference is not None:
        ring = {"size": 8, "color": "rgba(0,0,0,0)", "line": {"color": REFERENCE, "width": 1.5}}
        plot.add_scatter(x=r, y=probe.relative(probe.reference)[order], name="reference", mode="markers", marker=ring)
    plot.update_traces(hovertemplate="%{y:.4f} eV")
    plot.update_layout(showlegend=True, hovermode="x unified")
    plot.update_xaxes(title_text="Separation (Å)")
    plot.update_yaxes(title_text="Relative energy (eV)")
    return plot


def far_range_error(probe: FarRange) -> go.Figure | None:
    """Model minus reference against separation, meV; None without a reference."""
    if probe.reference is None:
        return None
    plot = figure(400)
    order = np.argsort(probe.separation)
    r, reference = probe.separation[order], probe.relative(probe.reference)[order]
    for colour, (name, energy) in zip(cycle(CURVE_COLOURS), probe.curves.items(), strict=False):
        plot.add_scatter(
            x=r, y=1000 * (probe.relative(energy)[order] - reference), name=name, mode="lines+markers",
            marker={"size": 4}, line={"color": colour, "width": 2}, hovertemplate="%{y:.1f} meV",
        )  # fmt: skip
    plot.add_hline(y=0.0, line={"color": MUTED, "width": 1})
    plot.update_layout(showlegend=True, hovermode="x unified")
    plot.update_xaxes(title_text="Separation (Å)")
    plot.update_yaxes(title_text="Model − reference (meV)")
    return plot
