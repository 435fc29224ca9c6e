"""The devices at hand, and what is spread over them."""

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


def one_core_each(mesh: jax.sharding.Mesh | None) -> bool:
    """Return whether every device of a mesh is one core of a CPU."""
    return mesh is not None and mesh.size >= cores() and jax.default_backend() == "cpu"


def sharing() -> int:
    """Return the number of devices that share one memory: those of a CPU."""
    return jax.local_device_count() if jax.default_backend() == "cpu" else 1
