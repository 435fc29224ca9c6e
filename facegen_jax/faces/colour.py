"""An edit's or a guide's colours brought back to those of a reference: pure functions of pictures."""

import importlib
import importlib.util

import numpy as np

from ..types import AnyArray, Image, Mask

LUMA_CHROMA = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""RGB to luma and two colour differences (ITU-R BT.601), one row each."""
TO_LUMA_CHROMA = np.array(LUMA_CHROMA, np.float32).T


class ColourError(ValueError):
    """A way of matching colours that needs an extra; the message names it."""


def keep_colour(image: Image, reference: Image) -> Image:
    """The brightness (BT.601 luma) of the picture with the colour differences of the reference: only luma is transferred."""
    luma = np.asarray(image) @ TO_LUMA_CHROMA[:, :1]
    chroma = np.asarray(reference) @ TO_LUMA_CHROMA[:, 1:]
    return _bounded(np.concatenate([luma, chroma], -1) @ np.linalg.inv(TO_LUMA_CHROMA))


def match_statistics(
    image: Image, reference: Image, mask: Mask | None = None, *, at_most: float = 2.0
) -> Image:
    """Give each RGB channel the mean and standard deviation of the reference's, as Reinhard et al. do (Color Transfer between Images, 2001).

    Args:
        image: the picture whose colours change, everywhere.
        reference: has the colours that are wanted.
        mask: where statistics are taken in both; everywhere by default.
        at_most: the largest factor on contrast, up or down: a flat picture's noise is not blown up.
    """
    weights = np.ones(image.shape[:2], np.float32) if mask is None else np.asarray(mask)
    weights = weights[..., None] / max(float(weights.sum()), 1e-6)

    def statistics(picture: Image) -> tuple[AnyArray, AnyArray]:
        mean = (picture * weights).sum((0, 1), keepdims=True)
        return mean, np.sqrt((np.square(picture - mean) * weights).sum((0, 1), keepdims=True))

    (mean, deviation), (wanted_mean, wanted_deviation) = statistics(image), statistics(reference)
    factor = np.clip(wanted_deviation / np.maximum(deviation, 1e-6), 1 / at_most, at_most)
    return _bounded((image - mean) * factor + wanted_mean)


def match_histogram(image: Image, reference: Image, mask: Mask | None = None) -> Image:
    """Give each RGB channel the histogram of the reference's, by scikit-image (the extra `colour`).

    With a mask, pixels where it is above a half are matched, and the rest stays; statistics come from those pixels of both.

    Raises:
        ColourError: scikit-image is not installed.
    """
    check("histogram")
    match = importlib.import_module("skimage.exposure").match_histograms
    inside = np.ones(image.shape[:2], bool) if mask is None else np.asarray(mask) > 0.5
    matched = np.array(image)
    if inside.any():
        matched[inside] = match(matched[inside], np.asarray(reference)[inside], channel_axis=-1)
    return _bounded(matched)


def check(way: str) -> None:
    """Raise a ColourError where a way needs an extra that is not installed."""
    if way == "histogram" and importlib.util.find_spec("skimage") is None:
        raise ColourError(
            "matching histograms needs the extra `colour`: pip install 'facegen_jax[colour]'"
        )


def matched(way: str, image: Image, reference: Image, mask: Mask | None = None) -> Image:
    """The picture with its colours matched where the mask is, and as it was elsewhere.

    Args:
        way: `luma` (only the picture's brightness is kept), `statistics` or `histogram`; anything else leaves it as it is.
        image: the picture.
        reference: whose colours are wanted.
        mask: soft; where statistics are taken and used. Everywhere by default.
    """
    if way not in ("luma", "statistics", "histogram"):
        return image
    new = (
        keep_colour(image, reference)
        if way == "luma"
        else {"statistics": match_statistics, "histogram": match_histogram}[way](
            image, reference, mask
        )
    )
    share = 1.0 if mask is None else np.asarray(mask)[..., None]
    return _bounded(share * new + (1 - share) * np.asarray(image))


def _bounded(image: Image) -> Image:
    return np.clip(np.asarray(image), 0, 1).astype(np.float32)
