"""docs/extending.md runs as it stands, in Python and on the command line."""

import csv
import re
import shlex
import sys
from pathlib import Path

import pytest

from facegen_jax import __main__ as edit_command
from facegen_jax.faces import image
from facegen_jax.sweep import __main__ as sweep_command

PAGE = (Path(__file__).parents[1] / "docs/extending.md").read_text()


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> dict:
    """The names that the page defines, run in a folder of its own."""
    folder = tmp_path_factory.mktemp("extending")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names: dict = {"__name__": "extending", "folder": folder}
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(compile(block, "docs/extending.md", "exec"), names)
    return names


@pytest.mark.slow
def test_every_block_runs(names):
    assert names["solution"].status == "ok"
    assert set(names["result"].parts) == {"identity", "attribute", "darker"}
    with (names["folder"] / "runs/own/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["weights.darker"] for row in rows] == ["0.1", "1.0"]
    assert {"darker.first", "darker.last"} <= set(rows[0])


@pytest.mark.slow
def test_command_lines_run(names, monkeypatch):
    monkeypatch.chdir(names["folder"])
    lines = re.findall(r"^    python -m (facegen_jax\S*) (.*)$", PAGE, re.MULTILINE)
    commands = {"facegen_jax": edit_command, "facegen_jax.sweep": sweep_command}
    assert [name for name, _ in lines] == list(commands)
    for name, arguments in lines:
        extra = ["--steps", "3", "--align", "none"]
        monkeypatch.setattr(sys, "argv", [name, *shlex.split(arguments), *extra])
        assert commands[name].main() == 0
    assert image.load("out.png").shape == (112, 112, 3)
    with Path("runs/darker/results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6
