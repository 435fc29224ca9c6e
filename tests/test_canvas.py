"""Canvases are linear, invertible, and clip to the box."""

import numpy as np
import pytest

from facegen_jax.descent.canvas import Fourier, Pixels, clip

CANVASES = [Pixels(), Pixels(chroma=1.0), Fourier(), Fourier(decay=0.5, chroma=0.1)]


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_round_trip(canvas, picture):
    np.testing.assert_allclose(canvas.image(canvas.parameters(picture)), picture, atol=1e-5)


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_linear(canvas, picture, guide):
    both = canvas.image(2 * canvas.parameters(picture) - canvas.parameters(guide))
    np.testing.assert_allclose(both, 2 * picture - guide, atol=1e-4)


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_clip_keeps_the_box(canvas, picture):
    image = canvas.image(clip(canvas, canvas.parameters(3 * picture - 1)))
    np.testing.assert_allclose(image, np.clip(3 * picture - 1, 0, 1), atol=1e-4)


def test_chroma_slows_colour_not_luma():
    """A step of one in every parameter moves grey fully and colour by the factor."""
    full, slow = (
        np.asarray(Pixels(chroma).image(np.array([[[0.0, 1.0, 0.0]]], np.float32)))
        for chroma in (1.0, 0.25)
    )
    np.testing.assert_allclose(slow, 0.25 * full, rtol=1e-5)
    np.testing.assert_allclose(
        Pixels(0.25).image(np.array([[[0.5, 0.0, 0.0]]], np.float32)), 0.5, rtol=1e-5
    )


def test_fourier_refuses_odd_widths():
    with pytest.raises(ValueError, match="even width, not 33"):
        Fourier().parameters(np.zeros((32, 33, 3), np.float32))
