"""`python -m facegen_jax`: edit one face."""

import sys

from .command import parse
from .edit.settings import PROG, Edit


def main() -> int:
    """Parse the command line and run it; see `edit.command.run`."""
    config = parse(Edit, PROG)
    from .edit.command import run  # imports JAX, which --help and bad options do without

    return run(config)


if __name__ == "__main__":
    sys.exit(main())
