"""User code by name: loaded with one-line errors, and hashed by what it computes."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from facegen_jax import plugin
from facegen_jax.descent.objective import Objective, Term
from facegen_jax.descent.terms import Chroma, Identity
from facegen_jax.fingerprint import fingerprint

TERM = """
from dataclasses import dataclass
import jax.numpy as jnp
import facegen_jax as fg
from helper import FACTOR

@dataclass(frozen=True)
class Darker(fg.Term):
    layers: tuple[str, ...] = ("image",)

    def __call__(self, features, targets):
        return FACTOR * jnp.mean(features["image"])

objective = fg.Identity(("conv1_1",)) + Darker()
term = Darker()

def made():
    return 2.0 * Darker()

def broken():
    raise RuntimeError("no luck")

number = 3
"""


@pytest.fixture
def code(tmp_path, monkeypatch) -> Path:
    """A file with an objective, and the neighbour that it imports."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "helper.py").write_text("FACTOR = 1.0\n")
    (tmp_path / "own.py").write_text(TERM)
    return tmp_path / "own.py"


def fingerprint_in_a_process(folder: Path, expression: str) -> str:
    """Hash a value in a process of its own, in which nothing is imported yet."""
    script = f"""
import own
from facegen_jax.fingerprint import fingerprint
print(fingerprint({expression}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("name", ["objective", "term", "made"])
def test_loads_objects_and_calls_functions(code, name):
    loaded = plugin.load_as(Objective, f"{code}:{name}", "objective", Term)
    assert "darker" in (1.0 * loaded).names


def test_loads_from_packages():
    assert plugin.load("optax:lion") is optax.lion


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("own.py", r"expected package\.module:name or file\.py:name"),
        ("own.py:", r"expected package\.module:name"),
        (":objective", r"expected package\.module:name"),
        ("gone.py:objective", r"gone\.py cannot be imported \(FileNotFoundError"),
        ("no.such.package:x", r"no\.such\.package cannot be imported \(ModuleNotFoundError"),
        ("own.py:objektive", r"has no 'objektive', did you mean 'objective'\?"),
        ("own.py:number", r"expected an object of type Objective, .* not of type int"),
        ("own.py:broken", r"calling it raised RuntimeError: no luck"),
        ("bad.py:x", r"bad\.py cannot be imported \(SyntaxError"),
        ("raises.py:x", r"raises\.py cannot be imported \(ZeroDivisionError"),
    ],
)
def test_errors_are_one_line(code, monkeypatch, path, message):
    monkeypatch.chdir(code.parent)
    Path("bad.py").write_text("x = (")
    Path("raises.py").write_text("1 / 0")
    with pytest.raises(plugin.PluginError, match=message) as caught:
        plugin.load_as(Objective, path, "objective", Term)
    assert "\n" not in str(caught.value)


def test_changed_code_and_changed_neighbours_change_the_hash(code):
    folder = code.parent
    first = fingerprint_in_a_process(folder, "own.objective")
    assert fingerprint_in_a_process(folder, "own.objective") == first
    (folder / "helper.py").write_text("FACTOR = 2.0\n")
    second = fingerprint_in_a_process(folder, "own.objective")
    code.write_text(TERM.replace("jnp.mean", "jnp.max"))
    third = fingerprint_in_a_process(folder, "own.objective")
    assert len({first, second, third}) == 3


def test_the_name_of_the_file_does_not_matter(code):
    first = fingerprint_in_a_process(code.parent, "own.objective")
    renamed = code.with_name("other.py")
    code.rename(renamed)
    code.write_text("from other import objective\n")
    script = (
        "import other; from facegen_jax.fingerprint import fingerprint; "
        "print(fingerprint(other.objective))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=code.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == first


def test_data_and_structure_change_the_hash():
    values = [
        1.0 * Identity(("conv1_1",)),
        2.0 * Identity(("conv1_1",)),
        1.0 * Identity(("conv1_2",)),
        1.0 * Identity(("conv1_1",)) + Chroma(),
        optax.adam(0.1),
        optax.adam(0.2),
        optax.lion(0.1),
        np.zeros(3),
        np.ones(3),
        jnp.ones(3),
        None,
        (1, 2),
        (1, (2,)),
    ]
    hashes = [fingerprint(value) for value in values]
    assert len(set(hashes)) == len(values)
    assert fingerprint(optax.adam(0.1)) == hashes[4]


def test_code_without_a_file_is_hashed_by_its_bytecode():
    """Functions of notebooks and the prompt are hashed by their code."""

    def defined(source: str) -> object:
        names: dict = {"__name__": "prompt", "dataclasses": dataclasses, "Term": Term}
        exec(source, names)
        return names["Own"]()

    source = (
        "@dataclasses.dataclass(frozen=True)\nclass Own(Term):\n"
        "    layers: tuple = ('image',)\n"
        "    def __call__(self, features, targets):\n        return {} * features['image'].mean()\n"
    )
    one, same, other = (fingerprint(defined(source.format(n))) for n in (2, 2, 3))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def helper(x): return x", "def helper(x): return 2 * x"),
        ("helper = jax.jit(lambda x: x)", "helper = jax.jit(lambda x: 2 * x)"),
        ("n = 1\ndef helper(x): return n * x", "n = 2\ndef helper(x): return n * x"),
        (
            "n = np.zeros(3)\ndef helper(x): return [n * each for each in x]",
            "n = np.ones(3)\ndef helper(x): return [n * each for each in x]",
        ),
        ("helper = jnp.mean", "helper = jnp.sum"),
        ("helper = jnp.square", "helper = jnp.negative"),
        ("helper = jnp.add", "helper = jnp.multiply"),
        (
            "helper = functools.partial(jnp.mean, axis=0)",
            "helper = functools.partial(jnp.mean, axis=1)",
        ),
        ("import numpy as helper", "import math as helper"),
    ],
)
def test_what_a_notebook_defines_elsewhere_counts(before, after):
    """A function of a notebook names others, which may be changed and run again."""

    def defined(helper: str) -> object:
        names: dict = {"__name__": "prompt"}
        exec("import functools, jax, jax.numpy as jnp, numpy as np", names)
        exec(f"{helper}\ndef loss(features, target, mask): return helper(features)", names)
        return names["loss"]

    one, same, other = (fingerprint(defined(each)) for each in (before, before, after))
    assert one == same
    assert one != other
