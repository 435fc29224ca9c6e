"""What a sweep does beside its descents: counted where it must not grow, bounded where kept."""

import contextlib
import dataclasses
import itertools
import os
import signal
import sys
import threading
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import dataclass
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from facegen_jax import compilation
from facegen_jax.descent import terms, tuned
from facegen_jax.edit import stacking
from facegen_jax.edit.finished import Solved, finish
from facegen_jax.faces import align, colour, geometry, image, photos
from facegen_jax.faces.photos import Wanted
from facegen_jax.faces.workers import Workers
from facegen_jax.network import metrics
from facegen_jax.network.checkpoint import load_network
from facegen_jax.report import results
from facegen_jax.report.result import Result
from facegen_jax.sweep import Sweep, backlog, reader, run_sweep, work
from facegen_jax.sweep.backlog import Backlog
from facegen_jax.sweep.plan import make_plan
from facegen_jax.sweep.reader import Reader
from facegen_jax.sweep.shelf import Shelf, size

AS_USERS = {
    **compilation.OPTIONS,
    "xla_backend_optimization_level": 3,
    "xla_cpu_use_fusion_emitters": True,
}
"""The programs of users: what the tests' flags compile may round otherwise in a batch of one."""
TRACES = list[int]()


@dataclass(frozen=True)
class Counted(terms.Attribute):
    """A term that knows how often it was traced."""

    def __call__(self, features, targets):
        TRACES.append(1)
        return super().__call__(features, targets)


@pytest.fixture
def config(folder):
    return Sweep(
        folder / "pairs.csv",
        folder / "out",
        params=str(folder / "tiny.safetensors"),
        align="none",
        steps=2,
        batch_size=2,
    )


@pytest.fixture
def network(config):
    return load_network(config.params)


@pytest.fixture
def prepared(config, network):
    """The four pairs of the table, each with two strengths."""
    grid = ("strength=0.5,1.5", "noise=0.1", "seed=7")
    plan = make_plan(dataclasses.replace(config, grid=grid), network)
    recall = Shelf(10**8).recall
    return [work.prepare(plan, network, run, recall) for run in plan.groups[0].runs]


@pytest.fixture
def searches(monkeypatch):
    """Photos in which a face was looked for; it is found at the template's place."""
    found = []

    def detect(photo):
        found.append(photo)
        return [geometry.TEMPLATE * len(photo) - 0.5]

    monkeypatch.setattr(align, "can_detect", lambda: True)
    monkeypatch.setattr(align, "detect", detect)
    return found


def test_more_runs_trace_compile_and_find_no_more(config, searches):
    objective = terms.Identity(("conv1_2",)) + Counted(("conv2_1",))
    config.pairs.write_text("reference,guides\n0.png,1.png\n")
    few = dataclasses.replace(config, align="auto", grid=("strength=0.5,1",))
    many = dataclasses.replace(
        few, out=config.out.with_name("many"), grid=("strength=0.1..2:10", "steps=2,3")
    )
    programs = (tuned.build_together, metrics.judge_together)
    assert len(list(run_sweep(few, objective=objective))) == 2
    traced, compiled = len(TRACES), [program._cache_size() for program in programs]  # pyright: ignore[reportAttributeAccessIssue]
    assert traced > 0
    assert len(searches) == 2
    new = list(run_sweep(many, objective=objective))
    assert [result.error for result in new] == [None] * 20
    assert len(TRACES) == traced
    assert [program._cache_size() for program in programs] == compiled  # pyright: ignore[reportAttributeAccessIssue]
    assert len(searches) == 4  # reference and guide, once for all settings and both groups


def test_landmarks_by_hand_are_never_replaced_by_those_found(folder, searches):
    found = Wanted(folder / "0.png", 32, "auto")
    by_hand = found._replace(landmarks=photos.flat(geometry.TEMPLATE * 20 + 3))
    here = Reader()
    for wanted in (found, by_hand, found._replace(size=16), by_hand._replace(size=16)):
        read = here.recall(wanted, list)
        np.testing.assert_array_equal(read.image, photos.read(wanted).image)
    assert len(searches) == 1 + 2  # the reader looked once, `photos.read` twice


def test_shelves_are_bounded_and_keep_the_latest():
    shelf, made = Shelf(3 * size(np.zeros(100))), []

    def recall(key):
        return shelf.recall(key, lambda: made.append(key) or np.zeros(100))

    for key in (1, 2, 3, 1, 4, 1, 2):
        recall(key)
        assert shelf.held == sum(size(shelf[each]) for each in list(shelf)) <= shelf.limit
    assert made == [1, 2, 3, 4, 2]
    shelf["large"] = ({"maps": np.zeros(10_000)}, "name")
    assert list(shelf) == ["large"]
    assert shelf.held > 80_000


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_problems_and_judgements_do_not_depend_on_the_batch(prepared, network, noise, monkeypatch):
    """Bit for bit: shuffled, padded, with references that follow each other or not."""
    monkeypatch.setattr(tuned, "build_together", tuned._compiled(compiler_options=AS_USERS))
    batch = [each.prepared._replace(noise=noise) for each in prepared]
    for order in (batch, batch[::-1], [batch[0], batch[3], batch[1], batch[0]]):
        together = stacking.stack(network, order, len(order) + 2)
        for row, each in enumerate(order):
            alone = stacking.stack(network, [each])
            for leaf, other in zip(*map(jax.tree.leaves, (together, alone)), strict=True):
                np.testing.assert_array_equal(leaf[row], other[0])
    images = np.stack([each.image for each in batch])
    for one, row in zip(metrics.judge(network, images, 3), images, strict=True):
        (alone,) = metrics.judge(network, row[None])
        np.testing.assert_array_equal(one.descriptor, alone.descriptor)


def test_accelerators_build_and_judge_the_same_at_once(prepared, network, monkeypatch):
    batch, images = [each.prepared for each in prepared], [each.prepared.image for each in prepared]
    one_by_one = (stacking.stack(network, batch, 9), metrics.judge(network, np.stack(images)))
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    at_once = (stacking.stack(network, batch, 9), metrics.judge(network, np.stack(images)))
    for leaf, other in zip(*map(jax.tree.leaves, (one_by_one, at_once)), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-4, atol=1e-4)


def test_scores_are_remembered_of_references_and_guides_only(prepared, network, monkeypatch):
    judged = []
    judge = metrics.judge
    monkeypatch.setattr(
        metrics, "judge", lambda *given: judged.append(len(given[1])) or judge(*given)
    )
    solved = [
        Solved(each.request, each.material, each.prepared.image * np.float32(0.9))
        for each in prepared
    ]
    memory = Shelf(10**6)
    first, second = (
        [each.scores for each in finish(network, solved[:4], memory, 4)] for _ in range(2)
    )
    # Two results that differ, two references, and two guides that are no references.
    assert judged == [2 + 2 + 2, 2]
    assert first == second


def test_many_references_with_one_direction_share_it(prepared):
    """A direction that all edits of a batch have in common is no part of the stacked arrays."""
    direction = prepared[0].prepared.direction
    batch = [each.prepared._replace(direction=dict(direction)) for each in prepared]
    arrays, shared = stacking._arrays(batch)
    assert arrays.direction == {}
    assert all(shared[layer] is maps for layer, maps in direction.items())
    arrays, shared = stacking._arrays([each.prepared for each in prepared])
    assert shared == {}
    assert {len(maps) for maps in arrays.direction.values()} == {len(prepared)}


def test_other_processes_read_the_same_faces_without_jax(folder):
    faces = [Wanted(folder / f"{number}.png", 24, "none") for number in range(4)]
    missing = Wanted(folder / "none.png", 24, "none")
    workers = Reader(1)
    try:
        pool = getattr(workers._workers, "_pool")  # noqa: B009  (private)
        assert pool.submit(eval, "'jax' in __import__('sys').modules").result() is False
        for wanted in (*faces, missing):
            workers.expect(wanted)
        assert len(workers._soon) == 5
        for wanted in faces[:2]:
            read, here = workers.recall(wanted, list), photos.read(wanted)
            np.testing.assert_array_equal(read.image, here.image)
            assert len(read.photo) == 0
        with pytest.raises(image.ImageError, match="no such file"):
            workers.recall(missing, list)
        (process,) = pool._processes.values()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        for wanted in (*faces[2:], faces[0]._replace(size=16)):
            workers.expect(wanted)
            assert len(workers.recall(wanted, list).image) == wanted.size
    finally:
        workers.close()


def test_nobody_waits_forever_for_a_killed_process(folder):
    workers = Workers(1)
    try:
        assert workers._first.result() is not None  # it has started
        faces = [Wanted(folder / "0.png", size, "none") for size in range(16, 80)]
        futures = [workers.read(each) for each in faces]
        cancelled = [future.cancel() for future in futures[1::2]]
        (process,) = getattr(workers._pool, "_processes").values()  # noqa: B009  (private)
        os.kill(process.pid, signal.SIGKILL)
        assert any(cancelled)
        for wanted, future in zip(faces, futures, strict=True):
            with contextlib.suppress(BrokenExecutor, CancelledError):
                assert len(future.result(60).image) == wanted.size
    finally:
        workers.close()


def test_faces_that_are_never_asked_for_do_not_pile_up(folder, monkeypatch):
    workers = Reader()
    fake = SimpleNamespace(read=lambda wanted: reader.Future())
    monkeypatch.setattr(workers, "_workers", fake)
    for number in range(3 * reader.AHEAD):
        workers.expect(Wanted(folder / f"{number}.png", 24, "none"))
    assert len(workers._soon) == reader.AHEAD


@pytest.mark.parametrize(
    ("asked", "faces", "main", "expected"),
    [
        (3, 1, "script", range(3, 4)),
        (0, 1000, "package", range(1)),
        ("auto", reader.FEWEST - 1, "package", range(1)),
        ("auto", reader.FEWEST, "script", range(1)),
        ("auto", reader.FEWEST, "package", range(1, reader.MOST_PROCESSES + 1)),
    ],
)
def test_processes_start_only_for_many_faces_and_never_run_a_script_again(
    asked, faces, main, expected, monkeypatch
):
    spec = SimpleNamespace(name="facegen_jax.sweep.__main__") if main == "package" else None
    module = SimpleNamespace(__file__="main.py", __spec__=spec)
    monkeypatch.setitem(sys.modules, "__main__", module)
    assert reader.processes(asked, faces) in expected


def blank(name: str) -> Result:
    return Result(name, name, "ok", None, {}, {}, {}, {}, {}, {}, [], [], None, None)


def test_the_backlog_writes_in_order_and_is_bounded(tmp_path):
    path, release, done = tmp_path / "results.jsonl", threading.Event(), []
    with Backlog(path) as waiting:
        waiting.add(lambda: release.wait(60) and [blank("a")], lambda: done.append("a"))  # pyright: ignore[reportArgumentType]
        waiting.add(lambda: [blank("b"), blank("c")])
        assert list(waiting.take(2)) == []
        threading.Timer(0.05, release.set).start()
        (first, *_) = waiting.take()
        assert [each.id for each in first] == done == ["a"]
        assert len(waiting._pending) <= backlog.MOST
    assert [each.id for each in results.lines(path)] == ["a", "b", "c"]


def test_a_sweep_that_is_not_read_to_its_end_keeps_what_was_solved(config):
    config = dataclasses.replace(config, grid=("seed=0..2", "noise=0.1"))
    sweep = run_sweep(config)
    (first, *_) = itertools.islice(sweep, 1)
    sweep.close()  # pyright: ignore[reportAttributeAccessIssue]
    lines = list(results.lines(config.out / "results.jsonl"))
    assert first.id in {result.id for result in lines}
    assert all((config.out / str(result.image)).exists() for result in lines)
    assert len(list(run_sweep(config))) == 12 - len(lines)


def test_a_run_that_cannot_be_finished_fails_alone(config, monkeypatch):
    matched = colour.matched

    def fails(method, picture, reference, where):
        if np.array_equal(reference, image.load(config.pairs.with_name("1.png"))):
            raise RuntimeError("no colours")
        return matched(method, picture, reference, where)

    monkeypatch.setattr(colour, "matched", fails)
    errors = {result.name: result.error for result in run_sweep(config)}
    assert errors == {"first": None, "1": "RuntimeError: no colours", "2": None, "3": None}
