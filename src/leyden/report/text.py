"""Numbers and names as a reader sees them: units in milli, a true minus sign, powers of ten."""

import math

LABELS = {
    "energy": "Energy per atom",
    "energy_per_atom": "Energy per atom",
    "energy_without_composition": "Energy per atom, composition removed",
    "forces": "Forces",
    "stress": "Stress",
    "dipole": "Dipole",
    "born_effective_charges": "Born effective charges",
    "charges": "Charges",
    "quadrupole": "Quadrupole",
    "polarizability": "Polarizability",
}
ENERGY_KEYS = ("energy", "energy_per_atom")
FORCE_KEY = "forces"
NOTHING = "–"


def label(name: str) -> str:
    """Heading of a property."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def pretty_unit(unit: str) -> str:
    """Typeset powers and products: eV/Å^3 -> eV/Å³."""
    for plain, typeset in (("^-1", "⁻¹"), ("^2", "²"), ("^3", "³"), ("**2", "²"), ("**3", "³"), ("*", " ")):
        unit = unit.replace(plain, typeset)
    return unit


def error_unit(unit: str) -> tuple[float, str]:
    """Factor and unit in which errors are shown: eV... -> 1000, meV...; other units stay."""
    return (1000.0, "m" + unit) if unit == "eV" or unit.startswith("eV/") else (1.0, unit)


def number(value: float, digits: int = 3) -> str:
    """Significant digits as plain text (for figures too); a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if not -4 < exponent < 6:
        mantissa = f"{value / 10.0**exponent:.{max(digits - 2, 0)}f}"
        return f"{mantissa}\u00a0×\u00a010{str(exponent).translate(SUPERSCRIPT)}".replace("-", "−")
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}".replace("-", "−").replace(",", "\u202f")


SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def grouped(count: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{count:,}".replace(",", "\u202f")


def fixed(value: float, decimals: int) -> str:
    """A fixed number of decimals with a true minus sign; a dash for NaN."""
    return NOTHING if math.isnan(value) else f"{value:.{decimals}f}".replace("-", "−")


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """Number and unit with a space that does not break."""
    return f"{number(value, digits)}\u00a0{pretty_unit(unit)}"


def plural(count: int, noun: str) -> str:
    """'1 frame', '2 frames'."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def percent(fraction: float) -> str:
    """A positive fraction in per cent, without needless digits."""
    value = 100.0 * fraction
    return f"{value:.2g}%" if value < 10 else f"{value:.0f}%"
