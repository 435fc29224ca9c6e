"""Canvases: linear, invertible, and clipped to valid images."""

import numpy as np
import pytest

from facegen_jax.descent.canvas import Fourier, Pixels, clip

CANVASES = [Pixels(), Pixels(chroma=1.0), Fourier(), Fourier(decay=0.5, chroma=0.1)]


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_round_trip(canvas, picture):
    np.testing.assert_allclose(canvas.image(canvas.parameters(picture)), picture, atol=1e-5)


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_linear(canvas, picture, guide):
    combined = canvas.image(2 * canvas.parameters(picture) - canvas.parameters(guide))
    np.testing.assert_allclose(combined, 2 * picture - guide, atol=1e-4)


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_clip_gives_a_valid_image(canvas, picture):
    image = canvas.image(clip(canvas, canvas.parameters(3 * picture - 1)))
    np.testing.assert_allclose(image, np.clip(3 * picture - 1, 0, 1), atol=1e-4)


def test_chroma_scales_steps_in_colour_but_not_in_luma():
    luma, colour = (np.array([[step]], np.float32) for step in ([0.5, 0.0, 0.0], [0.0, 1.0, 0.0]))
    full, scaled = (np.asarray(Pixels(chroma).image(colour)) for chroma in (1.0, 0.25))
    np.testing.assert_allclose(scaled, 0.25 * full, rtol=1e-5)
    np.testing.assert_allclose(Pixels(0.25).image(luma), 0.5, rtol=1e-5)


def test_fourier_refuses_odd_widths():
    with pytest.raises(ValueError, match="even width, not 33"):
        Fourier().parameters(np.zeros((32, 33, 3), np.float32))
