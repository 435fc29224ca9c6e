"""Measure descents on whatever devices JAX finds: one Markdown table, without network access.

    python experiments/speed/accelerator.py

Networks, objective and optimizer are those of `pytorch.py`, in the solver's own loop: the small
network at 112x112 and the full width with random parameters at 224x224, in every precision. Batches
double until more images no longer bring more steps a second, or memory ends. The share of peak is
that of the FLOPs which `floors.py` counts; devices whose peak is not listed there have none.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, get_args

import floors
import jax
import numpy as np
import tyro

import facegen_jax as fg
from facegen_jax import compilation
from facegen_jax.descent import batch
from facegen_jax.network import vgg_face
from facegen_jax.network.precision import Precision
from facegen_jax.network.vgg_face import VGGFace

IDENTITY = ("conv3_3", "conv4_3", "conv5_3")
ATTRIBUTE = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
OBJECTIVE = 1.0 * fg.Identity(IDENTITY) + 1.0 * fg.Attribute(ATTRIBUTE) + 0.1 * fg.TotalVariation()
TOY = {"toy": (4, 6, 8, 8, 8)}
GAIN = 1.02
"""A larger batch must be this much faster for a still larger one to be tried."""


@dataclass
class Config:
    """Measure descents on the devices at hand."""

    steps: int = 500
    """Steps of an edit, for edits a second."""
    seconds: float = 5.0
    """Time each batch for about this long, after its compilation."""
    largest: int = 1024
    """Largest batch to try."""
    precisions: tuple[Precision, ...] = get_args(Precision)
    networks: tuple[str, ...] = tuple(floors.WIDTHS)
    toy: bool = False
    """A tiny network and two batches, to see that everything runs."""


class Row(NamedTuple):
    """One batch, measured."""

    batch: int
    rate: float
    """Steps of one image in a second."""
    memory: int
    """Bytes of the compiled program on each device."""


def measure(
    solver: fg.Solver, network: fg.Network, problem: fg.Problem, config: Config
) -> Iterator[Row]:
    """Yield a row for every batch that fits, in doubling sizes, until they are no faster."""
    size, best = batch.rounded(1), 0.0
    while size <= max(config.largest, batch.rounded(1)):
        memory = batch.memory(solver, network, problem, size)
        if (free := batch.available()) is not None and memory > batch.SHARE * free:
            return
        try:
            rate = steps_per_second(solver, network, problem, size, config.seconds)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            return
        yield Row(size, rate, memory)
        if rate < GAIN * best:
            return
        size, best = 2 * size, rate


def steps_per_second(
    solver: fg.Solver, network: fg.Network, problem: fg.Problem, size: int, seconds: float
) -> float:
    """Run a batch for about `seconds` and return the steps of one image in a second."""
    stacked = solver.with_defaults(fg.stack([problem] * size))
    spread, (problems, _) = batch.replicate(network), batch.padded(stacked, size)
    descent = solver.advance(spread, problems, solver.start(spread, problems))  # compiles
    first, began = descent.done, time.perf_counter()
    while descent.done < solver.steps:
        descent = solver.advance(spread, problems, descent)
        if time.perf_counter() - began > seconds:
            break
    return size * (descent.done - first) / (time.perf_counter() - began)


def cases(config: Config) -> Iterator[tuple[str, fg.Network, fg.Problem, Precision]]:
    """Yield every network with a problem, in every precision."""
    widths = TOY if config.toy else {name: floors.WIDTHS[name] for name in config.networks}
    for name, each in widths.items():
        size = floors.SIZES.get(name, 32)
        params = vgg_face.init_params(jax.random.key(0), VGGFace(each, ()), size)
        network = fg.Network(vgg_face.backbone_of(params, size), params, name)
        coarse = jax.random.uniform(jax.random.key(1), (2, size // 4, size // 4, 3))
        faces = np.asarray(jax.image.resize(coarse, (2, size, size, 3), "cubic")).clip(0, 1)
        problem = fg.from_guides(network, OBJECTIVE, faces[0], [faces[1]])
        for precision in config.precisions:
            yield name, network, problem, precision


def line(name: str, size: int, precision: Precision, best: Row, config: Config) -> str:
    """Return a row of the table."""
    device, widths = jax.local_devices()[0], {**floors.WIDTHS, **TOY}[name]
    peak, share = floors.peak_of(device.device_kind), "unknown"
    if peak:
        whole = peak.flops[precision] * jax.local_device_count()
        share = f"{best.rate * floors.step(widths, size).flops / whole:.1%}"
    edits = best.rate / config.steps
    rates = f"{edits:.3g} | {best.rate:,.4g} | {share}"
    return f"| {name} | {size}x{size} | {precision} | {best.batch} | {rates} | {_gib(best)} |"


def _gib(row: Row) -> str:
    return f"{row.memory / 2**30:.2f} GiB"


def main(config: Config) -> None:
    compilation.use_every_core()
    compilation.keep_programs(print)  # the program whose memory was read is compiled already
    devices = jax.local_devices()
    print(
        f"{len(devices)} x {devices[0].platform}: {devices[0].device_kind}, jax {jax.__version__}"
    )
    print(f"Edits have {config.steps} steps; memory is that of each device.\n")
    print("| network | images | precision | best batch | edits/s | image-steps/s | peak | memory |")
    print("|---|---|---|---|---|---|---|---|")
    fastest = dict[str, tuple[float, str]]()
    for name, network, problem, precision in cases(config):
        steps = 20 if config.toy else max(config.steps, 10_000)  # the time limit ends it
        solver = fg.Solver(OBJECTIVE, steps, precision=precision)
        rows = list(measure(solver, network, problem, config))
        if not rows:
            print(f"| {name} | not even one image fits into the memory: {precision} | | | | | | |")
            continue
        best = max(rows, key=lambda row: row.rate)
        print(line(name, network.size, precision, best, config), flush=True)
        found = best.rate, f"{precision}, batches of {best.batch}"
        fastest[name] = max(fastest.get(name, found), found)
    for name, (_, words) in fastest.items():
        print(f"\nFastest, {name}: {words}.")


if __name__ == "__main__":
    main(tyro.cli(Config))
