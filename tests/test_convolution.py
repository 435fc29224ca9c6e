"""Convolution and max pooling: every path against float64, forward and backward."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax import Network, Solver, TotalVariation
from facegen_jax.descent.program import prepared
from facegen_jax.network import convolution, winograd
from facegen_jax.network.vgg_face import CONVOLUTIONS, Prepared, VGGFace, backbone_of, init_params
from facegen_jax.types import Features

PATHS = {  # height, width, inputs, outputs
    "into many channels": (12, 9, 3, 16),
    "into few channels": (9, 12, 16, 3),
    "direct": (11, 10, 8, 24),
    "Winograd": (28, 28, 64, 64),
    "Winograd, sides that tiles do not divide": (31, 26, 64, 72),
}


def _reference(maps, kernel):
    """Correlate in float64."""
    _, height, width, _ = maps.shape
    padded = np.pad(np.float64(maps), ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sum(
        padded[:, row : row + height, col : col + width] @ np.float64(kernel[row, col])
        for row in range(3)
        for col in range(3)
    )


@pytest.mark.parametrize("shape", PATHS.values(), ids=PATHS)
def test_prepared_convolutions_are_exact_to_rounding(shape):
    height, width, inputs, outputs = shape
    numbers = np.random.default_rng(0)
    maps = np.float32(numbers.normal(size=(2, height, width, inputs)))
    kernel = numbers.normal(size=(3, 3, inputs, outputs)).astype(np.float32)
    gradient = np.float32(numbers.normal(size=(2, height, width, outputs)))
    filters = convolution.filters(jnp.asarray(kernel), height, width)
    assert filters.forward.shape[0] == (6 if "Winograd" in _name(shape) else 3)
    found, pull = jax.vjp(lambda maps: convolution.convolve_with(maps, filters), jnp.asarray(maps))
    back = np.flip(kernel, (0, 1)).swapaxes(2, 3)
    for ours, exact in (
        (found, _reference(maps, kernel)),
        (pull(jnp.asarray(gradient))[0], _reference(gradient, back)),
    ):
        tolerance = 2e-5 if "Winograd" in _name(shape) else 1e-6
        assert np.abs(ours - exact).max() <= tolerance * np.abs(exact).max()


def _name(shape):
    return next(name for name, value in PATHS.items() if value == shape)


def test_filters_are_constants():
    maps, kernel = jnp.ones((1, 8, 8, 4)), jnp.ones((3, 3, 4, 4))
    filters = convolution.filters(kernel, 8, 8)
    gradient = jax.grad(lambda filters: convolution.convolve_with(maps, filters).sum())(filters)
    assert all(not leaf.any() for leaf in gradient)


@pytest.mark.parametrize("size", [(4, 4), (5, 6), (7, 7)])
def test_max_pool_shares_the_gradient_between_equal_maxima(size):
    maps = jnp.asarray(np.random.default_rng(0).integers(0, 3, (2, *size, 3)), jnp.float32)
    pooled, pull = jax.vjp(convolution.max_pool, maps)
    gradient = np.random.default_rng(1).normal(size=pooled.shape).astype(np.float32)
    found = np.asarray(pull(jnp.asarray(gradient))[0])
    expected = np.zeros_like(maps)
    for index in np.ndindex(pooled.shape):
        image, row, col, channel = index
        cell = (image, slice(2 * row, 2 * row + 2), slice(2 * col, 2 * col + 2), channel)
        assert pooled[index] == maps[cell].max()
        equal = np.asarray(maps)[cell] == np.asarray(maps)[cell].max()
        expected[cell] = equal * gradient[index] / equal.sum()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("layer", CONVOLUTIONS)
def test_prepared_networks_compute_the_same_maps_and_pixel_gradients(wide, layer):
    backbone, params, ready, image = wide

    def energy(params, image):
        maps = backbone.features(params, image, (layer,))[layer]
        return jnp.mean(jnp.square(maps)), maps

    with jax.enable_x64(True):
        exact = jax.grad(energy, 1, has_aux=True)(*jax.tree.map(_double, (params, image)))
    found = jax.grad(energy, 1, has_aux=True)(ready, image)
    for ours, exactly in zip(found, exact, strict=True):
        true = np.asarray(exactly)
        assert np.abs(np.asarray(ours) - true).max() <= 3e-5 * np.abs(true).max()


def _double(leaf):
    return jnp.asarray(np.float64(leaf))


@pytest.fixture(scope="module")
def wide():
    """A network whose second and third block are convolved by Winograd's algorithm."""
    module = VGGFace((4, 64, 64, 8, 8), ())
    params = init_params(jax.random.key(0), module, 64)
    backbone = backbone_of(params)
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 64, 64, 3)), jnp.float32)
    ready = backbone.prepared(params, 64, 64)
    assert len(ready.filters["conv2_2"]["kernel"].forward) == winograd.IN
    return backbone, params, ready, image


@dataclasses.dataclass(frozen=True)
class Own:
    """A backbone that prepares nothing."""

    layers: tuple[str, ...] = ("flat",)
    size: int = 8

    def features(self, params: float, images: jax.Array, layers: tuple[str, ...]) -> Features:
        return {"flat": images * params}


@pytest.mark.parametrize("sequential", [True, False])
def test_only_loops_of_one_problem_read_prepared_parameters(wide, sequential):
    backbone, params, _, _ = wide
    program = Solver(1.0 * TotalVariation()).program(Network(backbone, params))
    program = dataclasses.replace(program, sequential=sequential)
    assert isinstance(prepared(program, params, 64, 64), Prepared) == sequential
    own = dataclasses.replace(program, backbone=Own())
    assert prepared(own, jnp.float32(2), 8, 8) == 2
