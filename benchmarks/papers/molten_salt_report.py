"""Table and picture of molten_salt.py, from the results of its runs."""

from pathlib import Path

import numpy as np
from experiment import grid, heading, spread
from matplotlib import pyplot
from matplotlib.axes import Axes

HEADER = [
    "melt", "cutoff, Å", "model", "seeds", "minutes", "E, meV/atom", "F, meV/Å", "charges, e", "RMSE of q, me",
    "identifiability", "dynamics, ps", "RMSD of g(r)", "screening",
]  # fmt: skip
LEGEND = """Screening: 4 pi k_e N S_ZZ(k) / (V k T k^2) of the true charges at the smallest k of the cube,
{wavenumbers}; it is 1 for k -> 0 in a melt that screens perfectly; in brackets its error in one trajectory, by blocks.
RMSD of g(r): from the reference, over all elements about anions. Dynamics: how long it lasted; where it broke in some
of the seeds, structure is that of the others. Identifiability: forces from beyond the cutoff over errors of the forces;
far below 1 they do not tell charges from others. Reference: all frames. Sites of the liquid: ring K, methyl Na, butyl
Rb, anion I. Published (latent charges, a KF electrolyte): errors of 40 to 500 me, the most with the larger cutoff."""
TICKS = (1, 2, 5, 10)
"""Of the screening."""


def table(results: list[dict], command: str) -> list[str]:
    """Mean and standard deviation over seeds, one row a melt, cutoff and model, below the reference."""
    rows, wavenumbers = [], []
    for melt in sorted({r["melt"] for r in results}, reverse=True):
        here = [r for r in results if r["melt"] == melt]
        whole = here[0]["reference"]
        wavenumbers.append(f"{whole['wavenumber'][0]:.3f}/Å ({melt})")
        screening = f"{whole['screening'][0]:.2f} ({whole['error'][0]:.2f})"
        rows.append([melt, "-", "reference", *"----", said(here[0]["true"]), *"----", screening])
        for cutoff, preset in kinds(here):
            there = [r for r in here if (r["cutoff"], r["preset"]) == (cutoff, preset)]
            rows.append([melt, f"{cutoff:g}", preset, *cells(there)])
    legend = " ".join(LEGEND.format(wavenumbers=" and ".join(wavenumbers)).split())
    return [*heading("Molten salts of known charges", command, results), *grid(HEADER, rows), "", legend]


def kinds(here: list[dict]) -> list[tuple[float, str]]:
    """Cutoffs and models of which there are results, short-range ones first."""
    return sorted({(r["cutoff"], r["preset"]) for r in here}, key=lambda kind: (kind[0], kind[1] == "les"))


def said(charges: dict[str, float]) -> str:
    """Charges by element."""
    return ", ".join(f"{symbol} {charge:+.2f}" for symbol, charge in charges.items())


def cells(there: list[dict]) -> list[str]:
    """Those of one model with one cutoff, of all its seeds."""
    out = [str(len(there)), spread([r["training_seconds"] / 60 for r in there])]
    out += [spread([r[name]["rmse"] for r in there], 1000, digits) for name, digits in (("energy", 2), ("forces", 1))]
    if "charge" in there[0]:
        out.append(said({symbol: np.mean([r["charge"][symbol]["mean"] for r in there]) for symbol in there[0]["true"]}))
        out.append(spread([r["charges"]["rmse"] for r in there], 1000, 0))
        out.append(spread([r["identifiability"] for r in there], 1, 2))
    else:
        out += ["-", "-", "-"]
    out.append(spread([r["passed"] for r in there]))
    moved = [r["structure"] for r in there if "structure" in r]
    if not moved:
        return [*out, "-", "-"]
    error = np.mean([each["error"][0] for each in moved])
    screening = spread([each["screening"][0] for each in moved], 1, 2)
    return [*out, spread([each["deviation"] for each in moved], 1, 3), f"{screening} ({error:.2f})"]


def plot(results: list[dict], path: Path) -> None:
    """Screening by wavenumber above, charges by cutoff below, a column a melt."""
    melts = sorted({r["melt"] for r in results}, reverse=True)
    figure, axes = pyplot.subplots(2, len(melts), figsize=(5 * len(melts), 7), layout="constrained", squeeze=False)
    for melt, (upper, lower) in zip(melts, axes.T, strict=True):
        here = [r for r in results if r["melt"] == melt]
        screening(upper, here)
        learned(lower, here)
        upper.set_title(melt)
    figure.savefig(path, dpi=150)


def screening(axis: Axes, here: list[dict]) -> None:
    """Of the reference and of models, means over seeds, with errors by blocks."""
    whole, cutoffs = here[0]["reference"], sorted({r["cutoff"] for r in here})
    axis.axhline(1.0, color="C7", lw=0.8)
    axis.errorbar(whole["wavenumber"], whole["screening"], whole["error"], color="k", label="reference", capsize=3)
    for cutoff, preset in kinds(here):
        moved = [r["structure"] for r in here if (r["cutoff"], r["preset"]) == (cutoff, preset) and "structure" in r]
        if moved:
            mean = np.mean([each["screening"] for each in moved], 0)
            error = np.mean([each["error"] for each in moved], 0) / len(moved) ** 0.5
            style = {"color": "C0" if preset == "les" else "C1", "ls": "--" if cutoff == cutoffs[0] else "-"}
            axis.errorbar(whole["wavenumber"], mean, error, label=f"{preset}, {cutoff:g} Å", capsize=2, **style)
    axis.set(xlabel="k, 1/Å", ylabel="$S_{ZZ}(k)$ / perfect screening", yscale="log")
    axis.set_yticks(TICKS, list(map(str, TICKS)))
    axis.minorticks_off()
    axis.legend()


def learned(axis: Axes, here: list[dict]) -> None:
    """Mean charge of each element, a point a seed, and its true charge."""
    rows = [r for r in here if "charge" in r]
    for number, (symbol, true) in enumerate(here[0]["true"].items()):
        axis.axhline(true, color=f"C{number}", lw=0.8)
        values = [r["charge"][symbol]["mean"] for r in rows]
        axis.plot([r["cutoff"] for r in rows], values, "o", color=f"C{number}", label=symbol)
    axis.set(xlabel="cutoff, Å", ylabel="charge, e (lines: true)", xticks=sorted({r["cutoff"] for r in here}))
    axis.margins(x=0.3)
    axis.legend(loc="center")
