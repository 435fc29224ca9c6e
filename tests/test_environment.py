"""Environments: settings of JAX, encodings of the terminal, devices that are missing, no home."""

import io
import os
import re
import subprocess
import sys
from errno import ENOSPC, EPIPE
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from conftest import write_inputs

from facegen_jax import cli, command, platforms
from facegen_jax.__main__ import main
from facegen_jax.convert.__main__ import main as convert
from facegen_jax.descent import terms
from facegen_jax.descent.objective import Objective
from facegen_jax.edit.engine import edit
from facegen_jax.edit.settings import Edit, Jitter
from facegen_jax.faces import image

COMMANDS = ("", ".sweep", ".gallery", ".report", ".convert")


@pytest.fixture
def small(tmp_path, params, monkeypatch):
    """A working folder with a tiny network, images and a table of pairs."""
    write_inputs(tmp_path, params)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def setting(request):
    """Set one of JAX's settings, with promotion as users have it, until the test ends."""
    changes = {"jax_numpy_dtype_promotion": "standard", **request.param}
    before = {name: jax.config.values[name] for name in changes}
    for name, value in changes.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


SETTINGS = [
    pytest.param({"jax_enable_x64": True}, id="x64"),
    pytest.param({"jax_debug_nans": True}, id="debug_nans"),
]


@pytest.mark.parametrize("setting", SETTINGS, indirect=True)
def test_an_edit_is_the_same_with_every_setting_of_jax(setting, small, expected):
    np.testing.assert_allclose(result(small), expected, atol=2 / 255)


# Without jit every operation on every shape is compiled alone: a loss that ends after the first
# pool needs a third of them.
SHALLOW = terms.Identity(("conv1_2",)) + terms.Attribute(("conv2_1",))


@pytest.mark.parametrize("setting", [{"jax_disable_jit": True}], indirect=True, ids=["disable_jit"])
def test_an_edit_is_the_same_without_jit(setting, small, expected_shallow):
    np.testing.assert_allclose(result(small, SHALLOW), expected_shallow, atol=2 / 255)


def result(folder, objective: Objective | None = None) -> np.ndarray:
    """Run a short edit with everything random in it; return its image."""
    edit(
        Edit(
            folder / "0.png",
            folder / "out.png",
            guides=(folder / "1.png",),
            params=str(folder / "tiny.safetensors"),
            align="none",
            steps=3,
            noise=0.05,
            jitter=Jitter(shift=1.0),
        ),
        objective=objective,
    )
    return image.load(folder / "out.png")  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="module")
def expected(tmp_path_factory, params) -> np.ndarray:
    """The image of the edit with JAX's defaults."""
    folder = tmp_path_factory.mktemp("expected")
    write_inputs(folder, params)
    return result(folder)


@pytest.fixture
def expected_shallow(tmp_path_factory, params) -> np.ndarray:
    folder = tmp_path_factory.mktemp("expected")
    write_inputs(folder, params)
    with jax.disable_jit(False):
        return result(folder, SHALLOW)


@pytest.mark.parametrize("setting", [{"jax_debug_nans": True}], indirect=True, ids=["debug_nans"])
def test_a_diverged_edit_is_a_status_even_there(setting, small, run_command):
    code, out, err = run_command(main, *EDIT, "--strength", "3e38")
    assert (code, err) == (1, "")
    assert "non_finite" in out


EDIT = (
    *("--reference", "0.png", "--guides", "1.png", "--out", "out.png", "--steps", "3"),
    *("--params", "tiny.safetensors", "--align", "none"),
)
DIVERGED = [
    ("--strength", "3e38"),
    ("--weights.attribute", "1e15", "--weights.total-variation", "1e15", "--colour", "statistics"),
    ("--learning-rate", "3e38", "--optimizer", "sgd", "--colour", "luma"),
    ("--noise", "3e38", "--strength", "-3e38"),
]


@pytest.mark.parametrize("options", DIVERGED, ids=" ".join)
def test_a_diverged_edit_prints_its_status_alone(options, small, run_command):
    """NumPy's warnings would be errors here."""
    code, out, err = run_command(main, *EDIT, *options)
    assert err == ""
    assert out.count("\n") == 1
    assert code == (0 if "  ok  " in out else 1)
    assert code == 0 or "  non_finite  " in out


def failing(error: Exception):
    """Return a stand-in of a command's module, whose `run` raises."""

    def run(config):
        raise error

    return SimpleNamespace(run=run)


LARGE = "out of memory .*; take a smaller --size"
FAILURES = [
    (FloatingPointError("invalid value (nan) encountered in mul"), "in mul; JAX_DEBUG_NANS"),
    (MemoryError("Unable to allocate 64 GiB"), "Unable to allocate 64 GiB.*smaller --size"),
    (MemoryError(), LARGE),
    (RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nallocating 64 bytes"), LARGE),
    (
        RuntimeError("Disallowed host-to-device transfer: a"),
        "transfer: a; unset JAX_TRANSFER_GUARD",
    ),
]


@pytest.mark.parametrize(("error", "message"), FAILURES, ids=lambda each: type(each).__name__)
def test_what_no_command_expects_is_one_line(error, message, monkeypatch, run_command):
    monkeypatch.setattr(command, "import_module", lambda *_: failing(error))
    code, out, err = run_command(main, "--reference", "a.png", "--out", "b.png")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(message, err)


def test_a_mistake_of_the_program_keeps_its_traceback(monkeypatch, run_command):
    monkeypatch.setattr(command, "import_module", lambda *_: failing(RuntimeError("a mistake")))
    with pytest.raises(RuntimeError, match="a mistake"):
        run_command(main, "--reference", "a.png", "--out", "b.png")


def test_settings_that_jax_does_not_take_are_one_line(monkeypatch, run_command):
    def raising(*_):
        raise ValueError("invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'")

    monkeypatch.setattr(command, "import_module", raising)
    code, _, err = run_command(main, "--reference", "a.png", "--out", "b.png")
    assert code == 2
    assert err.endswith(
        "JAX does not start: invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'\n"
    )


UNKNOWN = RuntimeError(
    "Unable to initialize backend 'cpuu': Backend 'cpuu' is not in the list of known backends: "
    "['cpu', 'tpu']. (set JAX_PLATFORMS='' to automatically choose an available backend)"
)
MISSING = [
    ("cuda", AssertionError(), r"for JAX_PLATFORMS=cuda; unset .*'facegen_jax\[cuda\]'"),
    ("gpu", UNKNOWN, r"unset JAX_PLATFORMS .*'facegen_jax\[cuda\]'"),
    ("tpu,cpu", UNKNOWN, r"'facegen_jax\[tpu\]'"),
    ("cpuu", UNKNOWN, r"known backends: \['cpu', 'tpu'\].\); unset JAX_PLATFORMS"),
    (None, RuntimeError("plugin failed"), r"\(plugin failed\); try JAX_PLATFORMS=cpu"),
]


@pytest.mark.parametrize(("asked", "error", "message"), MISSING)
def test_missing_devices_are_one_line(asked, error, message, monkeypatch, small, run_command):
    def devices():
        raise error

    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setattr(platforms, "asked", lambda: asked or "")
    with pytest.raises(platforms.PlatformError, match=message):
        platforms.check()
    code, out, err = run_command(main, *EDIT)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("setting", [{"jax_platform_name": "gpu"}], indirect=True, ids=str)
def test_the_remedy_names_the_setting_that_asks(setting, monkeypatch):
    def devices():
        raise UNKNOWN

    monkeypatch.setattr(jax, "devices", devices)
    message = "for JAX_PLATFORM_NAME=gpu .*; unset JAX_PLATFORM_NAME to use"
    with pytest.raises(platforms.PlatformError, match=message):
        platforms.check()


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, env=os.environ | environment
    )


ALL_HELP = f"""if True:
    import runpy, sys
    for command in {COMMANDS}:
        for option in ("--help", "--no-such-option"):
            sys.argv = ["x", option]
            try: runpy.run_module("facegen_jax" + command, run_name="__main__")
            except SystemExit as stop: print(stop.code)
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""},
    ],
    ids=str,
)
def test_help_and_errors_print_in_every_encoding(environment):
    done = python("-c", ALL_HELP, **environment)
    assert done.returncode == 0, done.stderr
    codes = [line for line in done.stdout.split(b"\n") if line in (b"0", b"2")]
    assert codes == [b"0", b"2"] * len(COMMANDS)
    errors = done.stderr.decode("cp1252").splitlines()
    assert len(errors) == len(COMMANDS)
    for line in errors:
        assert line.startswith("python -m facegen_jax")
        assert "--- " not in line


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
@pytest.mark.parametrize("name", ["Ł.png", "笑顔.png", "\udcff.png", "é.png"])
def test_messages_with_any_name_print(encoding, name, monkeypatch, small):
    streams = {each: io.TextIOWrapper(io.BytesIO(), encoding) for each in ("stdout", "stderr")}
    for each, stream in streams.items():
        monkeypatch.setattr(sys, each, stream)
    monkeypatch.setattr("sys.argv", ["x", *EDIT, "--reference", name])
    assert main() == 2
    streams["stderr"].flush()
    (line,) = streams["stderr"].buffer.getvalue().decode(encoding).splitlines()
    assert "no such file" in line


def test_the_table_of_known_files_prints_in_ascii(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr("sys.argv", ["x", "--list"])
    assert convert() == 0
    stream.flush()
    assert stream.buffer.getvalue().count(b"\n") > 10


def test_text_is_never_read_in_the_encoding_of_the_locale(small):
    """Python's own warning finds every file that would be."""
    code = f"""if True:
        import sys, warnings
        warnings.simplefilter("ignore", EncodingWarning)  # of other packages
        warnings.filterwarnings("error", category=EncodingWarning, module="facegen_jax")
        from facegen_jax.__main__ import main
        sys.argv = {["x", *EDIT]}
        assert main() == 0
    """
    done = python("-X", "warn_default_encoding", "-c", code)
    assert (done.returncode, done.stderr) == (0, b"")


class Gone(io.RawIOBase):
    """A file that takes nothing."""

    def __init__(self, number: int):
        self.number = number

    def writable(self):
        return True

    def write(self, content):
        raise OSError(self.number, os.strerror(self.number))


def streams_that_are_gone(number: int | None):
    """Return what may be standard output: closed, or a stream that fails."""
    return number and io.TextIOWrapper(io.BufferedWriter(Gone(number)), write_through=True)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("number", [EPIPE, ENOSPC, None])
def test_a_finished_edit_needs_nobody_who_reads(number, name, monkeypatch, small, capsys):
    for arguments, code in (EDIT, 0), ((*EDIT, "--steps", "x"), 2), (("--help",), 0):
        with monkeypatch.context() as patch:
            patch.setattr(sys, name, streams_that_are_gone(number))
            patch.setattr("sys.argv", ["x", *arguments])
            try:
                assert main() == code
            except SystemExit as stop:
                assert (stop.code or 0) == code  # noqa: PT017
            if number is None:
                getattr(sys, name).close()
    assert (small / "out.png").is_file()
    lines = capsys.readouterr().err.splitlines()
    full = ["output: cannot be written (No space left on device)"] * 2
    assert [line for line in lines if "--steps" not in line] == (
        full if (name, number) == ("stdout", ENOSPC) else []
    )


def test_python_ends_in_silence_when_the_reader_has_gone():
    """Python flushes once more as it ends."""
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [sys.executable, "-m", "facegen_jax", "--help"]
    done = subprocess.run(arguments, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_one_script_has_every_command(name, run_command, monkeypatch):
    code, out, _ = run_command(cli.main, name, "--help")
    assert code == 0
    assert "show this help message" in out
    monkeypatch.setattr("sys.argv", ["/usr/bin/facegen", name])
    assert command.program(name) == f"facegen {name}"
    monkeypatch.setattr("sys.argv", ["/x/facegen_jax/__main__.py"])
    assert command.program(name) == f"python -m facegen_jax.{name}".removesuffix(".edit")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "no command; the commands are edit, sweep"),
        (("swep",), 2, "no command 'swep', did you mean 'sweep'?"),
        (("--reference", "a.png"), 2, "no command '--reference'"),
        (("--help",), 0, "facegen COMMAND --help"),
        (("--version",), 0, "facegen 0."),
    ],
)
def test_the_script_says_which_commands_there_are(arguments, code, message, run_command):
    status, out, err = run_command(cli.main, *arguments)
    assert status == code
    assert message in (err if code else out)
    assert code == 0 or err.count("\n") == 1
