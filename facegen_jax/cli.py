"""`facegen`: the five commands under one name."""

import sys
from importlib import import_module
from importlib.metadata import version

from .command import SCRIPT, note, prepare_streams, show
from .names import did_you_mean

COMMANDS = {
    "edit": ("__main__", "edit one face"),
    "sweep": ("sweep.__main__", "edit many faces with many settings"),
    "report": ("report.__main__", "the page of a sweep, its figures, and videos of its descents"),
    "gallery": ("gallery.__main__", "what labelled faces hold, and directions fitted on them"),
    "convert": ("convert.__main__", "convert a published VGG-Face file"),
}
"""Module that runs each command, and what it does."""


def main() -> int:
    """Run the command that the first argument names; return its exit status."""
    prepare_streams()
    name, *rest = sys.argv[1:] or [""]
    if name in ("-h", "--help"):
        show(_help())
        return 0
    if name == "--version":
        show(f"{SCRIPT} {version('facegen_jax')}")
        return 0
    if name not in COMMANDS:
        given = f"no command {name!r}{did_you_mean(name, COMMANDS)}" if name else "no command"
        note(SCRIPT, f"{given}; the commands are {', '.join(COMMANDS)}")
        return 2
    sys.argv = [SCRIPT, *rest]
    return import_module(f".{COMMANDS[name][0]}", __package__).main()


def _help() -> str:
    lines = [f"  {name:8} {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {SCRIPT} [-h] [--version] COMMAND ...",
            "",
            "Edit faces by gradient descent on pixels through VGG-Face features.",
            "",
            *lines,
            "",
            f"{SCRIPT} COMMAND --help shows the options of a command.",
        ]
    )
