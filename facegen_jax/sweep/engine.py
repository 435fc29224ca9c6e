"""A sweep from its configuration to its table."""

from collections.abc import Callable, Iterator

from ..descent import batch
from ..gallery.features import Looking
from ..network.checkpoint import load_network
from ..report import results
from ..report.report import write_report
from ..report.results import Result
from ..report.table import write_table
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
    watch: Watch = lambda status: None,
    stop: Callable[[], bool] = lambda: False,
    looking: Looking = lambda done, total: None,
    waiting: Callable[[int], object] = lambda running: None,
    planned: Callable[[str], object] = lambda summary: None,
) -> Iterator[Result]:
    """Do what is missing of a sweep, and yield each new result when it is on the disk.

    Args:
        config: what to do, and the folder for it.
        watch: told how far it is, every few steps.
        stop: asked as often; when it says so the state is saved and the sweep ends.
        looking: told of faces of a gallery that have to be described first.
        waiting: told how many other processes of a job still run, when this one has done its part.
        planned: told once how many runs and compilations there are.

    Raises:
        SweepError, CheckpointError, GalleryError, OSError: something cannot be as asked; nothing was run.
        SweepStopped: it was told to stop, too much failed, or results could not be written.
    """
    check(config)
    with hosts.joined(config) as part:
        network = load_network(config.params)
        plan = make_plan(config, network, looking)
        planned(plan.summary)
        if config.distributed:
            hosts.agree(plan)
        with opened(config, network, plan, part) as folder:
            write_table(folder.path)
            job = Job(
                config,
                network,
                share(plan, part),
                folder,
                batch.replicate(network.params),
                watch,
                stop,
            )
            try:
                yield from run(job)
                if config.distributed and part.number == 0:
                    hosts.wait_for_others(folder.path, part, waiting)
                    _check_whole(plan, folder)
                _write_report(config, folder)
            except OSError as error:
                raise SweepStopped(
                    f"{folder.path}: cannot be written to ({error.strerror or error}); what was written so far is whole"
                ) from None
            finally:
                _write_table(folder)


def dry_run(config: Sweep, looking: Looking = lambda done, total: None) -> str:
    """What `run_sweep` would do, with memory and time, in lines for people; nothing is run and nothing written.

    Raises:
        SweepError, CheckpointError, GalleryError, OSError: something cannot be as asked.
    """
    check(config)
    network = load_network(config.params)
    plan = make_plan(config, network, looking)
    return forecast(
        config,
        plan,
        network,
        missing(plan, results.outcomes(config.out), again=config.retry_failed).total,
    )


def _check_whole(plan: Plan, folder: Folder) -> None:
    """Say so when other processes were lost before their runs were done."""
    left = missing(plan, results.outcomes(folder.path)).total
    if left:
        raise SweepStopped(
            f"{left} of {plan.total} runs are missing, for a process of this job was lost or stopped"
        )


def _write_report(config: Sweep, folder: Folder) -> None:
    """Of a job the first process writes it, when all are done; of shards each, for nobody knows which is the last."""
    if config.report and (config.shard or folder.part.number == 0) and results.any_in(folder.path):
        write_report(folder.path)


def _write_table(folder: Folder) -> None:
    try:
        write_table(folder.path)
    except OSError as error:
        raise SweepStopped(
            f"{folder.path}: the table could not be written ({error.strerror or error}); the results are whole"
        ) from None
