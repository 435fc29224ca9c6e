"""The README's Python runs as it stands, and its command lines name real options."""

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

README, SCALING = (
    (Path(__file__).parents[1] / name).read_text() for name in ("README.md", "docs/scaling.md")
)


@pytest.mark.slow
def test_python_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out/demo").mkdir(parents=True)
    image.save(
        "out/demo/reference.png", np.asarray(jax.random.uniform(jax.random.key(0), (112, 112, 3)))
    )
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 3
    image.save("face.png", np.asarray(jax.random.uniform(jax.random.key(0), (112, 112, 3))))
    Path("pairs.csv").write_text("reference,attribute,align,steps\nface.png,Smiling,none,3\n")
    names: dict = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block.replace("steps=100", "steps=3"), "README.md", "exec"), names)
    assert image.load("out/demo/glasses.png").shape == (112, 112, 3)
    assert names["objective"].names == ("identity", "darker", "total_variation")


@pytest.mark.parametrize(
    ("command", "config"),
    [("facegen_jax", Edit), ("facegen_jax.sweep", Sweep), ("facegen_jax.report", Report)],
)
def test_commands_name_real_options(command, config):
    known = {field.name.replace("_", "-") for field in dataclasses.fields(config)}
    lines = re.findall(rf"python -m {re.escape(command)} (.*)", README + SCALING)
    assert lines
    for line in lines:
        assert set(re.findall(r" --([a-z-]+)", line.partition("#")[0])) <= known


def test_the_sweep_section_names_real_options():
    known = {field.name.replace("_", "-") for field in dataclasses.fields(Sweep)}
    section = README.partition("## Sweep many")[2].partition("\n## ")[0]
    assert set(re.findall(r"`--([a-z-]+)", section)) <= known


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (Path(__file__).parents[1] / target.split("#")[0]).exists(), target
