"""`python -m facegen_jax.convert`: convert a published VGG-Face file to this package's layout."""

import sys

from ..command import parse
from .settings import PROG, Convert


def main() -> int:
    """Parse the command line and run it; see `command.run`."""
    config = parse(Convert, PROG)
    from .command import run  # imports JAX, which --help and bad options do without

    return run(config)


if __name__ == "__main__":
    sys.exit(main())
