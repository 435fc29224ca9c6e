"""`python -m facegen_jax.gallery`: what labelled faces hold, and attribute directions fitted on
them."""

import sys

from ..command import parse
from .settings import PROG, Show


def main() -> int:
    """Parse the command line and run it; see `command.run`."""
    config = parse(Show, PROG)
    from .command import run  # imports JAX, which --help and bad options do without

    return run(config)


if __name__ == "__main__":
    sys.exit(main())
