"""`python -m facegen_jax.convert`: convert a published VGG-Face file to this package's layout."""

import sys

from .. import command
from .settings import PROG, Convert


def main() -> int:
    """Parse the command line and run it; see `command.run`."""
    return command.main(Convert, PROG, ".convert.command")


if __name__ == "__main__":
    sys.exit(main())
