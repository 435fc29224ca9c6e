"""Count what a descent step must compute and move, and how fast a device could do it at best.

    python experiments/speed/floors.py

This is arithmetic from the layer table: nothing is run. A step is a forward pass to the deepest
layer that the loss reads, and the gradient with respect to the pixels. Convolutions count as direct
ones, a multiplication and an addition as two FLOPs. Bytes are what remains when every elementwise
operation is fused into the convolution beside it: each convolution reads its input and writes its
output, forward and backward; the ReLU's mask, the targets and the pixels are read once, parameters
once for each direction and batch. A program that moves more than that is slower.
"""

from dataclasses import dataclass
from typing import NamedTuple

import tyro

from facegen_jax.network.precision import Precision
from facegen_jax.network.vgg_face import BLOCKS

WIDTHS = {"small": (16, 32, 64, 128, 128), "full": (64, 128, 256, 512, 512)}
SIZES = {"small": 112, "full": 224}
TARGETS = ("conv3_3", "conv4_3", "conv5_3", "conv1_2", "conv2_2", "conv3_3", "conv4_3")
"""Layers that the loss compares with a target: three of the identity, four of the attribute."""
EDITS, STEPS = 10, 500
"""The goal on one H100: this many edits a second, of this many steps."""


class Peak(NamedTuple):
    """What one device does in a second at best, from its maker's data sheet; dense, no sparsity."""

    flops: dict[Precision, float]
    """TPUs multiply bfloat16 only: tensorfloat32 takes three such passes, float32 six."""
    bytes: float


def _tpu(flops: float, bytes: float) -> Peak:
    passes: dict[Precision, int] = {"float32": 6, "tensorfloat32": 3, "bfloat16": 1}
    return Peak({name: flops / count for name, count in passes.items()}, bytes)


def _gpu(float32: float, tensorfloat32: float, bfloat16: float, bytes: float) -> Peak:
    flops: dict[Precision, float] = {
        "float32": float32,
        "tensorfloat32": tensorfloat32,
        "bfloat16": bfloat16,
    }
    return Peak(flops, bytes)


PEAKS = {
    "H200": _gpu(67e12, 494.5e12, 989e12, 4.8e12),
    "H100 PCIe": _gpu(51e12, 378e12, 756e12, 2.0e12),
    "H100": _gpu(67e12, 494.5e12, 989e12, 3.35e12),
    "A100": _gpu(19.5e12, 156e12, 312e12, 2.0e12),
    "TPU v5 lite": _tpu(197e12, 819e9),
    "TPU v5e": _tpu(197e12, 819e9),
    "TPU v4": _tpu(275e12, 1228e9),
}
"""By a part of JAX's name of the device; the first that fits counts."""


def peak_of(device_kind: str) -> Peak | None:
    """Return the peak of a device by the name that JAX gives it; None for one not listed."""
    return next((peak for name, peak in PEAKS.items() if name in device_kind), None)


class Step(NamedTuple):
    """What one step takes."""

    flops: float
    """Of one image."""
    bytes: float
    """Of one image."""
    shared: float
    """Bytes of the parameters, which a batch reads once."""


def step(widths: tuple[int, ...], size: int, precision: Precision = "float32") -> Step:
    """Count a step of a network with these widths on a square image of `size` pixels a side."""
    number = 2 if precision == "bfloat16" else 4
    flops = moved = shared = 0.0
    inputs, side = 3, size
    moved += 4 * 7 * 3 * size**2  # Adam reads pixels, moments, gradient; writes all but the last
    for block, width in zip(BLOCKS, widths, strict=True):
        for name in block:
            before, after = (number * side**2 * channels for channels in (inputs, width))
            flops += 2 * 2 * 9 * side**2 * inputs * width
            moved += before + after  # forward
            moved += 2 * after + before  # backward: gradient and mask in, gradient out
            moved += 4 * TARGETS.count(name) * side**2 * width
            shared += 2 * number * 9 * inputs * width
            inputs = width
        if block is not BLOCKS[-1]:
            pooled = number * (side // 2) ** 2 * inputs
            # Forward 4 in, 1 out; backward the maxima and their gradient in, 4 out. The maps that
            # it also reads are the ReLU's mask, which is counted above.
            moved += 11 * pooled
            side //= 2
    return Step(flops, moved, shared)


@dataclass
class Config:
    """Count a step, and print its floors as Markdown."""

    batch: int = 16
    """Images in a step, which share one reading of the parameters."""


def main(config: Config) -> None:
    print(f"A step, batch of {config.batch}:\n")
    print("| network | images | GFLOP an image | MB an image, float32 | MB an image, bfloat16 |")
    print("|---|---|---|---|---|")
    for name, widths in WIDTHS.items():
        size = SIZES[name]
        counts = [step(widths, size, precision) for precision in ("float32", "bfloat16")]
        moved = " | ".join(f"{_bytes(count, config.batch) / 1e6:.1f}" for count in counts)
        print(f"| {name} | {size}x{size} | {counts[0].flops / 1e9:.2f} | {moved} |")
    print("\nThe floor of a step, microseconds an image:\n")
    print("| network | device | precision | computing | memory | image-steps/s at most |")
    print("|---|---|---|---|---|---|")
    for name, widths in WIDTHS.items():
        for device in ("H100", "TPU v5e"):
            for precision, flops in PEAKS[device].flops.items():
                count = step(widths, SIZES[name], precision)
                seconds = count.flops / flops, _bytes(count, config.batch) / PEAKS[device].bytes
                times = " | ".join(f"{1e6 * each:.1f}" for each in seconds)
                print(f"| {name} | {device} | {precision} | {times} | {1 / max(seconds):,.0f} |")
    rate = EDITS * STEPS
    print(f"\n{EDITS} edits of {STEPS} steps a second, full width, on one H100:\n")
    print("| precision | TFLOP/s | share of peak | TB/s | share of peak |")
    print("|---|---|---|---|---|")
    for precision, flops in PEAKS["H100"].flops.items():
        count = step(WIDTHS["full"], SIZES["full"], precision)
        computed, moved = rate * count.flops, rate * _bytes(count, config.batch)
        shares = f"{computed / flops:.0%}", f"{moved / PEAKS['H100'].bytes:.0%}"
        print(f"| {precision} | {computed / 1e12:.0f} | {shares[0]} | ", end="")
        print(f"{moved / 1e12:.2f} | {shares[1]} |")


def _bytes(count: Step, batch: int) -> float:
    return count.bytes + count.shared / batch


if __name__ == "__main__":
    main(tyro.cli(Config))
