"""The labels and inputs that a data file may carry: names, units, shapes of one entry, and the keys they go by."""

from dataclasses import dataclass

from leyden.checks import InputError, nearest

ANY = -1
"""A size that the file decides: for labels of atoms the same in all of its frames, for others each frame its own."""


@dataclass(frozen=True)
class Property:
    """A label or input: canonical key, unit, shape of one entry (per atom or per frame), accepted other keys."""

    name: str
    key: str
    unit: str
    shape: tuple[int, ...]
    per_atom: bool = False
    aliases: tuple[str, ...] = ()
    symmetric: bool = False

    @property
    def shape_text(self) -> str:
        """The shape as people write it, for example (N, 3)."""
        free = "dim" if self.per_atom else "M"
        sizes = ["N"] * self.per_atom + [free if n == ANY else str(n) for n in self.shape]
        return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})" if sizes else "()"


LABELS = (
    Property(
        "energy", "REF_energy", "eV", (), aliases=("energy", "ref_energy", "dft_energy", "DFT_energy", "total_energy")
    ),
    Property("forces", "REF_forces", "eV/Å", (3,), True, ("forces", "force", "ref_forces", "dft_forces", "DFT_forces")),
    Property("stress", "REF_stress", "eV/Å^3", (3, 3), aliases=("stress", "ref_stress", "dft_stress"), symmetric=True),
    Property("dipole", "REF_dipole", "e Å", (3,), aliases=("dipole", "ref_dipole", "dft_dipole")),
    Property("charges", "REF_charges", "e", (), True, ("charges", "Qs", "ref_charges")),
    Property(
        "born_effective_charges", "REF_born_effective_charges", "e", (3, 3), True,
        ("born_effective_charges", "born", "bec", "BEC"),
    ),
    Property("quadrupole", "REF_quadrupole", "e Å^2", (3, 3), aliases=("quadrupole",), symmetric=True),
    Property("polarizability", "REF_polarizability", "Å^3", (3, 3), aliases=("polarizability",), symmetric=True),
    Property(
        "density_coefficients", "REF_density_coefficients", "e, e Å, e Å^2", (ANY,), True, ("density_coefficients",)
    ),
    Property("chemical_potential", "REF_chemical_potential", "eV/e", (), aliases=("chemical_potential",)),
    Property(
        "electrostatic_potential", "REF_electrostatic_potential", "V", (ANY,),
        aliases=("electrostatic_potential", "REF_esp", "esp"),
    ),
)  # fmt: skip

POINTS = Property(
    "potential_points",
    "REF_potential_points",
    "Å",
    (ANY, 3),
    aliases=("potential_points", "REF_esp_points", "esp_points"),
)
"""Where electrostatic potentials are given."""

INPUTS = (
    Property("total_charge", "total_charge", "e", (), aliases=("charge",)),
    Property("total_spin", "total_spin", "2S+1", (), aliases=("spin", "mult", "multiplicity")),
    Property("external_field", "external_field", "V/Å", (3,)),
)

PROPERTIES = {p.name: p for p in (*LABELS, POINTS, *INPUTS)}


def known(name: str) -> Property:
    """The property of that name. Raises InputError with the nearest name for an unknown one."""
    if name not in PROPERTIES:
        raise InputError(f"keys: expected one of {', '.join(PROPERTIES)}, got {name!r}{nearest(name, PROPERTIES)}.")
    return PROPERTIES[name]
