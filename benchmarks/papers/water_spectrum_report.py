"""Table and picture of water_spectrum.py: bands of the infrared spectrum beside the experiment."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import machine, spread
from numpy.typing import NDArray
from scipy.signal import find_peaks

from leyden.properties.fluctuations import DielectricConstant

EPS_INF = 1.78
"""Square of the refractive index of water in visible light, 1.333; latent charges are physical ones over its root."""
BANDS = {
    "hydrogen-bond stretch": (50, 270),
    "libration": (270, 1000),
    "bend": (1500, 1800),
    "O-H stretch": (2800, 4000),
}
"""cm^-1; the first two meet where the measured absorption is least."""
MEASURED = np.array(
    [
        (11, 319), (83, 834), (132, 1516), (167, 1839), (185, 1886), (192, 1885), (270, 1550), (313, 1669), (345, 1933),
        (527, 3965), (617, 4328), (685, 4118), (750, 3576), (865, 1756), (931, 1065), (975, 813), (1009, 749),
        (1291, 688), (1493, 826), (1538, 1000), (1574, 1302), (1589, 1520), (1614, 2391), (1626, 3183), (1641, 3494),
        (1667, 2782), (1694, 1628), (1710, 1147), (1738, 677), (1770, 466), (1803, 363), (1905, 307), (2128, 550),
        (2153, 549), (2438, 229), (2704, 166), (2818, 331), (2897, 670), (2944, 1013), (2985, 1388), (3027, 2010),
        (3076, 3421), (3126, 5306), (3177, 7895), (3228, 11297), (3281, 13957), (3334, 15427), (3381, 15531),
        (3443, 13838), (3524, 9023), (3556, 6614), (3573, 6136), (3597, 4747), (3614, 4297), (3648, 2419), (3664, 2011),
        (3681, 1101), (3741, 480), (3767, 307), (3837, 152), (4083, 87),
    ],
    dtype=float,
)  # fmt: skip
"""alpha n = 4 pi nu k n (cm^-1) of water at 25 °C, from n and k of Segelstein (1981), by straight lines within 2 %."""

PUBLISHED = "0.456 ± 0.085 | 0.231, 0.321, 0.815"
"""Hydrogens of the same liquid by density-functional perturbation theory, as _hydrogen prints them; see table."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """Of one seed: length (ps), mean temperature (K), drift of the conserved energy (eV/atom/ps), absorption (K,) at
    wavenumbers (K,), its noise (%), the dielectric constant, and principal Born charges of hydrogens (M, 3)."""

    seed: int
    picoseconds: float
    temperature: float
    drift: float
    wavenumbers: Array
    absorption: Array
    noise: float
    dielectric: DielectricConstant
    hydrogen: Array
    trained: dict


@dataclass(frozen=True)
class Band:
    """Position and height of the highest maximum (NaN where there is none), mean wavenumber, and area."""

    place: float
    height: float
    centre: float
    area: float

    @property
    def columns(self) -> tuple[float, float, float, float]:
        """Of the table: in cm^-1, the area in 10^4 cm^-2."""
        return self.place, self.centre, self.height, self.area / 1e4


def band(nu: Array, absorption: Array, low: float, high: float) -> Band:
    """What lies between two wavenumbers."""
    inside = (nu >= low) & (nu <= high)
    x, y = nu[inside], absorption[inside]
    at, _ = find_peaks(y)
    place, height = max(((x[n], y[n]) for n in at), key=lambda peak: peak[1], default=(np.nan, np.nan))
    area = np.trapezoid(y, x)
    return Band(float(place), float(height), float(np.trapezoid(x * y, x) / area), float(area))


def measured() -> tuple[Array, Array]:
    """The experiment at every wavenumber."""
    nu = np.arange(MEASURED[0, 0], MEASURED[-1, 0] + 1)
    return nu, np.interp(nu, *MEASURED.T)


def over_seeds(values: Sequence[float]) -> str:
    """Mean and spread of the seeds that have a maximum, and how many do not."""
    there = [v for v in values if np.isfinite(v)]
    missing = f" ({len(values) - len(there)} without)" if there and len(there) < len(values) else ""
    return (spread(there, digits=0) if there else "none") + missing


def table(found: Sequence[Found], command: str, dynamics: str, resolution: float) -> list[str]:
    """How it was done, bands, seeds, warnings."""
    rmse = spread([f.trained["val"]["forces"]["rmse"] for f in found], 1000)
    lengths = ", ".join(f"{f.picoseconds:.1f} ps of seed {f.seed}" for f in found)
    over = " Mean and standard deviation over seeds." if len(found) > 1 else " One seed: spreads are not known."
    return [
        "# Infrared spectrum and dielectric constant of liquid water, RPBE-D3, 64 molecules",
        "",
        f"`{command}`; {machine()}, one thread; {time.strftime('%Y-%m-%d')}. Models of `water_box.py`, preset `les`,"
        f" trained on energies and forces of 40 frames; force RMSE of the 10 validation frames {rmse} meV/Å.",
        "",
        f"Dynamics: {dynamics}; {lengths}. Spectra:"
        f" `leyden spectrum md.xyz --model best --scale {EPS_INF**0.5:.3f} --resolution {resolution:g}`; classical"
        " nuclei (quantum correction `harmonic`), noise of a seed at each wavenumber"
        f" {np.mean([f.noise for f in found]):.0f} %. The scale is sqrt(eps_inf); eps_inf = {EPS_INF}, the square of"
        " water's refractive index in visible light, is put in, not found: heights and areas are proportional to it,"
        f" positions do not depend on it.{over}",
        "",
        *_bands(found),
        "",
        "![spectrum](water_spectrum.png)",
        "",
        "Measured: alpha n = 4 pi nu k n at 25 °C, with n and k of D. J. Segelstein, *The complex refractive index of"
        " water* (M.S. thesis, University of Missouri, 1981), as refractiveindex.info has them; its maxima are given"
        " here. More recent: J. E. Bertie and Z. Lan, *Appl. Spectrosc.* 50, 1047 (1996). Published spectra of the same"
        " functional: Schmiedmayer and Kresse, arXiv:2404.19674 (Born charges learned), Zhong et al., arXiv:2504.05169"
        " (latent charges).",
        "",
        *_seeds(found),
        "",
        "Born charges of hydrogen in two validation frames: mean and standard deviation of a third of the trace, and"
        " means of the principal values, e:",
        "",
        "| | trace / 3 | principal values |",
        "|---|---|---|",
        *(_hydrogen(f"seed {f.seed}, times {EPS_INF**0.5:.3f}", f.hydrogen) for f in found),
        f"| published, density-functional perturbation theory | {PUBLISHED} |",
        "",
        "Published: the first 16 atoms of the first frame of `water/training_set/H2O_BEC.xyz` of"
        " github.com/BingqingCheng/LES-BEC.",
    ]


def _hydrogen(name: str, values: Array) -> str:
    third = values.mean(1)
    means = ", ".join(f"{mean:.3f}" for mean in values.mean(0))
    return f"| {name} | {third.mean():.3f} ± {third.std():.3f} | {means} |"


def _bands(found: Sequence[Found]) -> list[str]:
    lines = [
        "| band, cm⁻¹ | maximum, cm⁻¹ | measured | mean, cm⁻¹ | measured | height, cm⁻¹ | measured | area, 10⁴ cm⁻² |"
        " measured |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (low, high) in BANDS.items():
        ours = zip(*(band(f.wavenumbers, f.absorption, low, high).columns for f in found), strict=True)
        real = band(*measured(), low, high).columns
        cells = [f"{over_seeds(each)} | {one:.0f}" for each, one in zip(ours, real, strict=True)]
        lines.append(f"| {name}, {low}-{high} | {' | '.join(cells)} |")
    return lines


def _seeds(found: Sequence[Found]) -> list[str]:
    lines = [
        "| seed | ps | mean T, K | drift, meV/atom/ps | dielectric constant | independent dipoles |",
        "|---|---|---|---|---|---|",
    ]
    for f in found:
        eps = f"{f.dielectric.value:.3g} ± {f.dielectric.error:.2g}"
        lines.append(
            f"| {f.seed} | {f.picoseconds:.1f} | {f.temperature:.0f} | {1000 * f.drift:.3f} | {eps} |"
            f" {f.dielectric.samples:.1f} |"
        )
    lines += ["", "Measured: 78.4 at 25 °C. What Leyden says of these values:", ""]
    said = [f"- seed {f.seed}: {f.dielectric.warning}" for f in found if f.dielectric.warning]
    return lines + (said or ["- nothing: there are samples enough."])


def plot(found: Sequence[Found], path: Path) -> None:
    """Mean and range of the seeds, and the experiment with its maxima."""
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 4.2), layout="constrained")
    nu, seeds = found[0].wavenumbers, np.array([f.absorption for f in found]) / 1000
    x, y = measured()
    axis.plot(x, y / 1000, color="0.45", linewidth=1.4, label="measured, 25 °C")
    if len(found) > 1:
        axis.fill_between(nu, seeds.min(0), seeds.max(0), color="C0", alpha=0.25, linewidth=0, label="range of seeds")
    axis.plot(nu, seeds.mean(0), color="C0", linewidth=1.6, label=f"Leyden, {sum(f.picoseconds for f in found):.0f} ps")
    for low, high in BANDS.values():
        place = band(x, y, low, high).place
        axis.axvline(place, color="0.75", linewidth=0.8, linestyle=":", zorder=0)
        axis.text(
            place, 1.01, f"{place:.0f}", transform=axis.get_xaxis_transform(), ha="center", color="0.4", fontsize=9
        )
    axis.set(xlim=(0, 4200), xlabel="wavenumber, cm⁻¹", ylabel="absorption times refractive index, 10³ cm⁻¹")
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, loc="upper center")
    figure.savefig(path, dpi=150)


def numbers_of(found: Found) -> dict:
    """What the JSON keeps of a seed."""
    eps = found.dielectric
    shown = found.wavenumbers <= 4200
    return {
        "seed": found.seed, "picoseconds": found.picoseconds, "temperature": found.temperature, "drift": found.drift,
        "noise_percent": found.noise, "dielectric": eps.value, "error": eps.error, "samples": eps.samples,
        "warning": eps.warning, "wavenumbers": np.round(found.wavenumbers[shown], 2).tolist(),
        "absorption": np.round(found.absorption[shown], 1).tolist(), "training": found.trained,
    }  # fmt: skip
