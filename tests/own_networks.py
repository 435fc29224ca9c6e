"""A small network of each kind that the program takes, for 32x32 images."""

import jax
import jax.numpy as jnp
from flax import linen, nnx

from facegen_jax.network.adapters import Function, Linen, from_nnx
from facegen_jax.network.protocol import Network

LAYERS = ("stem", "deep", "descriptor", "logits")
NAMES = ("Smiling", "Male")


def _heads(deep):
    pooled = deep.mean((1, 2))
    unit = pooled / jnp.sqrt(jnp.sum(pooled**2, -1, keepdims=True) + 1e-6)
    return {"descriptor": unit, "logits": pooled[..., :2]}


def _features(params, images):
    stem = jax.nn.relu(_convolved(images * 2 - 1, params["stem"]))
    deep = jax.nn.relu(_convolved(stem, params["deep"]))
    return {"stem": stem, "deep": deep, **_heads(deep)}


def _convolved(maps, kernel):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(maps, kernel, (2, 2), "SAME", dimension_numbers=layout)


def function_network() -> Network:
    keys = jax.random.split(jax.random.key(0))
    params = {
        "stem": jax.random.normal(keys[0], (3, 3, 3, 4)) / 3,
        "deep": jax.random.normal(keys[1], (3, 3, 4, 6)) / 3,
    }
    return Network(Function(_features, LAYERS, 32), params, "function", NAMES)


class _Unit(linen.Module):
    @linen.compact
    def __call__(self, maps):
        return _heads(maps)["descriptor"]


class _Head(linen.Module):
    @linen.compact
    def __call__(self, maps):
        return _heads(maps)["logits"]


class _Linen(linen.Module):
    @linen.compact
    def __call__(self, images):
        stem = linen.relu(linen.Conv(4, (3, 3), 2, name="stem")(images * 2 - 1))
        deep = linen.Conv(6, (3, 3), 2, name="deep")(stem)
        return _Unit(name="descriptor")(deep), _Head(name="logits")(deep)


def linen_network() -> Network:
    module = _Linen()
    variables = module.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    return Network(Linen(module, LAYERS, 32), variables, "linen", NAMES)


class _Pooled(nnx.Module):
    def __init__(self, head: str):
        self.head = head

    def __call__(self, maps):
        return _heads(maps)[self.head]


class _NNX(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.stem = nnx.Conv(3, 4, (3, 3), 2, rngs=rngs)
        self.deep = nnx.Conv(4, 6, (3, 3), 2, rngs=rngs)
        self.descriptor, self.logits = _Pooled("descriptor"), _Pooled("logits")

    def __call__(self, images):
        deep = self.deep(nnx.relu(self.stem(images * 2 - 1)))
        return self.descriptor(deep), self.logits(deep)


def nnx_network() -> Network:
    return from_nnx(_NNX(nnx.Rngs(0)), LAYERS, 32, name="nnx", attributes=NAMES)
