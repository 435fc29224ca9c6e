"""What `python -m facegen_jax.sweep` does: run a sweep, and show how far it is."""

import contextlib
import shlex
import sys

from ..bars import progress_bar
from ..command import fail, show
from ..compilation import keep_programs, use_every_core
from ..types import Progress
from . import loggers
from .engine import dry_run, run_sweep
from .job import SweepStopped
from .progress import Line, Status, Stop
from .settings import PROG, Sweep


def run(config: Sweep) -> int:
    """Run the command.

    Returns:
        Exit status: 0 if all runs are done, 1 if some failed or are left, 2 on bad input.
    """
    try:
        return _run(config)
    except (ValueError, OSError) as error:
        return fail(PROG, error)
    except KeyboardInterrupt:
        print(f"\n{PROG}: interrupted; repeat the command to continue", file=sys.stderr)
        return 1


def _run(config: Sweep) -> int:
    line = Line(quiet=config.quiet)
    stop = Stop(line)
    loggers.check(config)
    keep_programs(line.write)
    use_every_core()
    no_bar = contextlib.nullcontext(lambda done, total: None)
    with no_bar if config.quiet else progress_bar() as progress:
        if config.dry_run:
            show(dry_run(config, progress))
            return 0
        return _run_and_show(config, line, stop, progress)


def _run_and_show(config: Sweep, line: Line, stop: Stop, progress: Progress) -> int:
    """Run the sweep; show progress and failures on the line."""
    latest = list[Status]()

    def watch(status: Status) -> None:
        line.watch(status)
        latest[:] = [status]

    def waiting(running: int) -> None:
        line.watch(latest[0], f"waiting for {running} other processes")

    results = run_sweep(
        config, watch=watch, stop=stop, progress=progress, waiting=waiting, notify=line.write
    )
    try:
        for result in loggers.log_each(config, results):
            if not result.ok:
                line.write(f"{result.name} ({result.id}) failed: {result.error}")
    except SweepStopped as stopped:
        line.clear()
        command = f"{PROG} {shlex.join(sys.argv[1:])}"
        print(f"{PROG}: {stopped}; to continue, repeat: {command}", file=sys.stderr)
        return 1
    (end,) = latest
    line.write(_summary(config, end))
    return 1 if end.failed else 0


def _summary(config: Sweep, end: Status) -> str:
    """Format the last line: counts, and the file to look at."""
    report, table = config.out / "report.html", config.out / "results.csv"
    path = report if config.report and report.exists() else table
    hint = "; --retry-failed repeats them" if end.failed else ""
    return f"{end.done} done, {end.failed} failed{hint}: {path}"
