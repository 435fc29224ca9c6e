"""`python -m facegen_jax`: edit one face."""

import sys

from . import command
from .edit.settings import PROG, Edit


def main() -> int:
    """Parse the command line and run it; see `edit.command.run`."""
    return command.main(Edit, PROG, ".edit.command")


if __name__ == "__main__":
    sys.exit(main())
