"""The lines that leyden response prints: properties with their units, or '-' and the reason where there is none."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from leyden.properties.piezoelectric import COULOMB_PER_SQUARE_METRE
from leyden.properties.summary import ElectricalProperties

DEBYE = 4.803204712570263
"""D in an e Å."""
NEUTRAL = 1e-6
"""e; the dipole of a structure that has less depends on no origin."""
TITLES = {
    "charges": "sum of charges", "dipole": "dipole", "quadrupole": "quadrupole", "polarizability": "polarizability",
    "born_effective_charges": "Born charges", "chemical_potential": "chemical potential", "hardness": "hardness",
    "electronic_dielectric_tensor": "dielectric, ions fixed", "static_dielectric_tensor": "dielectric, ions follow",
    "piezoelectric_tensor": "piezoelectric, ions fixed",
    "relaxed_piezoelectric_tensor": "piezoelectric, ions follow",
}  # fmt: skip
FOLLOW = {
    "electronic_dielectric_tensor": "static_dielectric_tensor", "piezoelectric_tensor": "relaxed_piezoelectric_tensor",
}  # fmt: skip
"""What stands for fixed ions, and for ions that follow; one reason does for both."""
IONS = ("ions fixed", "ions follow")

Row = tuple[str, str, str, str]
"""Name, value, unit, remark."""


def heading(number: int, found: ElectricalProperties) -> str:
    """Which structure it is."""
    (atoms,) = found.system.to_ase()
    axes = int(atoms.pbc.sum())
    kind = f"periodic along {axes} {'axis' if axes == 1 else 'axes'}" if axes else "open"
    return f"frame {number}: {atoms.get_chemical_formula()}, {kind}, total charge {found.system.charge.item():+g} e"


def lines(found: ElectricalProperties, wanted: Sequence[str]) -> Iterator[str]:
    """What was wanted of one structure."""
    for name, value, unit, remark in _rows(found):
        yield f"  {name:<28}{value:<27}  {unit:<7}{remark}".rstrip()
    absent = {name: why for name, why in found.absent.items() if name in wanted}
    for name, why in absent.items():
        both = name in FOLLOW and absent.get(FOLLOW[name]) == why
        title = TITLES[name].split(",")[0] if both else TITLES[name]
        if not any(FOLLOW.get(other) == name and absent[other] == why for other in absent):
            yield f"  {title:<28}-  {why}"


def _rows(found: ElectricalProperties) -> Iterator[Row]:
    if found.charges is not None:
        yield "sum of charges", _numbers(found.charges.sum()), "e", ""
    yield from _dipole(found)
    if (tensor := found.quadrupole) is not None:
        yield "quadrupole, traceless,", _numbers(tensor.diagonal()), "e Å^2", "xx yy zz"
        yield "  about the origin", _numbers(tensor[[1, 0, 0], [2, 2, 1]]), "e Å^2", "yz xz xy"
    if (eigenvalues := found.polarizabilities) is not None:
        yield "polarizability, trace / 3", _numbers(eigenvalues.mean()), "Å^3", ""
        yield "  eigenvalues", _numbers(eigenvalues), "Å^3", ""
    if (missing := found.acoustic_sum) is not None:
        means = "".join(f"{symbol:>3} {value:z.4f}" for symbol, value in found.mean_born_charges.items())
        yield "Born charges, trace / 3", means, "e", "means"
        yield "  largest |sum Z* - Q|", f"{missing:9.1e}", "e", ""
    if found.chemical_potential is not None:
        yield "chemical potential dE/dQ", _numbers(found.chemical_potential), "eV/e", ""
    if found.hardness is not None:
        yield "hardness d2E/dQ2", _numbers(found.hardness), "eV/e^2", ""
    yield from _crystal(found)


def _crystal(found: ElectricalProperties) -> Iterator[Row]:
    """What was asked for."""
    second = (found.electronic_dielectric_tensor, found.static_dielectric_tensor)
    third = (found.piezoelectric_tensor, found.relaxed_piezoelectric_tensor)
    for ions, tensor in zip(IONS, second, strict=True):
        if tensor is not None:
            yield from _symmetric(f"dielectric, {ions}", tensor, "", "")
    for ions, tensor in zip(IONS, third, strict=True):
        for axis, each in zip("xyz", () if tensor is None else COULOMB_PER_SQUARE_METRE * tensor, strict=False):
            yield from _symmetric(f"piezoelectric, {ions}" * (axis == "x"), each, "C/m^2", f"{axis}: ")


def _symmetric(title: str, tensor: Tensor, unit: str, before: str) -> Iterator[Row]:
    """A symmetric tensor (3, 3)."""
    yield title, _numbers(tensor.diagonal()), unit, before + "xx yy zz"
    yield "", _numbers(tensor[[1, 0, 0], [2, 2, 1]]), unit, before + "yz xz xy"


def _dipole(found: ElectricalProperties) -> Iterator[Row]:
    """Of charged structures about two origins."""
    centred = found.centred_dipole
    if found.dipole is None or found.charges is None or centred is None:
        return
    about = [("dipole about the origin", "", found.dipole)]
    if bool(found.system.pbc.any()):
        about = [("polarization of the cell,", "  modulo e times its vectors", found.dipole)]
    elif abs(found.charges.sum().item()) > NEUTRAL:
        about.append(("dipole about the centre", "  of nuclear charge", centred))
    for first, second, moment in about:
        yield first, _numbers(moment), "e Å", ""
        yield second, _numbers(DEBYE * moment), "D", f"length {DEBYE * moment.norm():.4f}"


def _numbers(values: Tensor) -> str:
    return "".join(f"{value:z9.4f}" for value in values.flatten().tolist())
