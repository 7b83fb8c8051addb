"""Run docs/tutorial_infrared.md, command by command; with --quick with hardly any training and a short simulation."""

import argparse
import os
import re
import shlex
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from leyden.cli.main import app

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial_infrared.md"
OUTPUT = "runs/water"
"""Where the tutorial writes."""
QUICK = {
    "optimizer.epochs=40": "optimizer.epochs=1 model.backbone.channels=8 model.backbone.layers=1",
    "--steps 4000 --every 2000": "--steps 50 --every 50",
    "--steps 12000": "--steps 300",
    "--resolution 20": "--resolution 800",
}


def blocks(text: str) -> list[tuple[str, str]]:
    """Kind (sh or python) and content of everything in the tutorial that a reader runs, in order."""
    return re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[list[str]]:
    """The words of each command, without comments."""
    return [words for line in block.replace("\\\n", " ").splitlines() if (words := shlex.split(line, comments=True))]


def leyden(words: list[str]) -> None:
    """Run `leyden ARGUMENTS` or `leyden ARGUMENTS > FILE` in this process."""
    arguments, file = (words[1:-2], Path(words[-1])) if words[-2] == ">" else (words[1:], None)
    with file.open("w") if file else nullcontext() as out, redirect_stdout(out) if out else nullcontext():
        app(arguments, prog_name="leyden", standalone_mode=False)


def main() -> None:
    """Run everything, in the folder of the checkout, with the output where it was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=ROOT / OUTPUT)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    text = TUTORIAL.read_text(encoding="utf-8").replace(OUTPUT, str(given.output.resolve()))
    for usual, short in QUICK.items() if given.quick else ():
        assert usual in text, usual
        text = text.replace(usual, short)
    given.output.mkdir(parents=True)
    os.chdir(ROOT)
    for kind, block in blocks(text):
        if kind == "python":
            exec(compile(block, str(TUTORIAL), "exec"), {})
            continue
        for words in commands(block):
            print("$", *words, flush=True)
            if words[0] == "leyden":
                leyden(words)


if __name__ == "__main__":
    main()
