"""The scripts that count and measure descents, at toy size."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments/speed"))
import accelerator
import floors

from facegen_jax.network.vgg_face import VGGBackbone, VGGFace, param_shapes


def test_descents_are_measured_on_the_devices_at_hand(capsys):
    config = accelerator.Config(toy=True, seconds=0.0, largest=2, precisions=("bfloat16",))
    accelerator.main(config)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| toy")]
    _, name, size, precision, batch, edits, steps, share, memory, _ = row.split("|")
    assert (name.strip(), size.strip(), precision.strip()) == ("toy", "32x32", "bfloat16")
    assert int(batch) in (1, 2)
    assert float(steps.replace(",", "")) == pytest.approx(500 * float(edits), rel=0.01)
    assert share.strip() == "unknown"  # of a CPU
    assert float(memory.split()[0]) >= 0


def test_batches_that_do_not_fit_are_not_tried(capsys, monkeypatch):
    monkeypatch.setattr(accelerator.batch, "available", lambda: 0)
    accelerator.main(accelerator.Config(toy=True, precisions=("float32",)))
    assert "not even one image fits" in capsys.readouterr().out


@pytest.mark.parametrize("name", floors.WIDTHS)
def test_flops_are_those_that_jax_counts(name):
    """Forward alone, which is half of the convolutions' FLOPs; JAX leaves out products with the
    padding, and adds what is little."""
    module, size = VGGFace(floors.WIDTHS[name], ()), floors.SIZES[name]
    backbone = VGGBackbone(module, size)

    def forward(params, images):
        return backbone.features(params, images, ("conv5_3",))

    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    cost = jax.jit(forward).lower(param_shapes(module, size), image).cost_analysis()
    assert cost is not None
    assert floors.step(floors.WIDTHS[name], size).flops / 2 == pytest.approx(cost["flops"], rel=0.1)


@pytest.mark.parametrize(
    ("kind", "listed"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("TPU v5 lite", "TPU v5e"),
        ("cpu", None),
    ],
)
def test_peaks_are_found_by_the_name_of_the_device(kind, listed):
    assert floors.peak_of(kind) == (floors.PEAKS[listed] if listed else None)
