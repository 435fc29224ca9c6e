"""Commands start without JAX until they need it, and keep what they compiled, if they can."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tempfile
from errno import ENOSPC
from pathlib import Path

import jax
import pytest

import facegen_jax
from facegen_jax import cache, compilation
from facegen_jax.gallery import features, load_gallery
from facegen_jax.network.protocol import Network
from facegen_jax.network.vgg_face import backbone_of

COMMANDS = ("", ".sweep", ".gallery", ".report", ".convert")
HEAVY = "[name for name in ('jax', 'flax', 'optax') if name in sys.modules]"
SETTINGS = (
    "jax_enable_compilation_cache",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
)


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("option", "status"), [("--help", 0), ("--no-such-option", 2)])
def test_help_and_bad_options_do_not_load_jax(command, option, status):
    code = (
        "import runpy, sys\n"
        f"try: runpy.run_module('facegen_jax{command}', run_name='__main__')\n"
        f"except SystemExit as stop: print(stop.code, {HEAVY})"
    )
    assert python(code, option).stdout.splitlines()[-1] == f"{status} []"


def test_importing_the_package_does_not_load_jax():
    code = f"import sys, facegen_jax; print(dir(facegen_jax)); print({HEAVY})"
    listed, loaded = python(code).stdout.splitlines()
    assert set(facegen_jax.__all__) <= set(ast.literal_eval(listed))
    assert loaded == "[]"


def test_the_function_is_not_hidden_by_the_folder_of_its_name():
    code = "import facegen_jax as fg, facegen_jax.edit.engine; print(type(fg.edit).__name__)"
    assert python(code).stdout == "function\n"


@pytest.mark.parametrize(
    "package",
    ["facegen_jax", "facegen_jax.edit", "facegen_jax.sweep", "facegen_jax.convert"],
)
def test_public_names_are_those_that_type_checkers_see(package):
    module = importlib.import_module(package)
    assert module.__file__
    seen = {
        alias.asname or alias.name: (node.module, alias.name)
        for block in ast.parse(Path(module.__file__).read_text()).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(seen) == module.__all__
    assert set(seen) <= set(dir(module))
    for name, (home, original) in seen.items():
        expected = getattr(importlib.import_module(f"{package}.{home}"), original)
        assert getattr(module, name) is expected
    with pytest.raises(AttributeError, match="no attribute 'Smile'"):
        module.Smile  # noqa: B018


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FACEGEN_CACHE": "/mine", "XDG_CACHE_HOME": "/xdg"}, "/mine"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/facegen_jax"),
        ({"XDG_CACHE_HOME": "", "FACEGEN_CACHE": "", "HOME": "/me"}, "/me/.cache/facegen_jax"),
    ],
)
def test_place_of_the_cache(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache.folder() == Path(expected)


@pytest.fixture
def keep_programs(monkeypatch, tmp_path):
    """Call `keep_programs` as a command does; returns its notes and where programs are kept."""
    monkeypatch.setenv("FACEGEN_CACHE", str(tmp_path / "new" / "cache"))
    before = {name: jax.config.values[name] for name in SETTINGS}
    jax.config.update("jax_enable_compilation_cache", True)
    jax.config.update("jax_compilation_cache_dir", None)

    def call() -> tuple[list[str], str | None]:
        notes = []
        compilation.keep_programs(notes.append)
        return notes, jax.config.values["jax_compilation_cache_dir"]

    yield call
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_a_folder_that_was_missing(keep_programs, tmp_path):
    notes, folder = keep_programs()
    assert notes == []
    assert Path(folder).parent == tmp_path / "new" / "cache" / "programs"
    assert list(Path(folder).iterdir()) == []


@pytest.mark.parametrize("place", ["{}/jax", "gs://bucket/jax"])
def test_a_folder_that_jax_was_given_goes_first(place, keep_programs, tmp_path):
    jax.config.update("jax_compilation_cache_dir", place.format(tmp_path))
    assert keep_programs() == ([], place.format(tmp_path))
    assert not (tmp_path / "new").exists()


def test_a_folder_that_jax_was_given_but_cannot_use_is_a_note(keep_programs, tmp_path):
    (tmp_path / "file").write_text("")
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "file"))
    (note,), _ = keep_programs()
    assert note.endswith(
        f"{tmp_path}/file: File exists; set JAX_COMPILATION_CACHE_DIR to a folder of yours"
    )


def test_no_programs_are_kept_where_jax_keeps_none(keep_programs, tmp_path):
    jax.config.update("jax_enable_compilation_cache", False)
    assert keep_programs() == ([], None)
    assert list(tmp_path.iterdir()) == []


def no_home():
    raise RuntimeError("Could not determine home directory.")


def full(**options):
    raise OSError(ENOSPC, os.strerror(ENOSPC))


@pytest.fixture(params=["a file", "no home", "full"])
def reason(request, monkeypatch, tmp_path):
    """Make the cache impossible; returns what the note says about it."""
    if request.param == "a file":
        (tmp_path / "new").write_text("")
        monkeypatch.setenv("FACEGEN_CACHE", str(tmp_path / "new" / "cache"))
        return f"{tmp_path}/new/cache/.*: Not a directory; set FACEGEN_CACHE"
    if request.param == "no home":
        for name in ("FACEGEN_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(Path, "home", no_home)
        return "there is no home folder; set FACEGEN_CACHE"
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    return "No space left on device; set FACEGEN_CACHE"


def test_programs_that_cannot_be_kept_are_a_note(keep_programs, reason):
    (note,), folder = keep_programs()
    assert re.fullmatch(f"compiled programs are not kept for the next start: .*{reason}.*", note)
    assert folder is None


def test_features_that_cannot_be_kept_are_a_note(reason, monkeypatch, tmp_path, params, picture):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels.csv").write_text("filename,Smiling\na.png,1\n")
    facegen_jax.save_image(tmp_path / "images" / "a.png", picture)
    network = Network(backbone_of(params, 32), params, file_sha256="hash")
    described = features.describe(load_gallery(tmp_path), network, ("conv1_1",), "none")
    assert re.fullmatch(
        f"features of faces are not kept for the next time: .*{reason}.*", described.note
    )
    assert described.failures == ("",)


def test_the_next_process_finds_the_programs(tmp_path):
    code = """if True:
        import jax, numpy
        import facegen_jax as fg
        from facegen_jax.compilation import keep_programs
        events = []
        jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
        keep_programs(print)
        objective = 1.0 * fg.TotalVariation()
        network = fg.Network(fg.Function(lambda params, images: {}, ("none",), 32), ())
        problem = fg.from_maps(network, objective, numpy.full((32, 32, 3), 0.5, "f"), {})
        fg.Solver(objective, steps=1).run(network, problem)
        kinds = ("hits", "misses")
        print(*(events.count(f"/jax/compilation_cache/cache_{kind}") for kind in kinds))
    """
    environment = {
        "FACEGEN_CACHE": str(tmp_path),
        "JAX_COMPILATION_CACHE_DIR": "",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    first, second = (python(code, **environment) for _ in range(2))
    hits, misses = map(int, first.stdout.split())
    assert (hits, misses > 5) == (0, True)
    assert second.stdout.split() == [str(misses), "0"]
    assert first.stderr == second.stderr == ""
