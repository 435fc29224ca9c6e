"""`python -m facegen_jax.gallery`: what labelled faces hold, and attribute directions fitted on
them."""

import sys

from .. import command
from .settings import PROG, Show


def main() -> int:
    """Parse the command line and run it; see `command.run`."""
    return command.main(Show, PROG, ".gallery.command")


if __name__ == "__main__":
    sys.exit(main())
