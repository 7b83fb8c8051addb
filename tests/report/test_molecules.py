"""Charge transfer between molecules: the numbers by hand, on the page, in the file and in the verdict."""

import json
from dataclasses import replace

import numpy as np
import pytest

from leyden.report import verdict, write
from leyden.report.molecules import WORST, transfer_row
from leyden.train.metrics import Molecules

TITLE = "Charge transfer between molecules"


def with_molecules(build, charge, frame):
    """The first atoms of a frame are its molecules, one atom each."""
    evaluation = build.evaluation()
    charge, frame = np.asarray(charge, dtype=float), np.asarray(frame)
    of = np.full(len(evaluation.numbers), -1)
    first = np.cumsum(evaluation.atoms) - evaluation.atoms
    for number, owner in enumerate(frame):
        of[first[owner] + (frame[:number] == owner).sum()] = number
    numbers = np.where(of >= 0, 8, evaluation.numbers)
    return replace(evaluation, numbers=numbers, molecules=Molecules(frame, charge, np.round(charge), of))


def test_numbers_by_hand(build):
    row = transfer_row(with_molecules(build, [0.1, -0.1, 1.3, -1.2, 0.7], [2, 2, 9, 9, 4]))
    assert (row.frames, row.molecules) == (3, 5)
    assert row.mean == pytest.approx(0.2) and row.largest == pytest.approx(0.3)
    assert [worst.frame for worst in row.worst] == [9, 4, 2]
    assert [worst.charge for worst in row.worst] == [1.3, 0.7, 0.1]
    assert [worst.expected for worst in row.worst] == [1.0, 1.0, 0.0]
    assert {worst.formula for worst in row.worst} == {"O"} and row.worst[0].config_type == "ion pair"


def test_the_worst_frames_only_once_each(build):
    frame = np.repeat(np.arange(20), 2)
    row = transfer_row(with_molecules(build, 0.01 * np.arange(40), frame))
    assert row.frames == 20 and [worst.frame for worst in row.worst] == [19, 18, 17, 16, 15][:WORST]


def test_page_and_file(build, tmp_path):
    report = build.report(evaluation=with_molecules(build, [0.25, -0.25, 0.0, 0.0], [2, 2, 9, 9]))
    path = write(report, tmp_path)
    html, data = path.read_text(encoding="utf-8"), json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    told = data["evaluation"]["charge_transfer_between_molecules"]
    assert (told["mean"], told["largest"], told["frames"], told["molecules"]) == (0.125, 0.25, 2, 4)
    assert html.index('id="charges"') < html.index(TITLE) < html.index('id="far-range"')
    for text in ("2 structures of several molecules", "0.125\u00a0e on average", '<td class="text">ammonium</td>'):
        assert text in html, text


def test_nothing_is_said_where_there_is_nothing(build, tmp_path):
    html = write(build.report(), tmp_path).read_text(encoding="utf-8")
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert TITLE not in html and data["evaluation"]["charge_transfer_between_molecules"] is None


@pytest.mark.parametrize(("charge", "said"), [(0.05, []), (0.3, ["attention"])])
def test_verdict(build, charge, said):
    report = build.report(evaluation=with_molecules(build, [charge, -charge], [7, 7]))
    lines = [line for line in verdict(report) if "between molecules" in line.text]
    assert [line.status for line in lines] == said
    assert all("0.300\u00a0e at most (O of structure 7)" in line.text for line in lines)
