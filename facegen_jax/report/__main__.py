"""`python -m facegen_jax.report`: the page of a sweep, its figures, and videos of its descents."""

import sys

from ..command import parse
from .settings import PROG, Report


def main() -> int:
    """Parse the command line and run it; see `command.run`."""
    config = parse(Report, PROG)
    from .command import run  # imports JAX, which --help and bad options do without

    return run(config)


if __name__ == "__main__":
    sys.exit(main())
