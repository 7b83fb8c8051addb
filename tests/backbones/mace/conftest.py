"""mace-torch is imported by Leyden first, which shows no warnings of that."""

from importlib.util import find_spec

if find_spec("mace") is not None:
    from leyden.backbones.mace_models import mace

    mace()
