"""What `python -m facegen_jax` does: run one edit, and print its scores."""

import functools
import sys

from .. import platforms
from ..bars import progress_bar
from ..command import fail, note, show
from ..compilation import keep_programs
from ..progress import step_progress_bar
from .engine import edit
from .settings import PROG, Edit


def run(options: Edit) -> int:
    """Run one edit; return 0 when done, 1 if it failed or was interrupted, 2 on bad input."""
    keep_programs(functools.partial(note, PROG))
    steps = options.steps * len(options.strength)
    try:
        platforms.check()
        with progress_bar() as progress, step_progress_bar(steps) as step_progress:
            outcomes = edit(options, step_progress, progress)
    except (ValueError, OSError) as error:
        return fail(PROG, error)
    except KeyboardInterrupt:
        print(f"{PROG}: stopped, nothing was written", file=sys.stderr)
        return 1
    for remark in dict.fromkeys(each for outcome in outcomes for each in outcome.notes):
        note(PROG, remark)
    for outcome in outcomes:
        scores = [
            f"{name.replace('_', ' ')} {value:.2f}"
            for name, value in outcome.scores.items()
            if isinstance(value, float)
        ]
        show("  ".join([str(outcome.options.out), outcome.solution.status, *scores]))
    return 0 if all(outcome.solution.status == "ok" for outcome in outcomes) else 1
