"""Table and plot of the Coulomb benchmark from its numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from coulomb_cases import OPERATIONS

LARGE = 1536
"""Atoms from which the exponent of the cost is fitted."""


def write(found: dict, path: Path) -> Path:
    """Write the table and, where matplotlib is installed, the plot beside the JSON file; returns the table's path."""
    table = path.with_suffix(".md")
    table.write_text("\n".join(_lines(found, path.stem)) + "\n")
    try:
        _plot(found, path)
    except ImportError:
        print("no plot: matplotlib is not installed")
    return table


def _lines(found: dict, stem: str) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [
        f"# Coulomb sums, {found['dtype']}, {found['device']}",
        "",
        f"`{found['command']}`; {found['machine']}, {found['threads']} threads; {found['date']}",
        "",
        versions,
        "",
        "Leyden: milliseconds (CPU time of all threads; elapsed on a GPU). Others: their time / ours, in turns."
        " In brackets: relative error of the forces (training: of the gradient of the parameters), MB at the peak.",
        "",
        f"![time of a call]({stem}.png)",
        "",
    ]
    forms = list(dict.fromkeys(row["form"] for row in found["rows"]))
    for form in forms:
        for operation in OPERATIONS:
            rows = [r for r in found["rows"] if r["form"] == form and r["operation"] == operation]
            lines += [f"## {form.capitalize()} charges, {operation}", "", *_table(rows), ""]
        again = [f"{r['case']}: {r['apply'] / r['forces']:.3f}" for r in found["reuse"] if r["form"] == form]
        lines += ["SCF-friendly: `apply` on a bound geometry / first energy and forces, " + "; ".join(again) + ".", ""]
    return lines + _settings(found) + uncounted(found["kept"]) + _reasons(found["rows"])


def _table(rows: Sequence[dict]) -> list[str]:
    peers = list(dict.fromkeys(r["peer"] for r in rows))
    cells = {(r["case"], r["peer"]): _cell(r) for r in rows}
    lines = ["| atoms | " + " | ".join(p + (", ms" if p == "Leyden" else "") for p in peers) + " |"]
    lines.append("|---" * (len(peers) + 1) + "|")
    for case in dict.fromkeys(r["case"] for r in rows):
        lines.append(f"| {case} | " + " | ".join(cells[case, peer] for peer in peers) + " |")
    slopes = [_exponent([r for r in rows if r["peer"] == peer]) for peer in peers]
    return [*lines, f"| exponent from {LARGE} | " + " | ".join(slopes) + " |"]


def _cell(row: dict) -> str:
    if not row["seconds"]:
        return "-"
    value = row.get("ratio", 1e3 * row["seconds"])
    notes = [] if row["error"] is None else [f"{row['error']:.0e}"]
    notes += [] if row["memory"] is None else [f"{row['memory']:.0f} MB"]
    return (f"{value:.2f}" if value < 10 else f"{value:.0f}") + (f" ({', '.join(notes)})" if notes else "")


def _exponent(rows: Sequence[dict]) -> str:
    """Slope of log time over log atoms."""
    points = [(r["atoms"], r["seconds"]) for r in rows if r["seconds"] and r["atoms"] >= LARGE and r["case"].isdigit()]
    if len(points) < 2:
        return "-"
    return f"{np.polyfit(*np.log(np.array(points)).T, 1)[0]:.2f}"


def _settings(found: dict) -> list[str]:
    smeared, point = found["accuracy"]
    lines = [
        "## Settings",
        "",
        "For all libraries those that give a force error of about 1e-4 at 648 atoms of water.",
        "",
        f"- Leyden: smeared: accuracy {smeared:g}; point: accuracy {point:g}",
    ]
    for peer, forms in found["settings"].items():
        lines.append(f"- {peer}: " + "; ".join(f"{form}: {text}" for form, text in forms.items()))
    return [*lines, ""]


def uncounted(kept: dict[str, str]) -> list[str]:
    """What the calls of each library do not include."""
    lines = [f"- {peer} keeps {text}" for peer, text in kept.items() if text]
    compiled = "Not counted for any: importing, compiling kernels, settings."
    return ["## Not counted in a call", "", *lines, f"- {compiled}", ""]


def _reasons(rows: Sequence[dict]) -> list[str]:
    """Why cells are empty: cases of the same reason in one line."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for r in rows:
        if r["reason"]:
            groups.setdefault((r["peer"], r["form"], r["operation"], r["reason"]), []).append(r["case"])
    lines = [
        f"- {peer}, {form}, {operation}: {reason} ({', '.join(cases)})"
        for (peer, form, operation, reason), cases in groups.items()
    ]
    return ["## Not measured", "", *lines] if lines else []


def _plot(found: dict, path: Path) -> None:
    """Time of a call over atoms: forms by energy with forces and training."""
    from matplotlib import pyplot

    forms = list(dict.fromkeys(row["form"] for row in found["rows"]))
    chosen = ("E + F", "training")
    figure, axes = pyplot.subplots(
        len(forms), len(chosen), figsize=(10, 4 * len(forms)), sharex=True, sharey=True, squeeze=False
    )
    peers = list(dict.fromkeys(row["peer"] for row in found["rows"]))
    sizes = sorted({row["atoms"] for row in found["rows"] if row["case"].isdigit()})
    for (row, column), axis in np.ndenumerate(axes):
        for number, peer in enumerate(peers):
            points = [
                (r["atoms"], 1e3 * r["seconds"])
                for r in found["rows"]
                if (r["form"], r["operation"], r["peer"]) == (forms[row], chosen[column], peer)
                and r["seconds"] and r["case"].isdigit()
            ]  # fmt: skip
            style = {"color": "black", "linewidth": 2.5} if peer == "Leyden" else {"color": f"C{number}"}
            axis.plot(*zip(*points, strict=True), marker="o", markersize=4, label=peer, **style) if points else None
        axis.set(xscale="log", yscale="log", title=f"{forms[row]} charges, {chosen[column]}")
        axis.set_xticks(sizes, map(str, sizes))
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("atoms")
    for axis in axes[:, 0]:
        axis.set_ylabel("time of a call, ms" if found["device"] == "cuda" else "CPU time of a call, ms")
    figure.legend(*_legend(axes), loc="outside right upper", frameon=False)
    figure.set_layout_engine("constrained")
    figure.savefig(path.with_suffix(".png"), dpi=150)


def _legend(axes: np.ndarray) -> tuple[list, list[str]]:
    handles = {label: line for axis in axes.flat for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    return list(handles.values()), list(handles)
