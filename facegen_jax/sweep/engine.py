"""A sweep from its configuration to its table."""

from collections.abc import Callable, Iterator

from ..descent import batch
from ..descent.objective import Objective
from ..edit.request import AttributeSource, Own
from ..network.checkpoint import load_network
from ..network.protocol import Network
from ..report import results
from ..report.report import write_report
from ..report.results import Result
from ..report.table import write_table
from ..types import Progress
from . import hosts
from .estimate import forecast
from .folder import Folder, opened
from .loop import Job, SweepStopped, run
from .plan import Plan, make_plan, missing, share
from .progress import Watch
from .settings import Sweep, check


def run_sweep(
    config: Sweep,
    *,
    objective: Objective | None = None,
    source: AttributeSource | None = None,
    network: Network | None = None,
    watch: Watch = lambda status: None,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = lambda done, total: None,
    notify: Callable[[str], object] = lambda message: None,
    waiting: Callable[[int], object] = lambda running: None,
) -> Iterator[Result]:
    """Run what is missing of a sweep; yield each new result when it is on the disk.

    Args:
        config: what to do, and the folder for it.
        objective: an objective of your own, in place of the default and of `config.objective`.
        source: an attribute source of your own, in place of `config.source`.
        network: a network of your own, in place of `config.params`.
        watch: receives the sweep's status every few steps.
        stop: asked as often; when it returns True, the state is saved and the sweep ends.
        progress: counts faces of a gallery whose features must be computed first.
        notify: receives the numbers of runs and compilations, once, in words.
        waiting: receives how many other processes of a job still run when this one is done.

    Raises:
        SweepError, CheckpointError, GalleryError, OSError: bad input; nothing was run.
        SweepStopped: it was stopped, too much failed, or results could not be written.
    """
    check(config)
    own = Own(objective, source)
    with hosts.joined(config) as part:
        network = network or load_network(config.params)
        plan = make_plan(config, network, progress, own)
        notify(plan.summary)
        if config.distributed:
            hosts.agree(plan)
        with opened(config, network, plan, part) as folder:
            write_table(folder.path)
            spread = batch.replicate(network)
            job = Job(config, spread, share(plan, part), folder, watch, stop)
            try:
                yield from run(job)
                if config.distributed and part.number == 0:
                    hosts.wait_for_others(folder.path, part, waiting)
                    _check_complete(plan, folder)
                _write_report(config, folder)
            except OSError as error:
                reason = error.strerror or error
                raise SweepStopped(
                    f"{folder.path}: cannot be written to ({reason}); no file is half-written"
                ) from None
            finally:
                _write_table(folder)


def dry_run(config: Sweep, progress: Progress = lambda done, total: None) -> str:
    """Return what `run_sweep` would do, with memory and time, in lines for people.

    Nothing is run and nothing written.

    Raises:
        SweepError, CheckpointError, GalleryError, OSError: bad input.
    """
    check(config)
    network = load_network(config.params)
    plan = make_plan(config, network, progress)
    left = missing(plan, results.outcomes(config.out), again=config.retry_failed).total
    return forecast(config, plan, network, left)


def _check_complete(plan: Plan, folder: Folder) -> None:
    """Raise if other processes were lost before their runs were done."""
    left = missing(plan, results.outcomes(folder.path)).total
    if left:
        raise SweepStopped(
            f"{left} of {plan.total} runs are missing: a process of this job was lost or stopped"
        )


def _write_report(config: Sweep, folder: Folder) -> None:
    """Write the report once for a job, by its first process; each shard writes one, as any may be last."""
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
