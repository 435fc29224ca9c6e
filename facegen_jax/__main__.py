"""`python -m facegen_jax`: edit one face."""

import sys

from .command import fail, parse, progress_bar, step_progress_bar
from .edit.engine import edit
from .edit.settings import Edit

PROG = "python -m facegen_jax"


def main() -> int:
    """Run one edit; return 0 when done, 1 if it failed or was interrupted, 2 on bad input."""
    options = parse(Edit, PROG)
    steps = options.steps * len(options.strength)
    try:
        with progress_bar() as progress, step_progress_bar(steps) as step_progress:
            outcomes = edit(options, step_progress, progress)
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
        print("  ".join([str(outcome.options.out), outcome.solution.status, *scores]))
    return 0 if all(outcome.solution.status == "ok" for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
