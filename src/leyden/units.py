"""Units and constants: eV, Å, e, fs; masses in u; pressures reported in eV/Å^3 (ASE's units).

COULOMB is e^2 / (4 pi eps0) in eV Å, CODATA 2018: alpha * hbar * c = 14.3996454784 eV Å.
"""

COULOMB = 14.3996454784
"""Coulomb constant, eV Å / e^2."""

MILLI = 1.0e-3
"""eV -> meV is division by MILLI."""
