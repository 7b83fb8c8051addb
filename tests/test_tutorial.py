"""The tutorial: every command parses and names files that are there by then, and the quick run can shorten it."""

import re
import runpy
from pathlib import Path

import pytest
from typer.main import get_command

from leyden.cli.main import app

ROOT = Path(__file__).parent.parent
EXAMPLE = runpy.run_path(str(ROOT / "examples" / "infrared_tutorial.py"))
TEXT = EXAMPLE["TUTORIAL"].read_text(encoding="utf-8")
BLOCKS = EXAMPLE["blocks"](TEXT)
COMMANDS = [words for kind, block in BLOCKS if kind == "sh" for words in EXAMPLE["commands"](block)]
OURS = [words[1:] for words in COMMANDS if words[0] == "leyden"]


def parse(arguments: list[str]) -> dict:
    """Options and arguments of a command, as it would get them. Raises a usage error."""
    words = arguments[: arguments.index(">")] if ">" in arguments else arguments
    group = get_command(app)
    command = group.commands[words[0]]
    return command.make_context(words[0], words[1:]).params


@pytest.mark.parametrize("arguments", OURS, ids=lambda words: words[0])
def test_the_command_parses(arguments: list[str]) -> None:
    assert parse(arguments)


def test_the_whole_way_is_there() -> None:
    assert [words[0] for words in OURS][:4] == ["check-data", "init", "train", "eval"]
    assert {"response", "md", "spectrum"} <= {words[0] for words in OURS}
    assert {words[0] for words in COMMANDS} <= {"leyden", "mkdir"}


def test_files_are_of_the_checkout_or_made_before() -> None:
    made = {"runs/water", "runs/water/best"}
    for words in OURS:
        given = [word for word in words if re.search(r"^(datasets|runs)/", word)]
        written = {words[n + 1] for n, word in enumerate(words[:-1]) if word in (">", "--output")}
        for path in given:
            assert path in written or path in made or (ROOT / path).exists(), f"{path} of {words}"
        made |= written


def test_the_quick_run_still_finds_what_it_shortens() -> None:
    for usual in EXAMPLE["QUICK"]:
        assert usual in TEXT
