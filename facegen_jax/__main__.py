"""`python -m facegen_jax`: edit one face."""

import sys

from .command import counting_bar, fail, parse, progress_bar
from .edit.engine import edit
from .edit.settings import Edit

PROG = "python -m facegen_jax"


def main() -> int:
    """Parse, edit, report; exit status 0 when done, 1 when the run failed or was interrupted, 2 on bad input."""
    config = parse(Edit, PROG)
    try:
        with (
            counting_bar() as looking,
            progress_bar(config.steps * len(config.strength)) as progress,
        ):
            outcomes = edit(config, progress, looking)
    except (ValueError, OSError) as error:
        return fail(PROG, error)
    except KeyboardInterrupt:
        print(f"{PROG}: stopped, nothing was written", file=sys.stderr)
        return 1
    for note in dict.fromkeys(note for outcome in outcomes for note in outcome.notes):
        print(f"{PROG}: {note}", file=sys.stderr)
    for outcome in outcomes:
        scores = [
            f"{name.replace('_', ' ')} {value:.2f}"
            for name, value in outcome.scores.items()
            if isinstance(value, float)
        ]
        print("  ".join([str(outcome.out), outcome.solution.status, *scores]))
    return 0 if all(outcome.solution.status == "ok" for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
