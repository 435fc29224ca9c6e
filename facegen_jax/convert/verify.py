"""A converted network tried on an image; the release's own image has a published result."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ..faces import image
from ..files import digest
from ..network import published
from ..network.checkpoint import load_network
from ..network.features import classify
from ..network.vgg_face import MEAN_RGB
from ..types import Params


def verify(network_file: Path, image_file: Path, top: int = 5) -> list[str]:
    """Return lines with the input convention, the most probable classes, and a colour order check.

    If the image is the one that came with the release, its published probability is compared too.

    Raises:
        ImageError: an image that cannot be read.
    """
    network = load_network(network_file)
    if "fc8" not in network.params:
        return ["not verified: this file has no fc8 to classify with"]
    side = network.size
    face = image.resize(image.centre_square(image.read_photo(image_file).image), (side, side))
    forward = jax.jit(classify)
    as_read, swapped = (
        np.asarray(forward(params, jnp.asarray(face)))
        for params in (network.params, _swap_red_blue(network.params))
    )
    mean = ", ".join(f"{value:.4f}" for value in MEAN_RGB)
    lines = [f"{image_file}: RGB in 0-255 minus the mean {mean} (red, green, blue), {side}x{side}"]
    for number in np.argsort(-as_read)[:top]:
        name = network.classes[number] if network.classes else "(pass --names names.txt for names)"
        lines.append(f"{as_read[number]:8.4f}  class {number}  {name}")
    lines.append(
        f"with red and blue swapped: {swapped.max():.4f} for class {swapped.argmax()}, "
        f"{_compare(as_read, swapped)}"
    )
    if digest(image_file) == published.GOLDEN_IMAGE:
        lines.append(_compare_with_golden(as_read))
    else:
        lines.append(
            f"for comparison: ak.png of the release gives {published.GOLDEN_PROBABILITY} for class "
            f"{published.GOLDEN_CLASS} (Aamir_Khan) with Caffe's file"
        )
    return lines


def _swap_red_blue(params: Params) -> Params:
    first = {**params["conv1_1"], "kernel": jnp.asarray(params["conv1_1"]["kernel"])[:, :, ::-1]}
    return {**params, "conv1_1": first}


def _compare(as_read: np.ndarray, swapped: np.ndarray) -> str:
    if swapped.max() > 2 * as_read.max():
        return "more confident: WARNING, the colour order may be wrong (--colour)"
    if swapped.max() > as_read.max():
        return "not much more confident, as expected"
    return "less confident, as expected"


def _compare_with_golden(probabilities: np.ndarray) -> str:
    number, value = published.GOLDEN_CLASS, probabilities[published.GOLDEN_CLASS]
    agrees = abs(value - published.GOLDEN_PROBABILITY) < 1e-3 and probabilities.argmax() == number
    verdict = (
        "agrees"
        if agrees
        else "WARNING, differs (MatConvNet's and Caffe's files differ slightly; a wrong mean or "
        "order differs more)"
    )
    return (
        f"ak.png of the release: {value:.4f} for class {number}, "
        f"published {published.GOLDEN_PROBABILITY} with Caffe's file: {verdict}"
    )
