"""How images are parameterised while they are optimised: linear, invertible maps.

Both canvases work in decorrelated colour: luma and two colour differences. `chroma` scales the
colour differences, so that an optimizer with steps of one size in every coordinate (Adam) changes
colour that much more slowly than brightness. Source of both ideas: Olah, Mordvintsev & Schubert,
Feature Visualization, 2017.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..faces.colour import LUMA_CHROMA
from ..types import AnyArray, Image


def _colours(chroma: float) -> Float[np.ndarray, "3 3"]:
    """Return the matrix whose rows map luma and the scaled colour differences to RGB."""
    return np.linalg.inv(np.array(LUMA_CHROMA)).T * np.array([[1.0], [chroma], [chroma]])


@dataclass(frozen=True)
class Pixels:
    """One parameter for each pixel and colour channel; `chroma` 1 treats all channels equally."""

    chroma: float = 0.3

    def parameters(self, image: Image) -> Float[Array, "height width 3"]:
        """Return the parameters of an image, both `height width 3`."""
        inverse = np.linalg.inv(_colours(self.chroma))
        return jnp.asarray(image, jnp.float32) @ jnp.asarray(inverse, jnp.float32)

    def image(self, parameters: Float[AnyArray, "height width 3"]) -> Image:
        """Return the image of parameters, both `height width 3`; it is not clipped."""
        return jnp.asarray(parameters) @ jnp.asarray(_colours(self.chroma), jnp.float32)


@dataclass(frozen=True)
class Fourier:
    """One parameter for each real and imaginary Fourier coefficient of the image.

    Each is scaled by 1 / frequency^decay.
    """

    decay: float = 1.0
    chroma: float = 0.3

    def _scale(self, height: int, width: int) -> Float[np.ndarray, "height half 1"]:
        rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
        frequency = np.sqrt(rows**2 + columns**2)
        scale = 1 / np.maximum(frequency, 1 / max(height, width)) ** self.decay
        unit = scale / np.sqrt(np.mean(scale**2)) * np.sqrt(height * width)
        return unit.astype(np.float32)[..., None]

    def parameters(self, image: Image) -> Float[Array, "2 height half 3"]:
        """Return the parameters, `2 height half 3`, of an image, `height width 3`.

        Half is width / 2 + 1.

        Raises:
            ValueError: an odd width.
        """
        height, width, _ = image.shape
        if width % 2:
            raise ValueError(f"the Fourier canvas needs an even width, not {width}")
        spectrum = jnp.fft.rfft2(Pixels(self.chroma).parameters(image), axes=(0, 1))
        return jnp.stack([spectrum.real, spectrum.imag]) / self._scale(height, width)[None]

    def image(self, parameters: Float[AnyArray, "2 height half 3"]) -> Image:
        """Return the image, `height width 3` and not clipped, of parameters, `2 height half 3`."""
        _, height, half, _ = parameters.shape
        width = 2 * (half - 1)
        real, imaginary = parameters * self._scale(height, width)[None]
        spectrum = lax.complex(real, imaginary)
        return Pixels(self.chroma).image(jnp.fft.irfft2(spectrum, (height, width), axes=(0, 1)))


Canvas = Pixels | Fourier


def clip(canvas: Canvas, parameters: Array) -> Array:
    """Project parameters so that every pixel of their image lies in [0, 1]."""
    return canvas.parameters(jnp.clip(canvas.image(parameters), 0, 1))
