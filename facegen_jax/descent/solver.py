"""The descent on pixels: a frozen `Solver`, and descents under way."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from ..bars import following
from ..network.devices import mesh_of, one_core_each
from ..network.features import as_network
from ..network.precision import FULL, Precision
from ..network.protocol import Network
from ..numbers import in_range
from ..types import Follow, Params
from .canvas import Canvas, Pixels
from .checks import check_single, check_stacked
from .objective import Objective
from .optimizer import Optimizer, as_optimizer
from .problem import Problem, stack
from .program import CHUNK, initial_state, prepared, run_chunk, run_chunk_on_cores
from .solution import Solution, Solutions, Status
from .step import UNTRACED, Program, State
from .transforms import Transform


class Descent(NamedTuple):
    """A descent of stacked problems under way: all that is needed to continue it."""

    state: State
    trace: Float[np.ndarray, "batch done values"]
    """Losses so far, the total first."""
    params: Any
    """The network's parameters as the loop reads them; see `program.prepared`."""

    @property
    def done(self) -> int:
        """Number of steps taken."""
        return self.trace.shape[1]


@dataclass(frozen=True)
class Solver:
    """How to descend. Solvers that differ in numbers only are equal and share compiled programs.

    Every method takes a `Network`, or VGG-Face parameters.
    """

    objective: Objective
    steps: int = field(default=200, compare=False)
    optimizer: str | Optimizer | optax.GradientTransformation = "adam"
    """`adam`, `sgd`, `lbfgs`, or any optax transformation; see `Optimizer`."""
    learning_rate: float | None = field(default=None, compare=False)
    """Factor on the optimizer's updates; None is the optimizer's default."""
    canvas: Canvas = field(default_factory=Pixels)
    schedule: optax.Schedule | None = field(default=None, compare=False)
    """Factor on the learning rate by step; None is a half cosine to 0 (constant for L-BFGS)."""
    transforms: tuple[Transform, ...] = ()
    """Random transformations in front of the network; see `transforms`."""
    samples: int = 1
    """Draws of the transformations that each step averages."""
    precision: Precision = FULL
    """Of the network in the loop: `float32`, `tensorfloat32` or `bfloat16`. Targets are float32."""

    def __post_init__(self):
        as_optimizer(self.optimizer)
        if not isinstance(self.objective, Objective):
            kind = type(self.objective).__name__
            raise ValueError(
                f"objective must be an Objective such as 1.0 * Identity(), not a {kind}"
            )
        if self.learning_rate is not None and not in_range(self.learning_rate):
            raise ValueError(f"learning_rate must be a finite number, not {self.learning_rate}")
        for name in ("steps", "samples"):
            number = getattr(self, name)
            if not isinstance(number, int | np.integer) or number < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {number}")
        if self.precision not in get_args(Precision):
            known = ", ".join(get_args(Precision))
            raise ValueError(f"precision must be one of {known}, not {self.precision!r}")

    def program(self, network: Network | Params) -> Program:
        """Return what is compiled for a network."""
        backbone, optimizer = as_network(network).backbone, as_optimizer(self.optimizer)
        drawn, sequential = (self.transforms, self.samples), jax.default_backend() == "cpu"
        return Program(
            self.objective, backbone, optimizer, self.canvas, *drawn, sequential, self.precision
        )

    def compile(self, network: Network | Params, problem: Problem) -> None:
        """Compile for one problem of this shape, by taking no step of it."""
        problems = self.with_defaults(stack([problem]))
        self._advance(as_network(network), problems, self.start(network, problems), 0)

    def run(self, network: Network | Params, problem: Problem, progress: Follow = None) -> Solution:
        """Solve one problem.

        Args:
            network: as from `load_network`, or VGG-Face parameters.
            problem: as from `from_guides`, `from_direction` or `from_maps`.
            progress: called between chunks, or whether to show a bar; None does in notebooks.

        Raises:
            ValueError: a problem that was built for another objective or network.
        """
        check_single(problem)
        return self.run_stacked(network, stack([problem]), progress=progress)[0]

    def run_stacked(
        self,
        network: Network | Params,
        problems: Problem,
        count: int | None = None,
        progress: Follow = None,
    ) -> Solutions:
        """Solve stacked problems together; the outcome of each is independent of the others.

        Args:
            network: as from `load_network`, or VGG-Face parameters.
            problems: as from `stack`.
            count: number of problems that count; the rest only fill the batch and take no step.
            progress: see `run`.
        """
        check_stacked(problems)
        problems = self.with_defaults(problems)
        descent = self.start(network, problems, count)
        with following(progress, self.steps) as follow:
            while descent.done < self.steps:
                descent = self.advance(network, problems, descent)
                if follow and follow(descent.done, descent.trace[:, -1, 0]):
                    break
        references = np.asarray(problems.targets.reference["image"])
        solved = zip(self.solutions(descent)[:count], references, strict=False)
        return Solutions(replace(solution, reference=each) for solution, each in solved)

    def start(
        self, network: Network | Params, problems: Problem, count: int | None = None
    ) -> Descent:
        """Return a descent of stacked problems before its first step; see `run_stacked`."""
        program, network = self.program(network), as_network(network)
        state, size = initial_state(program, problems), len(problems.start)
        params = prepared(program, network.params, *problems.start.shape[1:3])
        live = np.arange(size) < (size if count is None else count)
        state = state._replace(finite=jax.device_put(live, state.finite.sharding))
        values = 1 + len(self.objective.terms)
        return Descent(state, np.empty((size, 0, values), np.float32), params)

    def advance(
        self,
        network: Network | Params,
        problems: Problem,
        descent: Descent,
        most: int = CHUNK,
    ) -> Descent:
        """Take the next `CHUNK` steps, or `most`, or those that are left; uses up the descent.

        Problems that are spread over devices stay there.
        """
        count = min(CHUNK, most, self.steps - descent.done)
        return self._advance(as_network(network), problems, descent, count)

    def solutions(self, descent: Descent) -> list[Solution]:
        """Return the outcome of each problem so far."""
        names, stopped = ("total", *self.objective.names), descent.done < self.steps
        images = np.asarray(descent.state.best_image)
        statuses: list[Status] = [
            "non_finite" if not finite else "interrupted" if stopped else "ok"
            for finite in np.asarray(descent.state.finite)
        ]
        return [
            Solution(image, dict(zip(names, values.T, strict=True)), status)
            for image, values, status in zip(images, descent.trace, statuses, strict=True)
        ]

    def with_defaults(self, problems: Problem) -> Problem:
        """Fill in this solver's numbers where stacked problems carry none of their own."""
        batch, weights, rate = len(problems.start), problems.weights, problems.learning_rate
        if weights is None:
            weights = jnp.tile(jnp.array(self.objective.weights, jnp.float32)[None], (batch, 1))
        if rate is None:
            default = as_optimizer(self.optimizer).learning_rate
            chosen = default if self.learning_rate is None else self.learning_rate
            rate = jnp.full(batch, chosen, jnp.float32)
        seed = jnp.zeros(batch, jnp.uint32) if problems.seed is None else problems.seed
        return problems._replace(weights=weights, learning_rate=rate, seed=seed)

    def _factors(self, first: int) -> Float[np.ndarray, " chunk"]:
        """Evaluate the schedule for the chunk that begins at a step."""
        steps = np.arange(first, first + CHUNK)
        if self.schedule is not None:
            return np.array([self.schedule(int(step)) for step in steps], np.float32)
        if not as_optimizer(self.optimizer).decayed:
            return np.ones(CHUNK, np.float32)
        return (0.5 * (1 + np.cos(np.pi * steps / self.steps))).astype(np.float32)

    def _advance(
        self, network: Network, problems: Problem, descent: Descent, count: int
    ) -> Descent:
        program, mesh = self.program(network), mesh_of(problems.start)
        first, last = jnp.int32(descent.done), jnp.int32(descent.done + count)
        factors = jnp.asarray(self._factors(descent.done))
        run = run_chunk_on_cores if one_core_each(mesh) else run_chunk
        state, trace = run(
            program, mesh, descent.params, problems, descent.state, first, last, factors
        )
        losses = np.asarray(trace)[:, :count]
        losses = np.where(losses == UNTRACED, np.float32(np.nan), losses)
        return Descent(state, np.concatenate([descent.trace, losses], 1), descent.params)
