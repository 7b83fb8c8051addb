"""Contract suites: a new part inherits one of them in its own test file."""

import pytest

pytest.register_assert_rewrite(
    "leyden.testing.backbone",
    "leyden.testing.calculator",
    "leyden.testing.charges",
    "leyden.testing.numeric",
    "leyden.testing.operator",
)
