"""A converted network on a picture: what it sees, and what it should see on the picture that came with the release."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ..faces import image
from ..files import digest
from ..network import published
from ..network.checkpoint import load_network
from ..network.vgg_face import MEAN_RGB, classify
from ..types import Params


def verify(network_file: Path, picture_file: Path, top: int = 5) -> list[str]:
    """Lines with the most probable classes, the input convention, and golden values where the picture is the release's own.

    Raises:
        ImageError: a picture that cannot be read.
    """
    network = load_network(network_file)
    if "fc8" not in network.params:
        return ["not verified: this file has no fc8 to classify with"]
    side = network.size
    picture = image.resize(image.centre_square(image.load(picture_file)), (side, side))
    forward = jax.jit(classify)
    straight, exchanged = (
        np.asarray(forward(params, jnp.asarray(picture)))
        for params in (network.params, _exchanged(network.params))
    )
    lines = [
        f"{picture_file}: RGB in 0-255 less the mean {', '.join(f'{value:.4f}' for value in MEAN_RGB)} (red, green, blue), {side}x{side}"
    ]
    for number in np.argsort(-straight)[:top]:
        name = (
            network.classes[number] if network.classes else "(give --names names.txt to see names)"
        )
        lines.append(f"{straight[number]:8.4f}  class {number}  {name}")
    lines.append(
        f"with red and blue exchanged: {exchanged.max():.4f} for class {exchanged.argmax()}{_judgement(straight, exchanged)}"
    )
    if digest(picture_file) == published.GOLDEN_PICTURE:
        lines.append(_against_golden(straight))
    else:
        lines.append(
            f"to compare: ak.png of the release gives {published.GOLDEN_PROBABILITY} for class {published.GOLDEN_CLASS} (Aamir_Khan) with Caffe's file"
        )
    return lines


def _exchanged(params: Params) -> Params:
    first = {**params["conv1_1"], "kernel": jnp.asarray(params["conv1_1"]["kernel"])[:, :, ::-1]}
    return {**params, "conv1_1": first}


def _judgement(straight: np.ndarray, exchanged: np.ndarray) -> str:
    if exchanged.max() > 2 * straight.max():
        return ", which is surer: WARNING, the colour order may be wrong (--colour)"
    return (
        ", which is not much surer, as it should be"
        if exchanged.max() > straight.max()
        else ", which is less sure, as it should be"
    )


def _against_golden(probabilities: np.ndarray) -> str:
    number, value = published.GOLDEN_CLASS, probabilities[published.GOLDEN_CLASS]
    agrees = abs(value - published.GOLDEN_PROBABILITY) < 1e-3 and probabilities.argmax() == number
    verdict = (
        "agrees"
        if agrees
        else "WARNING, differs (MatConvNet's and Caffe's files differ a little; a wrong mean or order differs more)"
    )
    return f"ak.png of the release: {value:.4f} for class {number}, published {published.GOLDEN_PROBABILITY} with Caffe's file: {verdict}"
