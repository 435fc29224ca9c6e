"""The devices at hand, and what is spread over them."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..compilation import cores
from ..types import AnyArray


def sharding(spec: jax.sharding.PartitionSpec) -> jax.sharding.Sharding:
    """Return how arrays of this partition lie on all local devices."""
    devices = jax.local_devices()
    if len(devices) == 1:
        return jax.sharding.SingleDeviceSharding(devices[0])
    return jax.sharding.NamedSharding(jax.sharding.Mesh(np.array(devices), ("batch",)), spec)


def mesh_of(array: AnyArray) -> jax.sharding.Mesh | None:
    """Return the mesh over which an array is spread; None if every device holds all of it."""
    sharding = getattr(array, "sharding", None)
    if not isinstance(sharding, jax.sharding.NamedSharding) or sharding.is_fully_replicated:
        return None
    assert not isinstance(sharding.mesh, jax.sharding.AbstractMesh)
    return sharding.mesh


def home(arrays: Any) -> jax.sharding.Mesh | None:
    """Return the mesh on which arrays lie, whole or in shares; None for one device, and NumPy's."""
    for leaf in jax.tree.leaves(arrays)[:1]:
        sharding = getattr(leaf, "sharding", None)
        if isinstance(sharding, jax.sharding.NamedSharding) and sharding.mesh.size > 1:
            assert not isinstance(sharding.mesh, jax.sharding.AbstractMesh)
            return sharding.mesh
    return None


def place(batch: Any, mesh: jax.sharding.Mesh | None) -> Any:
    """Return a batch with its share of rows on each device of a mesh; as it is without one."""
    if mesh is None:
        return batch
    rows = jax.sharding.NamedSharding(mesh, jax.P(mesh.axis_names[0]))
    return jax.device_put(batch, rows)


def split(function: Callable[..., Any], mesh: jax.sharding.Mesh | None, *batched: bool) -> Any:
    """Return a function of batches as one that gives each device of a mesh its share of them.

    Args:
        function: returns arrays with a leading batch axis.
        mesh: the devices; None returns the function itself.
        batched: for each argument, whether it is a batch; others go whole to every device.
    """
    if mesh is None:
        return function
    share, whole = jax.P(mesh.axis_names[0]), jax.P()
    specs = tuple(share if each else whole for each in batched)
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=share, check_vma=False)


def one_core_each(mesh: jax.sharding.Mesh | None) -> bool:
    """Return whether every device of a mesh is one core of a CPU."""
    return mesh is not None and mesh.size >= cores() and jax.default_backend() == "cpu"


def sharing() -> int:
    """Return the number of devices that share one memory: those of a CPU."""
    return jax.local_device_count() if jax.default_backend() == "cpu" else 1
