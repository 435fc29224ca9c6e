"""Results in TensorBoard or Weights & Biases, in addition to the table; both are extras."""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from ..report.result import Result
from .settings import Sweep, SweepError

Hook = Callable[[Result], object]
"""Receives every result."""
PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}


def scalars(result: Result) -> dict[str, float]:
    """Return the numbers of a result by group and name: losses, parts, metrics, grid values."""
    losses = {f"loss/{name}": value for name, value in result.loss.items()}
    parts = {f"parts/{name}": values["last"] for name, values in result.parts.items()}
    metrics = {
        f"metrics/{name}": value
        for name, value in result.metrics.items()
        if isinstance(value, float)
    }
    grid = {
        f"grid/{name}": float(value)
        for name, value in result.grid.items()
        if isinstance(value, int | float)
    }
    return losses | parts | metrics | grid


def check(config: Sweep) -> None:
    """Refuse loggers that are not installed.

    Raises:
        SweepError: names the extra to install.
    """
    for name in config.log:
        try:
            importlib.import_module(PACKAGES[name])
        except ImportError:
            raise SweepError(
                f"--log {name} needs the extra: pip install 'facegen_jax[{name}]'"
            ) from None


def log_each(config: Sweep, results: Iterator[Result]) -> Iterator[Result]:
    """Yield the results, each after logging it. Loggers open at the first result."""
    with contextlib.ExitStack() as stack:
        hooks: list[Hook] = []
        for result in results:
            hooks = hooks or [
                stack.enter_context(_OPEN[name](config)) for name in dict.fromkeys(config.log)
            ]
            for hook in hooks:
                hook(result)
            yield result


@contextlib.contextmanager
def _open_tensorboard(config: Sweep) -> Iterator[Hook]:
    """Write scalars to the subfolder `tensorboard`; the step is the count of results."""
    package = importlib.import_module(PACKAGES["tensorboard"])
    with package.SummaryWriter(str(config.out / "tensorboard")) as writer:
        count = 0

        def hook(result: Result) -> None:
            nonlocal count
            count += 1
            for name, value in scalars(result).items():
                writer.add_scalar(name, value, count)
            text = f"{result.name} {result.id} {result.status} {result.error or ''}"
            writer.add_text("run", text, count)

        yield hook


@contextlib.contextmanager
def _open_wandb(config: Sweep) -> Iterator[Hook]:
    """Log to one run of the project `facegen_jax`, named after the folder.

    Account and server come from the environment variables of wandb itself.
    """
    wandb: Any = importlib.import_module(PACKAGES["wandb"])
    run = wandb.init(
        project="facegen_jax",
        name=config.out.name,
        dir=str(config.out),
        config={"grid": config.grid, "zip": config.zip},
    )
    try:
        yield lambda result: run.log(
            {**scalars(result), "name": result.name, "id": result.id, "ok": float(result.ok)}
        )
    finally:
        run.finish()


_OPEN = {"tensorboard": _open_tensorboard, "wandb": _open_wandb}
