"""The README: its Python runs, its commands name existing options, its links resolve."""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from facegen_jax.edit.settings import Edit
from facegen_jax.faces import image
from facegen_jax.report.__main__ import Report
from facegen_jax.sweep import Sweep

ROOT = Path(__file__).parents[1]
README, SCALING = ((ROOT / name).read_text() for name in ("README.md", "docs/scaling.md"))


@pytest.mark.slow
def test_python_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out/demo").mkdir(parents=True)
    noise = np.asarray(jax.random.uniform(jax.random.key(0), (112, 112, 3)))
    for path in ("out/demo/reference.png", "face.png"):
        image.save(path, noise)
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 3
    Path("pairs.csv").write_text("reference,attribute,align,steps\nface.png,Smiling,none,3\n")
    namespace: dict = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block.replace("steps=100", "steps=3"), "README.md", "exec"), namespace)
    assert image.load("out/demo/glasses.png").shape == (112, 112, 3)
    assert namespace["objective"].names == ("identity", "darker", "total_variation")


@pytest.mark.parametrize(
    ("command", "options"),
    [("facegen_jax", Edit), ("facegen_jax.sweep", Sweep), ("facegen_jax.report", Report)],
)
def test_commands_name_existing_options(command, options):
    known = {field.name.replace("_", "-") for field in dataclasses.fields(options)}
    lines = re.findall(rf"python -m {re.escape(command)} (.*)", README + SCALING)
    assert lines
    for line in lines:
        assert set(re.findall(r" --([a-z-]+)", line.partition("#")[0])) <= known


def test_sweep_section_names_existing_options():
    known = {field.name.replace("_", "-") for field in dataclasses.fields(Sweep)}
    section = README.partition("## Sweep many")[2].partition("\n## ")[0]
    assert set(re.findall(r"`--([a-z-]+)", section)) <= known


def test_links_resolve():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target.split("#")[0]).exists(), target
