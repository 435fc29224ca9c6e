"""Results in TensorBoard or Weights & Biases, beside the table; both are extras."""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from ..report.results import Result
from .settings import Sweep, SweepError

Hook = Callable[[Result], object]
"""Told of every result; one of your own can do the same around `run_sweep`."""
PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}


def numbers(result: Result) -> dict[str, float]:
    """What a result has in numbers: losses, parts, metrics, grid."""
    found = {f"loss/{name}": value for name, value in result.loss.items()}
    found |= {f"parts/{name}": values["last"] for name, values in result.parts.items()}
    found |= {
        f"metrics/{name}": value
        for name, value in result.metrics.items()
        if isinstance(value, float)
    }
    return found | {
        f"grid/{name}": float(value)
        for name, value in result.grid.items()
        if isinstance(value, int | float)
    }


def check(config: Sweep) -> None:
    """Refuse loggers that are not installed.

    Raises:
        SweepError: with the extra that brings it.
    """
    for name in config.log:
        try:
            importlib.import_module(PACKAGES[name])
        except ImportError:
            raise SweepError(
                f"--log {name} needs the extra: pip install 'facegen_jax[{name}]'"
            ) from None


def logged(config: Sweep, results: Iterator[Result]) -> Iterator[Result]:
    """The same results, each told to the loggers that are asked for, which open with the first."""
    with contextlib.ExitStack() as stack:
        hooks: list[Hook] = []
        for result in results:
            hooks = hooks or [
                stack.enter_context(
                    _tensorboard(config) if name == "tensorboard" else _wandb(config)
                )
                for name in dict.fromkeys(config.log)
            ]
            for hook in hooks:
                hook(result)
            yield result


@contextlib.contextmanager
def _tensorboard(config: Sweep) -> Iterator[Hook]:
    """Scalars by number of result, in the folder `tensorboard` of the sweep."""
    with importlib.import_module(PACKAGES["tensorboard"]).SummaryWriter(
        str(config.out / "tensorboard")
    ) as writer:
        count = 0

        def hook(result: Result) -> None:
            nonlocal count
            count += 1
            for name, value in numbers(result).items():
                writer.add_scalar(name, value, count)
            writer.add_text(
                "run", f"{result.name} {result.id} {result.status} {result.error or ''}", count
            )

        yield hook


@contextlib.contextmanager
def _wandb(config: Sweep) -> Iterator[Hook]:
    """One run of the project `facegen_jax`, named after the folder; what it needs to know is in its own environment variables."""
    wandb: Any = importlib.import_module(PACKAGES["wandb"])
    run = wandb.init(
        project="facegen_jax",
        name=config.out.name,
        dir=str(config.out),
        config={"grid": config.grid, "zip": config.zip},
    )
    try:
        yield lambda result: run.log(
            {**numbers(result), "name": result.name, "id": result.id, "ok": float(result.ok)}
        )
    finally:
        run.finish()
