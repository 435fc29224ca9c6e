"""The README's Python runs as it stands, and its command lines name real options."""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from facegen_jax import image
from facegen_jax.settings import Edit

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.slow
def test_python_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out/demo").mkdir(parents=True)
    image.save("out/demo/reference.png", np.asarray(jax.random.uniform(jax.random.key(0), (112, 112, 3))))
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 2
    names: dict = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block.replace("steps=100", "steps=3"), "README.md", "exec"), names)
    assert image.load("out/demo/glasses.png").shape == (112, 112, 3)
    assert names["objective"].names == ("identity", "darker", "total_variation")


def test_commands_name_real_options():
    known = {field.name.replace("_", "-") for field in dataclasses.fields(Edit)}
    for line in re.findall(r"python -m facegen_jax (.*)", README):
        assert set(re.findall(r"--([a-z-]+)", line)) <= known


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (Path(__file__).parents[1] / target.split("#")[0]).exists(), target
