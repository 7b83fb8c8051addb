"""What every section of the page is made of: figures, sentences, notes."""

from html import escape

import plotly.graph_objects as go


def figure(plot: go.Figure | None, title: str = "", caption: str = "") -> str:
    """One figure with its heading and caption, drawn by the page's script; nothing where there is nothing to draw."""
    if plot is None:
        return ""
    head = f"<h3>{escape(title)}</h3>" if title else ""
    foot = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    data = plot.to_json().replace("</", "<\\/")
    size = "square" if plot.layout.height is None else f'plot" style="height:{plot.layout.height}px'
    frame = f'<div class="drawing {size}"><script type="application/json">{data}</script></div>'
    return f"<figure>{head}{frame}{foot}</figure>\n"


def say(text: str) -> str:
    """A paragraph."""
    return f"<p>{escape(text)}</p>\n"


def notes(lines: list[str]) -> str:
    """Small print, a paragraph each."""
    return "".join(f'<p class="small">{escape(line)}</p>\n' for line in lines)
