"""`python -m facegen_jax.sweep`: edit many faces with many settings."""

import contextlib
import shlex
import sys

from ..command import fail, parse, progress_bar
from . import loggers
from .engine import dry_run, run_sweep
from .loop import SweepStopped
from .progress import Line, Status, Stop
from .settings import Sweep

PROG = "python -m facegen_jax.sweep"


def main() -> int:
    """Parse, run, report; exit status 0 when all is done, 1 when some work failed or is left, 2 on bad input."""
    config = parse(Sweep, PROG)
    try:
        return _run(config)
    except (ValueError, OSError) as error:
        return fail(PROG, error)
    except KeyboardInterrupt:
        print(f"\n{PROG}: ended at once; the same command goes on", file=sys.stderr)
        return 1


def _run(config: Sweep) -> int:
    line, latest = Line(quiet=config.quiet), list[Status]()
    stop = Stop(line)
    loggers.check(config)

    def watch(status: Status) -> None:
        line.watch(status)
        latest[:] = [status]

    def waiting(running: int) -> None:
        line.watch(latest[0], f"waiting for {running} other processes")

    with (
        contextlib.nullcontext(lambda done, total: None)
        if config.quiet
        else progress_bar() as looking
    ):
        if config.dry_run:
            print(dry_run(config, looking))
            return 0
        try:
            found = run_sweep(
                config, watch=watch, stop=stop, progress=looking, waiting=waiting, notify=line.say
            )
            for result in loggers.logged(config, found):
                if not result.ok:
                    line.say(f"{result.name} ({result.id}) failed: {result.error}")
        except SweepStopped as stopped:
            line.clear()
            print(
                f"{PROG}: {stopped}; the same command goes on: {PROG} {shlex.join(sys.argv[1:])}",
                file=sys.stderr,
            )
            return 1
    (end,) = latest
    again = "; --retry-failed does them again" if end.failed else ""
    page = config.out / "report.html"
    line.say(
        f"{end.done} done, {end.failed} failed{again}: {page if config.report and page.exists() else config.out / 'results.csv'}"
    )
    return 1 if end.failed else 0


if __name__ == "__main__":
    sys.exit(main())
