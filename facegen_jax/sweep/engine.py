"""A sweep from its configuration to its table."""

from collections.abc import Callable, Iterator

from .. import platforms
from ..descent import batch
from ..descent.objective import Objective
from ..edit.request import AttributeSource, Own
from ..network.checkpoint import load_network
from ..network.protocol import Network
from ..report import results
from ..report.report import write_report
from ..report.result import Result
from ..report.table import write_table
from ..types import Progress
from . import hosts
from .estimate import forecast
from .folder import Folder, check_folder, open_folder
from .job import Job, SweepStopped
from .loop import run
from .plan import Plan, make_plan, missing, share
from .progress import Watch, watching
from .settings import Sweep, check


def run_sweep(
    config: Sweep,
    *,
    objective: Objective | None = None,
    source: AttributeSource | None = None,
    network: Network | None = None,
    watch: Watch | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
    notify: Callable[[str], object] = lambda message: None,
    waiting: Callable[[int], object] = lambda running: None,
) -> Iterator[Result]:
    """Run what is missing of a sweep; yield each new result once it is on disk.

    Args:
        config: what to run, and the folder for the results.
        objective: an objective of your own, in place of the default and of `config.objective`.
        source: an attribute source of your own, in place of `config.source`.
        network: a network of your own, in place of `config.params`.
        watch: receives the sweep's status every few steps. Without it, notebooks show a bar.
        stop: called every few steps; when it returns True, the state is saved and the sweep ends.
        progress: counts the faces of a gallery whose features must be computed first.
        notify: receives a summary of the plan, such as `24 runs: ...; 1 compilation`.
        waiting: receives how many other processes of a job still run once this one has finished.

    Raises:
        SweepError, CheckpointError, GalleryError, OSError: bad input; nothing was run.
        SweepStopped: a stop was requested, too many runs failed, or results could not be written.
    """
    check(config)
    check_folder(config.out, config.pairs)
    own = Own(objective, source)
    with hosts.join(config) as part, watching(watch) as follow:
        platforms.check()
        network = network or load_network(config.params)
        plan = make_plan(config, network, progress, own)
        notify(plan.summary)
        for remark in dict.fromkeys(pool.note for pool in plan.pools.values() if pool.note):
            notify(remark)
        if config.distributed:
            hosts.agree(plan)
        with open_folder(config, network, plan, part) as folder:
            write_table(folder.path)
            replicated = batch.replicate(network)
            job = Job(config, network, replicated, share(plan, part), folder, follow, stop)
            yield from _run_and_report(job, plan, waiting)


def _run_and_report(job: Job, plan: Plan, waiting: Callable[[int], object]) -> Iterator[Result]:
    """Do a job's runs, write the table and the report; `plan` has the runs of all processes."""
    config, folder = job.config, job.folder
    try:
        yield from run(job)
        if config.distributed and folder.part.number == 0:
            hosts.wait_for_others(folder.path, folder.part, waiting)
            _check_complete(plan, folder)
        _write_report(config, folder)
    except OSError as error:
        reason = error.strerror or error
        raise SweepStopped(
            f"{folder.path}: cannot be written to ({reason}); no file is half-written"
        ) from None
    finally:
        _write_table(folder)


def dry_run(config: Sweep, progress: Progress | None = None) -> str:
    """Describe what `run_sweep` would do, with its memory and time; run and write nothing.

    Raises:
        SweepError, CheckpointError, GalleryError, OSError: bad input.
    """
    check(config)
    check_folder(config.out, config.pairs)
    hosts.parse_shard(config.shard)
    platforms.check()
    network = load_network(config.params)
    plan = make_plan(config, network, progress)
    left = missing(plan, results.outcomes(config.out), again=config.retry_failed).total
    return forecast(config, plan, network, left)


def _check_complete(plan: Plan, folder: Folder) -> None:
    """Raise if another process was lost before its runs were done."""
    left = missing(plan, results.outcomes(folder.path, images=False)).total
    if left:
        raise SweepStopped(
            f"{left} of {plan.total} runs are missing: a process of this job was lost or stopped"
        )


def _write_report(config: Sweep, folder: Folder) -> None:
    """Write the report: every shard does, because any may be the last; of a job, only process 0."""
    if config.report and (config.shard or folder.part.number == 0) and results.any_in(folder.path):
        write_report(folder.path)


def _write_table(folder: Folder) -> None:
    try:
        write_table(folder.path)
    except OSError as error:
        reason = error.strerror or error
        raise SweepStopped(
            f"{folder.path}: the table could not be written ({reason}); the results are complete"
        ) from None
