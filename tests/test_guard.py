"""What a descent costs, counted instead of timed: traces, compilations, FLOPs and bytes.

A limit is the count when it was written plus a few percent. One that fails shows what the program
costs now: find out why before it is renewed with that number. A cheaper program may lower its own.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY

from facegen_jax.descent import problem as p
from facegen_jax.descent import terms as t
from facegen_jax.descent.program import CHUNK, initial_state, prepared, run_chunk
from facegen_jax.descent.solver import Solver
from facegen_jax.network import vgg_face
from facegen_jax.network.protocol import Network
from facegen_jax.network.vgg_face import VGGBackbone, VGGFace

OBJECTIVE = (
    t.Identity(("conv3_3", "conv4_3", "conv5_3"))
    + t.Attribute(("conv1_2", "conv2_2", "conv3_3", "conv4_3"))
    + 0.1 * t.TotalVariation()
)
TRACES = 2
"""Of the network in one edit: the targets, and the loss with its gradient."""
COMPILATIONS = 35
"""Of a first edit in a new process, most of them single operations."""
NETWORKS = {"tiny": (TINY, 32), "small": (VGGFace((16, 32, 64, 128, 128), ()), 112)}
LIMITS = {  # network, whether on a CPU: millions of FLOPs, megabytes before fusion
    ("tiny", True): (2.45, 10.9),
    ("tiny", False): (4.8, 10.6),
    ("small", True): (800, 572),
    ("small", False): (1920, 433),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Counting(VGGBackbone):
    """A backbone whose programs no other test has compiled; it counts how often it is traced."""

    traced: list[int] = dataclasses.field(default_factory=list)

    def features(self, params, images, layers):
        self.traced.append(1)
        return super().features(params, images, layers)


@pytest.fixture
def events():
    """Names of what JAX traces and compiles."""
    names = list[str]()

    def listen(event: str, seconds: float, **about: Any) -> None:
        names.append(event.rpartition("/")[2])

    jax.monitoring.register_event_duration_secs_listener(listen)  # pyright: ignore[reportArgumentType]
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)  # pyright: ignore[reportArgumentType]


def test_a_descent_is_traced_and_compiled_once(params, picture, guide, events):
    backbone = Counting(TINY, 32, (1, 1))
    network = Network(backbone, params)

    def solve(images, steps):
        problem = p.from_guides(network, OBJECTIVE, images[0], images[1:])
        Solver(OBJECTIVE, steps).run(network, problem)

    solve([picture, guide], 12)
    assert len(backbone.traced) <= TRACES
    assert 0 < events.count("backend_compile_duration") <= COMPILATIONS
    events.clear()
    solve([guide, picture], 25)
    assert len(backbone.traced) <= TRACES
    assert "backend_compile_duration" not in events
    assert "jaxpr_trace_duration" not in events


@pytest.mark.parametrize(("name", "sequential"), LIMITS)
def test_a_step_takes_no_more_flops_and_bytes(name, sequential):
    """Loops count once: this is a step of one problem on a CPU, of two on an accelerator."""
    cost = _lowered(*NETWORKS[name], sequential).cost_analysis()
    assert cost is not None
    found = np.array([cost["flops"], cost["bytes accessed"]]) / 1e6
    limit = np.array(LIMITS[name, sequential])
    message = f"{found} million FLOPs and megabytes, the limits are {limit}"
    assert np.all(found <= limit), message
    assert np.all(found > 0.8 * limit), f"{message}: lower them"


def _lowered(module, size, sequential):
    params = vgg_face.param_shapes(module, size)
    backbone = VGGBackbone(module, size)
    image = jax.ShapeDtypeStruct((size, size, 3), jnp.float32)
    program = Solver(OBJECTIVE).program(Network(backbone, params))
    program = dataclasses.replace(program, sequential=sequential)

    def build(params, image):
        network = Network(backbone, params)
        problem = p.from_maps(network, OBJECTIVE, image, network.extract(image, OBJECTIVE.layers))
        return Solver(OBJECTIVE).with_defaults(p.stack([problem] * 2))

    problems = jax.eval_shape(build, params, image)
    state = jax.eval_shape(lambda problems: initial_state(program, problems), problems)
    ready = jax.eval_shape(lambda params: prepared(program, params, size, size), params)
    number, factors = jnp.int32(0), jnp.ones(CHUNK)
    return run_chunk.lower(program, None, ready, problems, state, number, number, factors)
