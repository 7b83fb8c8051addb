"""report.html: all sections, nothing loaded from elsewhere, and every report that can be had can be shown."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from leyden.report import FarRange, write
from leyden.report.figures import POINTS, chosen

SECTIONS = ["verdict", "learning-curves", "parity", "energy-split", "charges", "far-range", "checks", "provenance"]
LOADERS = {"src", "srcset", "data", "poster", "background", "action", "formaction"}


class Page(HTMLParser):
    """Sections, things that would be loaded, scripts, and the visible text."""

    def __init__(self, html):
        super().__init__()
        self.sections, self.loads, self.scripts, self.plots, self.stack = [], [], [], 0, []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in ("meta", "br", "hr", "img", "link", "input"):
            self.stack.append(tag)
        if tag == "section":
            self.sections.append(attributes["id"])
        self.plots += tag == "div" and "drawing" in attributes.get("class", "")
        self.loads += [(tag, key, value) for key, value in attrs if key in LOADERS]
        self.loads += [(tag, "href", v) for k, v in attrs if k == "href" and not v.startswith("#")]

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, f"unbalanced </{tag}>"

    def handle_data(self, data):
        if self.stack[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.stack[-1:] == ["style"]:
            assert "url(" not in data and "@import" not in data
        else:
            self.text += data


@pytest.fixture
def shown(tmp_path):
    return lambda report: Page(write(report, tmp_path).read_text(encoding="utf-8"))


def test_full_report_has_every_section_and_loads_nothing(build, shown):
    page = shown(build.report())
    assert page.sections == SECTIONS
    assert page.loads == []
    assert page.stack == []
    assert sum("plotly.js v" in script[:200] for script in page.scripts) == 1
    assert page.plots == 4 + 5 + 1 + 1 + 2


def test_the_page_states_what_the_checks_and_charges_are(build, shown):
    text = shown(build.report()).text
    for expected in (
        "These charges are not DFT partial charges",
        "Elements that are negative on average: N, O; the convention holds here.",
        "passed",
        "failed",
        "1 of 4 checks failed",
        "4 000 of 5 652 values drawn",
        "preset: les",
        "sha256 9f2c41…",
        "Cartesian(cutoff=5.0",
        "204 s",
    ):
        assert expected in text.replace("\u202f", " "), expected


def test_text_of_the_user_is_escaped(build, shown):
    evil = "<script>alert(1)</script>"
    report = build.report(title=evil, evaluation=build.evaluation(kinds=(evil, "</script>b")))
    report = replace(report, provenance=replace(report.provenance, config=evil, command=evil, notes=[evil]))
    page = shown(report)
    assert not any(
        "alert(1)" in script and "plotly" not in script for script in page.scripts if not script.startswith("{")
    )
    assert page.sections == SECTIONS and page.text.count(evil) >= 4


def bare(build):
    return build.report(baseline=None, curve=None, baseline_curve=None, far_range=[], checks=[])


def without_charges(build):
    return build.report(evaluation=build.evaluation(charges=False))


def single_frame(build):
    return build.report(evaluation=build.evaluation(frames=1), baseline=None)


def one_type(build):
    return build.report(evaluation=build.evaluation(kinds=("water",)))


def many_types(build):
    return build.report(evaluation=build.evaluation(kinds=tuple(f"type {n}" for n in range(20))))


def nothing_labelled(build):
    return build.report(evaluation=replace(build.evaluation(), parities={}))


def no_far_reference(build):
    return build.report(far_range=[build.far_range(reference=False)])


def two_separations(build):
    probe = FarRange(
        "two", np.array([3.0, 9.0]), None, {"this model": np.array([0.1, 0.2])}, zero="separated fragments"
    )
    return build.report(far_range=[probe])


def with_nan(build):
    evaluation = build.evaluation()
    forces, energy = evaluation.parities["forces"], evaluation.parities["energy"]
    parities = evaluation.parities | {
        "forces": replace(forces, predicted=np.where(np.arange(len(forces.frame)) < 7, np.nan, forces.predicted)),
        "energy": replace(energy, reference=np.full_like(energy.reference, np.nan)),
    }
    charges = np.where(np.arange(len(evaluation.numbers)) < 5, np.nan, evaluation.charges)
    far = np.where(np.arange(50) < 1, np.nan, evaluation.energy_long)
    curve = build.curve()
    curve = replace(curve, columns=curve.columns | {"val_force_rmse": [float("nan")] * len(curve.epoch)})
    probe = build.far_range()
    probe.reference[-1] = np.nan
    return build.report(
        evaluation=replace(evaluation, parities=parities, charges=charges, energy_long=far),
        curve=curve,
        far_range=[probe],
    )


VARIANTS = [
    bare,
    without_charges,
    single_frame,
    one_type,
    many_types,
    nothing_labelled,
    no_far_reference,
    two_separations,
]


@pytest.mark.parametrize("variant", [*VARIANTS, with_nan], ids=lambda variant: variant.__name__)
def test_every_report_can_be_shown(build, shown, variant):
    page = shown(variant(build))
    assert page.sections == SECTIONS and page.loads == []


@pytest.mark.parametrize(
    ("variant", "sentence"),
    [
        (bare, "No far-range probe was given."),
        (bare, "No short-range baseline was given"),
        (without_charges, "This model has no charges."),
        (without_charges, "The long-range energy of this model is zero in every frame."),
        (nothing_labelled, "No labelled property was given."),
        (with_nan, "7 no finite prediction"),
        (with_nan, "50 values have no reference"),
        (many_types, "13 other types"),
    ],
)
def test_what_is_absent_is_said(build, shown, variant, sentence):
    assert sentence in shown(variant(build)).text


def test_drawn_points_hold_the_largest_errors_and_never_repeat():
    error = np.random.default_rng(3).normal(size=3 * POINTS)
    kept = chosen(error)
    assert len(kept) == len(set(kept)) == POINTS
    assert set(np.argsort(-np.abs(error))[:200]) <= set(kept)
    assert len(np.unique(kept % 3, return_counts=True)[1]) == 3
    assert sorted(chosen(error[:50])) == list(range(50))
    assert list(chosen(error)) == list(kept)
