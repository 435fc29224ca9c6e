"""`python -m facegen_jax.sweep`: edit many faces with many settings."""

import sys

from .. import command
from .settings import PROG, Sweep


def main() -> int:
    """Parse the command line and run it; see `command.run`."""
    return command.main(Sweep, PROG, ".sweep.command")


if __name__ == "__main__":
    sys.exit(main())
