"""Shared by all command lines before JAX is loaded: parsing, starting, and one-line errors."""

import contextlib
import io
import itertools
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import tyro

Config = TypeVar("Config")
SCRIPT = "facegen"
"""Name of the console script."""
FRAME, RULE = "│╭╮╰╯─ ", "-"
"""What frames the errors of tyro; without Unicode, lines of dashes do."""


def program(command: str) -> str:
    """Return what users type for a command, in its messages: `facegen sweep`, or `python -m ...`"""
    if Path(next(iter(sys.argv), "")).stem == SCRIPT:
        return f"{SCRIPT} {command}"
    return "python -m facegen_jax" + ("" if command == "edit" else f".{command}")


def main(kind: type, prog: str, home: str) -> int:
    """Parse the command line and run the command; return its exit status.

    Args:
        kind: dataclass of its options.
        prog: its name, in messages.
        home: module in this package whose `run` takes the options. It is imported once they are
            parsed: it may import JAX, which `--help` and bad options do without.
    """
    prepare_streams()
    config = parse(kind, prog)
    try:
        run = import_module(home, __package__).run
    except (ValueError, RuntimeError) as error:  # such as JAX_ENABLE_X64=maybe
        return fail(prog, ValueError(f"JAX does not start: {error}"))
    return _run(run, config, prog)


def _run(run: Any, config: object, prog: str) -> int:
    """Run a command; tell what no command expects, but users cause, on one line."""
    try:
        return run(config)
    except FloatingPointError as error:
        hint = "JAX_DEBUG_NANS and JAX_DEBUG_INFS stop there; without them the edit goes on"
        return fail(prog, ValueError(f"{error}; {hint}"))
    except MemoryError as error:
        return fail(prog, _too_large(error))
    except RuntimeError as error:
        if "Disallowed" in str(error):
            return fail(prog, ValueError(f"{error}; unset JAX_TRANSFER_GUARD"))
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return fail(prog, _too_large(error))


def _too_large(error: Exception) -> Exception:
    reason = " ".join(str(error).split())[:200] or "no reason given"
    return ValueError(
        f"out of memory ({reason}); take a smaller --size, --batch-size or --jitter.samples"
    )


def prepare_streams() -> None:
    """Let standard output and errors take any text, and let them be closed.

    What the encoding lacks is written as an escape.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, or a program without a console
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show(*lines: object) -> None:
    """Print lines to standard output; one that takes no more does not fail a finished command."""
    with _tolerant(sys.stdout):
        print(*lines, sep="\n")


@contextlib.contextmanager
def _tolerant(stream: Any) -> Iterator[None]:
    """Go on where a stream takes no more: its reader has gone (`| head`), or its disk is full."""
    try:
        try:
            yield
        finally:
            stream.flush()
    except OSError as error:
        # What is left goes nowhere: Python flushes once more at the end, and would fail there.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            note("output", f"cannot be written ({error.strerror})")


def parse(kind: type[Config], prog: str) -> Config:
    """Parse the command line into a dataclass; on bad options print one line and exit with 2."""
    captured = io.StringIO()
    try:
        with _tolerant(sys.stdout), contextlib.redirect_stderr(captured):
            return tyro.cli(kind, prog=prog)
        raise SystemExit(0)  # the help, which nobody reads
    except SystemExit as stop:
        if stop.code:
            message = _one_line(captured.getvalue())
            note(prog, f"{message} (--help shows all options)")
        raise


def _one_line(box: str) -> str:
    """Extract the message from tyro's framed error, without the frame and the help text."""
    lines = [line.strip(FRAME) for line in box.splitlines()[1:]]  # the first holds the title
    help_starts = ("For full helptext", "Argument helptext")
    message = itertools.takewhile(lambda line: not line.startswith(help_starts), lines)
    return " ".join(line for line in message if line.strip(RULE))


def note(prog: str, remark: str) -> None:
    """Print a remark that does not stop the command."""
    with _tolerant(sys.stderr):
        print(f"{prog}: {remark}", file=sys.stderr)


def fail(prog: str, error: Exception) -> int:
    """Print an error on one line; return 2, the exit status for bad input."""
    note(prog, " ".join(str(error).split()))
    return 2
