"""What the program asks of a network: named feature maps of RGB images in [0, 1].

A `Backbone` is the structure, static in every compiled program; its parameters are traced
arguments. A `Network` joins both with a name and what its outputs mean. Whatever range, mean or
layout a backbone needs, it applies inside `features`; nothing outside knows.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..fingerprint import fingerprint
from ..names import did_you_mean
from ..types import AnyArray, Features, Images
from .precision import FULL, Precision

IMAGE = "image"
"""Layer zero of every network: the images themselves."""
DESCRIPTOR = "descriptor"
"""The layer of unit-length vectors that tell people apart, in networks that have one."""
LOGITS = "logits"
"""The layer of attribute or class logits, in networks that have one."""


@runtime_checkable
class Backbone(Protocol):
    """A feature extractor. It must hash by value, as a frozen dataclass or a Flax module does."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers from shallow to deep, without `"image"`."""
        ...

    @property
    def size(self) -> int:
        """Side in pixels of the square images that the network was trained on."""
        ...

    def features(self, params: Any, images: Images, layers: tuple[str, ...]) -> Features:
        """Return the maps of `layers`, as `batch height width channels` or `batch numbers`.

        Args:
            params: the network's parameters, any pytree of arrays.
            images: RGB in [0, 1], `batch height width 3`.
            layers: names of `self.layers`. Maps that are computed beside them cost nothing when
                compiled, because XLA removes what is not returned.
        """
        ...


@dataclass(frozen=True, eq=False)
class Network:
    """A backbone with its parameters and the meaning of its outputs."""

    backbone: Backbone
    params: Any
    """Any pytree of arrays that the backbone understands."""
    name: str = "own"
    attributes: tuple[str, ...] = ()
    """Names of the logits that score attributes."""
    classes: tuple[str, ...] = ()
    """Names of the logits that are people."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the file: origin, licence, format."""
    file_sha256: str = ""
    """Hash of the file, where the network was read from one."""

    def __post_init__(self):
        if not isinstance(self.backbone, Backbone):
            raise ValueError(
                f"a backbone has `layers`, `size` and `features(params, images, layers)`; "
                f"{type(self.backbone).__name__} lacks some of them (see docs/extending.md)"
            )

    @functools.cached_property
    def sha256(self) -> str:
        """Hash that tells networks apart: of the file, or of parameters and code."""
        return self.file_sha256 or _content_hash(self.backbone, self.params)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of all layers, the image first."""
        return (IMAGE, *self.backbone.layers)

    @property
    def size(self) -> int:
        """Side in pixels of the images that the network was trained on."""
        return self.backbone.size

    def has(self, *layers: str) -> bool:
        """Return whether the network has all of these layers."""
        return set(layers) <= set(self.layers)

    def with_params(self, params: Any) -> "Network":
        """Return the same network with its parameters elsewhere, such as on other devices."""
        return dataclasses.replace(self, params=params, file_sha256=self.sha256)

    def extract(self, images: Images, layers: tuple[str, ...]) -> dict[str, Float[Array, "..."]]:
        """Return maps by layer of images, `batch height width 3`, from a compiled forward pass."""
        return _compiled(self.backbone, self.params, jnp.asarray(images, jnp.float32), layers)


def _content_hash(backbone: Backbone, params: Any) -> str:
    digest = hashlib.sha256(fingerprint(backbone).encode())
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def check_layers(backbone: Backbone, layers: Iterable[str]) -> tuple[str, ...]:
    """Return the names as a tuple without repetitions.

    Raises:
        ValueError: a string instead of names, or an unknown layer; the message lists the valid
        ones.
    """
    if isinstance(layers, str):
        raise ValueError(
            f"layers are a tuple of names such as ({layers!r},), not the string {layers!r}"
        )
    layers, known = tuple(dict.fromkeys(layers)), (IMAGE, *backbone.layers)
    for name in layers:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(
                f"no layer {name!r} in this network{hint or ''}; it has {', '.join(known)}"
            )
    return layers


def extract(
    backbone: Backbone,
    params: Any,
    images: Images,
    layers: Iterable[str],
    precision: Precision = FULL,
) -> dict[str, Float[Array, "..."]]:
    """Return named feature maps of one image or a batch; `"image"` is the image itself.

    Args:
        backbone: the structure; static when compiled.
        params: its parameters.
        images: RGB in [0, 1], `height width 3` or `batch height width 3`.
        layers: names of the backbone's layers, or `"image"`.
        precision: of the network; for bfloat16 it is given images and parameters of that type, and
            its maps are returned in the images' own.

    Raises:
        ValueError: an unknown layer, or a backbone that does not return what it was asked.
    """
    layers = check_layers(backbone, layers)
    images = jnp.asarray(images)
    batch = images if images.ndim == 4 else images[None]
    deep = tuple(name for name in layers if name != IMAGE)
    seen = in_precision(batch, precision)
    with jax.default_matmul_precision(precision):
        maps = backbone.features(in_precision(params, precision), seen, deep) if deep else {}
    found: dict[str, AnyArray] = dict(maps)
    found[IMAGE] = batch
    missing = [name for name in layers if name not in found]
    if missing:
        raise ValueError(
            f"{type(backbone).__name__}.features was asked for {', '.join(missing)} and returned "
            f"{', '.join(sorted(found))}; it must return every layer that `layers` names"
        )
    features = {name: jnp.asarray(found[name]) for name in layers}
    if precision == "bfloat16":
        features = {name: maps.astype(batch.dtype) for name, maps in features.items()}
    return features if images.ndim == 4 else {name: maps[0] for name, maps in features.items()}


def in_precision(tree: Any, precision: Precision) -> Any:
    """Return arrays as a network of this precision stores them; whole numbers stay as they are."""

    def stored(leaf: Any) -> Any:
        fractional = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, jnp.bfloat16) if fractional else leaf

    return jax.tree.map(stored, tree) if precision == "bfloat16" else tree


_compiled = jax.jit(extract, static_argnums=(0, 3))
