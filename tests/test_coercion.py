"""Options as people write them in Python."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from facegen_jax.edit.settings import Edit
from facegen_jax.sweep.settings import Sweep

WRITTEN = [
    ("reference", "a.png", Path("a.png")),
    ("mask", "m.png", Path("m.png")),
    ("mask", None, None),
    ("guides", "b.png", (Path("b.png"),)),
    ("guides", Path("b.png"), (Path("b.png"),)),
    ("guides", ["b.png", Path("c.png")], (Path("b.png"), Path("c.png"))),
    ("strength", 1, (1.0,)),
    ("strength", [0.5, 2], (0.5, 2.0)),
    ("box", (1, 2, 3, 4), (1.0, 2.0, 3.0, 4.0)),
    ("match", "Male", ("Male",)),
    ("attribute", "Smiling", "Smiling"),
    ("params", "small", "small"),
    ("term_weights", "darker=2", ("darker=2",)),
]


def made(kind: type, **written: object) -> Any:
    """Make options as users do, past the type checker of the test run."""
    options = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(options, field.name, written.get(field.name, field.default))
    options.__post_init__()
    return options


@pytest.mark.parametrize(("name", "written", "held"), WRITTEN)
def test_edits_and_sweeps_take_text_for_paths_and_single_values(name, written, held):
    kinds = (Edit, Sweep) if name != "reference" else (Edit,)
    for kind in kinds:
        value = getattr(made(kind, **{name: written}), name)
        assert value == held
        assert type(value) is type(held)
        assert not isinstance(held, tuple) or list(map(type, value)) == list(map(type, held))


def test_options_that_fit_are_kept_as_they_are():
    guides = (Path("a.png"),)
    assert made(Edit, guides=guides).guides is guides
