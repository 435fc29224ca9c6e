"""Match an image's colours to a reference's, by pure functions of images."""

import importlib
import importlib.util

import numpy as np

from ..types import AnyArray, Image, Mask

LUMA_CHROMA = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""RGB to luma and two colour differences (ITU-R BT.601), one row each."""
TO_LUMA_CHROMA = np.array(LUMA_CHROMA, np.float32).T


class ColourError(ValueError):
    """A method that needs an extra; the message names it."""


def keep_colour(image: Image, reference: Image) -> Image:
    """Combine the image's luma (BT.601) with the reference's colour differences."""
    luma = np.asarray(image) @ TO_LUMA_CHROMA[:, :1]
    chroma = np.asarray(reference) @ TO_LUMA_CHROMA[:, 1:]
    return _clip(np.concatenate([luma, chroma], -1) @ np.linalg.inv(TO_LUMA_CHROMA))


def match_statistics(
    image: Image, reference: Image, mask: Mask | None = None, *, max_gain: float = 2.0
) -> Image:
    """Give each RGB channel the mean and standard deviation of the reference's.

    Reference: Reinhard et al., Color Transfer between Images, 2001.

    Args:
        image: changed everywhere, also outside the mask.
        reference: supplies the statistics.
        mask: soft mask that weighs the pixels of both images; None weighs all equally.
        max_gain: largest factor by which contrast may grow or shrink, so that the noise of a flat
            image is not amplified.
    """
    weights = np.ones(image.shape[:2], np.float32) if mask is None else np.asarray(mask)
    weights = weights[..., None] / max(float(weights.sum()), 1e-6)

    def statistics(array: Image) -> tuple[AnyArray, AnyArray]:
        mean = (array * weights).sum((0, 1), keepdims=True)
        return mean, np.sqrt((np.square(array - mean) * weights).sum((0, 1), keepdims=True))

    (mean, deviation), (target_mean, target_deviation) = statistics(image), statistics(reference)
    gain = np.clip(target_deviation / np.maximum(deviation, 1e-6), 1 / max_gain, max_gain)
    return _clip((image - mean) * gain + target_mean)


def match_histogram(image: Image, reference: Image, mask: Mask | None = None) -> Image:
    """Give each RGB channel the histogram of the reference's, with scikit-image (extra `colour`).

    With a mask, only pixels where it exceeds 0.5 are compared and changed.

    Raises:
        ColourError: scikit-image is not installed.
    """
    require_extra("histogram")
    match = importlib.import_module("skimage.exposure").match_histograms
    inside = np.ones(image.shape[:2], bool) if mask is None else np.asarray(mask) > 0.5
    result = np.array(image)
    if inside.any():
        result[inside] = match(result[inside], np.asarray(reference)[inside], channel_axis=-1)
    return _clip(result)


def require_extra(method: str) -> None:
    """Raise a ColourError if a method needs an extra that is not installed."""
    if method == "histogram" and importlib.util.find_spec("skimage") is None:
        raise ColourError(
            "matching histograms needs the extra `colour`: pip install 'facegen_jax[colour]'"
        )


def matched(method: str, image: Image, reference: Image, mask: Mask | None = None) -> Image:
    """Return the image with its colours matched inside the mask, unchanged outside.

    Args:
        method: `luma` (the image contributes only its luma), `statistics` or `histogram`; any other
            name returns the image as it is.
        image: image to recolour.
        reference: image with the wanted colours.
        mask: soft mask for both measuring and blending; None is everywhere.
    """
    if method == "luma":
        recoloured = keep_colour(image, reference)
    elif method == "statistics":
        recoloured = match_statistics(image, reference, mask)
    elif method == "histogram":
        recoloured = match_histogram(image, reference, mask)
    else:
        return image
    share = 1.0 if mask is None else np.asarray(mask)[..., None]
    return _clip(share * recoloured + (1 - share) * np.asarray(image))


def _clip(image: Image) -> Image:
    return np.clip(np.asarray(image), 0, 1).astype(np.float32)
