"""`python -m facegen_jax.report`: the page of a sweep, its figures, and videos of its descents."""

import sys

from .. import command
from .settings import PROG, Report


def main() -> int:
    """Parse the command line and run it; see `command.run`."""
    return command.main(Report, PROG, ".report.command")


if __name__ == "__main__":
    sys.exit(main())
