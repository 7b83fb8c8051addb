"""Colours and the common look of the figures."""

import plotly.graph_objects as go

INK = "#1f2933"
MUTED = "#6b7785"
GRID = "#e6e9ed"
MODEL = "#0b6e99"
BASELINE = "#c8553d"
REFERENCE = "#1f2933"
EXACT = "#9aa5b1"
PALETTE = ["#0b6e99", "#d98324", "#3a8f5c", "#9b4f96", "#c8553d", "#6a8caf", "#8a6d3b", "#7d8590"]
FONT = "-apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
CURVE_COLOURS = [MODEL, BASELINE, "#3a8f5c", "#9b4f96", "#8a6d3b"]
"""Models in a far-range probe, in the order given: this model, then the baseline."""


def type_colours(kinds: list[str]) -> dict[str, str]:
    """A colour for each configuration type; beyond the palette they share the last one."""
    last = len(PALETTE) - 1
    return {kind: PALETTE[min(n, last)] for n, kind in enumerate(kinds)}


def legend(kinds: list[str]) -> dict[str, str]:
    """Name -> colour with the types that share a colour under one name; empty where there is nothing to tell apart."""
    if len(kinds) < 2:
        return {}
    if len(kinds) <= len(PALETTE):
        return type_colours(kinds)
    own = len(PALETTE) - 1
    return type_colours(kinds[:own]) | {f"{len(kinds) - own} other types": PALETTE[own]}


def figure(height: int | None) -> go.Figure:
    """An empty figure with our look; its width follows the page, and its height too where none is given."""
    plot = go.Figure(layout={"template": "none"})
    plot.update_layout(
        height=height, autosize=True, margin={"l": 64, "r": 16, "t": 30, "b": 52}, paper_bgcolor="white",
        plot_bgcolor="white", font={"family": FONT, "size": 13, "color": INK}, hoverlabel={"font": {"family": FONT}},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0.0, "font": {"size": 12}},
    )  # fmt: skip
    look(plot)
    return plot


def look(plot: go.Figure) -> None:
    """The axes of every panel: thin lines, faint grid, ticks outside."""
    axis = {
        "showline": True, "linecolor": MUTED, "linewidth": 1, "showgrid": True, "gridcolor": GRID, "zeroline": False,
        "ticks": "outside", "tickcolor": MUTED, "ticklen": 4, "tickfont": {"size": 12, "color": MUTED},
        "automargin": True, "title": {"standoff": 8, "font": {"size": 13}},
    }  # fmt: skip
    plot.update_xaxes(axis)
    plot.update_yaxes(axis)
