"""`python -m facegen_jax.sweep`: edit many faces with many settings."""

import sys

from ..command import parse
from .settings import PROG, Sweep


def main() -> int:
    """Parse the command line and run it; see `command.run`."""
    config = parse(Sweep, PROG)
    from .command import run  # imports JAX, which --help and bad options do without

    return run(config)


if __name__ == "__main__":
    sys.exit(main())
