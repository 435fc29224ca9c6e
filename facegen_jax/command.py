"""Shared by all command lines before JAX is loaded: parsing, and one-line errors."""

import contextlib
import io
import itertools
import sys
from typing import TypeVar

import tyro

Config = TypeVar("Config")


def parse(kind: type[Config], prog: str) -> Config:
    """Parse the command line into a dataclass; on bad options print one line and exit with 2."""
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured):
            return tyro.cli(kind, prog=prog)
    except SystemExit as stop:
        if stop.code:
            message = _one_line(captured.getvalue())
            print(f"{prog}: {message} (--help shows all options)", file=sys.stderr)
        raise


def _one_line(box: str) -> str:
    """Extract the message from tyro's framed error, without the frame and the help text."""
    lines = [line.strip("│╭╮╰╯─ ") for line in box.splitlines()[1:]]  # the first holds the title
    help_starts = ("For full helptext", "Argument helptext")
    message = itertools.takewhile(lambda line: not line.startswith(help_starts), lines)
    return " ".join(line for line in message if line)


def note(prog: str, remark: str) -> None:
    """Print a remark that does not stop the command."""
    print(f"{prog}: {remark}", file=sys.stderr)


def fail(prog: str, error: Exception) -> int:
    """Print an error on one line; return 2, the exit status for bad input."""
    print(f"{prog}: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
