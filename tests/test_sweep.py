"""A sweep in one process: table, compiled programs, resuming, failures, stops, lack of memory."""

import csv
import dataclasses
import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import EACH_OPTIMIZER

from facegen_jax.descent import batch, program, solver, terms
from facegen_jax.edit.engine import edit
from facegen_jax.faces import image
from facegen_jax.network.checkpoint import load_network
from facegen_jax.report import results
from facegen_jax.sweep import Sweep, SweepStopped, engine, run_sweep
from facegen_jax.sweep.plan import make_plan
from facegen_jax.sweep.settings import SweepError
from facegen_jax.types import Image


@pytest.fixture
def config(folder):
    return Sweep(
        folder / "pairs.csv",
        folder / "out",
        ("weights.attribute=0.1,1,10", "learning-rate=0.002,0.004"),
        params=str(folder / "tiny.safetensors"),
        align="none",
        steps=12,
        batch_size=5,
    )


@pytest.fixture
def plain(config):
    """A sweep without a grid: four runs."""
    return dataclasses.replace(config, grid=())


def compiled_programs() -> int:
    """Return the number of descents compiled so far."""
    # The type checker does not know the attribute.
    return getattr(program.run_chunk, "_cache_size")()  # noqa: B009


def table(config) -> dict[str, dict[str, str]]:
    with (config.out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


def images(config) -> dict[str, Image]:
    return {
        id: image.load(config.out / row["image"])
        for id, row in table(config).items()
        if row["image"]
    }


def assert_same(config, other):
    """Check that two sweeps have the same runs, with the same table rows and images."""
    rows, other_rows = table(config), table(other)
    assert rows.keys() == other_rows.keys()
    for id, row in rows.items():
        assert without_times(row) == without_times(other_rows[id])
    results, other_results = images(config), images(other)
    for id in results:
        np.testing.assert_array_equal(results[id], other_results[id])


def without_times(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if not name.startswith("seconds")}


def test_all_pairs_and_settings_run_in_one_program(config):
    before = compiled_programs()
    messages = list[str]()
    new = list(run_sweep(config, notify=messages.append))
    assert messages == ["24 runs: 4 pairs x 6 settings; 1 compilation"]
    assert len(new) == 24
    assert all(result.ok for result in new)
    assert compiled_programs() == before + 1
    rows = table(config)
    assert set(rows) == {result.id for result in new}
    assert {
        (row["name"], row["weights.attribute"], row["learning_rate"]) for row in rows.values()
    } == {
        (name, weight, rate)
        for name in ("first", "1", "2", "3")
        for weight in ("0.1", "1.0", "10.0")
        for rate in ("0.002", "0.004")
    }
    for id, row in rows.items():
        assert image.load(config.out / f"images/{id}.png").shape == (32, 32, 3)
        with np.load(config.out / f"traces/{id}.npz") as trace:
            assert trace["total"].shape == (12,)
            assert float(row["loss.last"]) == pytest.approx(float(trace["total"][-1]))
        assert float(row["loss.last"]) < float(row["loss.first"])
    manifest = json.loads((config.out / "sweep.json").read_text())
    assert manifest["config"]["steps"] == 12
    assert manifest["network"]["name"] == "tiny"
    assert (config.out / "pairs.csv").read_text() == config.pairs.read_text()


def test_a_run_equals_the_single_edit(plain, folder):
    plain = dataclasses.replace(plain, learning_rate=0.002, noise=0.02, seed=5)
    list(run_sweep(plain))
    plan = make_plan(plain, load_network(plain.params))
    (group,) = plan.groups
    for run in group.runs:
        (outcome,) = edit(
            dataclasses.replace(plan.edit(run), out=folder / "alone.png", params=plain.params)
        )
        np.testing.assert_array_equal(image.load(folder / "alone.png"), images(plain)[run.id])
        assert outcome.scores["identity_similarity"] == pytest.approx(
            float(table(plain)[run.id]["identity_similarity"]), abs=1e-6
        )


def test_a_finished_sweep_runs_nothing_again(config):
    list(run_sweep(config))
    lines = (config.out / "results.jsonl").read_text()
    assert list(run_sweep(config)) == []
    assert (config.out / "results.jsonl").read_text() == lines


@pytest.mark.parametrize("lost", ["lines", "half a line", "table", "an image"])
def test_only_missing_runs_are_repeated(config, lost):
    list(run_sweep(config))
    whole = dataclasses.replace(config, out=config.out.with_name("whole"))
    list(run_sweep(whole))
    file = config.out / "results.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    if lost == "table":
        (config.out / "results.csv").unlink()
    elif lost == "an image":
        (config.out / json.loads(lines[7])["image"]).unlink()
    else:
        file.write_text("".join(lines[:7]) + (lines[7][:50] if lost == "half a line" else ""))
    assert len(list(run_sweep(config))) == {"table": 0, "an image": 1}.get(lost, 17)
    assert len(file.read_text().splitlines()) == (25 if lost == "an image" else 24)
    assert_same(config, whole)


def test_steps_share_a_program_but_masks_and_optimizers_do_not(config):
    plan = make_plan(
        dataclasses.replace(
            config, grid=("steps=5,10", "region=none,mouth,eyes", "optimizer=adam,sgd")
        ),
        load_network(config.params),
    )
    assert len(plan.groups) == 8
    assert plan.programs == 4  # with and without a mask, for two optimizers


def test_duplicate_runs_are_left_out(config):
    plan = make_plan(
        dataclasses.replace(config, grid=("seed=1,2,3", "learning-rate=none,0.02")),
        load_network(config.params),
    )
    # A seed has no effect without noise, and 0.02 is the default.
    assert (plan.total, plan.duplicates) == (4, 20)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 21},
        {"learning_rate": 0.1},
        {"optimizer": "sgd"},
        {"region": "mouth"},
        {"noise": 0.1},
        {"colour": "luma"},
        {"strength": (0.5,)},
        {"size": 48},
        {"precision": "bfloat16"},
    ],
)
def test_ids_depend_on_settings(plain, change):
    network = load_network(plain.params)
    first, second = (
        {run.id for group in make_plan(each, network).groups for run in group.runs}
        for each in (plain, dataclasses.replace(plain, **change))
    )
    assert not first & second


def test_ids_depend_on_contents_not_on_names(plain, folder):
    network = load_network(plain.params)

    def ids():
        return [run.id for group in make_plan(plain, network).groups for run in group.runs]

    before = ids()
    (folder / "0.png").rename(folder / "moved.png")
    plain.pairs.write_text(
        plain.pairs.read_text().replace("0.png", "moved.png").replace("first", "other")
    )
    assert ids() == before
    image.save(folder / "moved.png", image.load(folder / "5.png"))
    assert ids()[0] != before[0]
    assert ids()[1:] == before[1:]


BAD = "broken.png,1.png,unreadable\nnone.png,1.png,missing\n0.png,none.png,guideless\n"
BAD_NAMES = ("unreadable", "missing", "guideless")


def test_failures_do_not_affect_other_runs(plain, folder):
    """Unreadable images and overflowing losses share batches with good runs."""
    list(run_sweep(dataclasses.replace(plain, out=folder / "good")))
    (folder / "broken.png").write_bytes((folder / "1.png").read_bytes()[:200])
    plain.pairs.write_text(plain.pairs.read_text().replace("name\n", "name\n" + BAD))
    by_name = {
        (result.name, float(str(result.grid["strength"]))): result
        for result in run_sweep(dataclasses.replace(plain, grid=("strength=1,1e30",)))
    }
    assert len(by_name) == 14
    for (name, strength), result in by_name.items():
        assert result.status == ("failed" if strength > 1 or name in BAD_NAMES else "ok")
    assert "broken.png: cannot be read" in str(by_name["unreadable", 1].error)
    assert "none.png: no such file" in str(by_name["missing", 1].error)
    assert "none.png: no such file" in str(by_name["guideless", 1].error)
    assert "not finite from step" in str(by_name["first", 1e30].error)
    for id, alone in images(dataclasses.replace(plain, out=folder / "good")).items():
        np.testing.assert_array_equal(images(plain)[id], alone)


def test_every_run_reports_its_error_if_none_can_be_prepared(plain, folder):
    for number in range(4):
        (folder / f"{number}.png").unlink()
    new = list(run_sweep(dataclasses.replace(plain, batch_size="auto")))
    assert [result.status for result in new] == ["failed"] * 4
    assert all("no such file" in str(result.error) for result in new)


def test_failed_runs_are_repeated_on_request(plain, folder):
    plain.pairs.write_text(plain.pairs.read_text() + "none.png,1.png,\n")
    assert [result.ok for result in run_sweep(plain)].count(False) == 1
    assert list(run_sweep(plain)) == []
    (again,) = run_sweep(dataclasses.replace(plain, retry_failed=True))
    assert not again.ok
    image.save(folder / "none.png", image.load(folder / "5.png"))
    (again,) = run_sweep(plain)  # the content has changed, so this is a new run
    assert again.ok
    assert len(table(plain)) == 5  # the new run replaces the failed one in the table


@pytest.mark.parametrize(
    ("option", "done"),
    [({"fail_fast": True}, 1), ({"max_failures": 1}, 2), ({"max_failures": 5}, 7)],
)
def test_too_many_failures_stop_the_sweep(plain, option, done):
    plain.pairs.write_text(plain.pairs.read_text().replace("name\n", "name\n" + BAD))
    config = dataclasses.replace(plain, batch_size=1, **option)
    if done == 7:
        assert len(list(run_sweep(config))) == 7
        return
    with pytest.raises(SweepStopped, match="failed"):
        list(run_sweep(config))
    assert done <= len(table(config)) < 7


def test_other_settings_are_refused_and_listed(plain):
    list(run_sweep(plain))
    other = dataclasses.replace(plain, steps=30, grid=("seed=0",))
    with pytest.raises(
        SweepError, match=r"grid was \[\], is \['seed=0'\]; steps was 12, is 30; --extend adds"
    ):
        list(run_sweep(other))
    plain.pairs.write_text(plain.pairs.read_text() + "4.png,5.png,\n")
    with pytest.raises(SweepError, match="pairs: 1 lines added, 0 removed"):
        list(run_sweep(plain))
    assert len(list(run_sweep(dataclasses.replace(other, extend=True)))) == 5
    assert len(table(plain)) == 9
    assert len(json.loads((plain.out / "sweep.json").read_text())["extended"]) == 1
    with pytest.raises(SweepError, match="already has results"):
        list(run_sweep(dataclasses.replace(other, resume=False)))


def test_options_that_change_no_image_may_differ(plain):
    list(run_sweep(plain))
    other = dataclasses.replace(plain, batch_size=2, checkpoint_steps=10, traces=False)
    assert list(run_sweep(other)) == []


@pytest.mark.parametrize("optimizer", EACH_OPTIMIZER)
def test_a_sweep_stopped_mid_descent_resumes_to_the_same_images(plain, folder, optimizer):
    plain = dataclasses.replace(
        plain, optimizer=optimizer, steps=43, checkpoint_steps=20, batch_size=3
    )
    whole = dataclasses.replace(plain, out=folder / "whole")
    list(run_sweep(whole))
    calls = []

    def stop():
        # The thread that prepares batches calls it too; the sixth call is amid the first descent.
        calls.append(1)
        return len(calls) >= 6

    with pytest.raises(SweepStopped, match="4 left"):
        list(run_sweep(plain, stop=stop))
    assert len(list((plain.out / "checkpoints").glob("*.npz"))) == 1
    steps = []
    assert len(list(run_sweep(plain, watch=lambda status: steps.append(status.step)))) == 4
    assert steps[0] > 10  # resumed, not restarted
    assert_same(plain, whole)
    assert not (plain.out / "checkpoints").exists()


def test_a_batch_with_a_damaged_state_starts_over(plain, folder):
    whole = dataclasses.replace(plain, out=folder / "whole")
    list(run_sweep(whole))
    with pytest.raises(SweepStopped):
        list(run_sweep(plain, stop=lambda: True))
    for path in (plain.out / "checkpoints").glob("*.npz"):
        path.write_bytes(path.read_bytes()[:500])
    assert len(list(run_sweep(plain))) == 4
    assert_same(plain, whole)


def test_batches_are_halved_when_memory_runs_out(config, monkeypatch):
    whole = dataclasses.replace(config, out=config.out.with_name("whole"))
    list(run_sweep(whole))
    advance, sizes = solver.Solver.advance, []

    def limited(self, params, problems, descent, most):
        sizes.append(len(problems.start))
        if len(problems.start) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
        return advance(self, params, problems, descent, most)

    monkeypatch.setattr(solver.Solver, "advance", limited)
    assert len(list(run_sweep(config))) == 24
    assert sizes.count(5) == 1
    assert_same(config, whole)


def test_edits_that_are_too_large_for_memory_fail(plain, monkeypatch):
    def full(self, params, problems, descent, most):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")

    monkeypatch.setattr(solver.Solver, "advance", full)
    new = list(run_sweep(plain))
    assert len(new) == 4
    assert all("does not fit into memory" in str(result.error) for result in new)


def test_a_full_disk_stops_the_sweep_without_half_written_files(config, monkeypatch):
    fsync, calls = os.fsync, []

    def full(file):
        calls.append(1)
        if len(calls) > 18:
            raise OSError(28, "No space left on device")
        fsync(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SweepStopped, match="No space left on device"):
        list(run_sweep(config))
    monkeypatch.undo()
    before = len(list(results.lines(config.out / "results.jsonl")))
    assert 0 < before < 24
    assert len(list(run_sweep(config))) == 24 - before
    assert len(table(config)) == 24


def test_a_dry_run_writes_nothing(config):
    text = engine.dry_run(config)
    assert text.startswith("24 runs: 4 pairs x 6 settings; 1 compilation\n")
    assert "\ngroup of 24: adam, 12 steps, 32x32 pixels, batches of " in text
    assert "GB predicted" in text
    assert not config.out.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"shard": "4/4"}, "--shard 4/4: expected I/N"), ({"out": Path("pairs.csv")}, "is a file")],
)
def test_a_dry_run_refuses_what_the_run_would(change, message, plain, monkeypatch):
    monkeypatch.chdir(plain.pairs.parent)
    for start in (engine.dry_run, lambda each: next(run_sweep(each))):
        with pytest.raises(SweepError, match=message):
            start(dataclasses.replace(plain, **change))


def test_automatic_batch_size_depends_on_memory(config, monkeypatch):
    config = dataclasses.replace(config, batch_size="auto")
    assert "batches of 24" in engine.dry_run(config)
    monkeypatch.setattr(batch, "available", lambda: 3_000_000)
    text = engine.dry_run(config)
    size = int(text.split("batches of ")[1].split(",")[0])
    assert 1 <= size < 24


def test_many_runs_are_spread_over_folders(plain, monkeypatch):
    monkeypatch.setattr("facegen_jax.sweep.folder.NESTED_FROM", 3)
    (first, *_) = run_sweep(plain)
    assert first.image == f"images/{first.id[:2]}/{first.id}.png"
    assert len(images(plain)) == 4


@pytest.mark.parametrize("parts", [2, pytest.param(3, marks=pytest.mark.long), 7])
def test_shards_together_equal_the_whole_sweep(config, parts):
    list(run_sweep(dataclasses.replace(config, out=config.out.with_name("whole"))))
    for number in range(parts):
        list(run_sweep(dataclasses.replace(config, shard=f"{number}/{parts}")))
    files = sorted(path.name for path in config.out.glob("results.*.jsonl"))
    assert files == [f"results.{number}-of-{parts}.jsonl" for number in range(parts)]
    assert_same(config, dataclasses.replace(config, out=config.out.with_name("whole")))


def test_runs_of_a_missing_shard_are_done_without_sharding(config):
    list(run_sweep(dataclasses.replace(config, shard="0/2")))
    assert len(list(run_sweep(config))) == 12
    assert len(table(config)) == 24


@pytest.mark.faces
def test_real_faces_with_directions_and_guides(tmp_path, faces):
    """Named attributes, a region and guides in one table."""
    people = [
        min((faces / "lfw/images" / name).glob("*.jpg"))
        for name in ("Aaron_Peirsol", "Tony_Blair", "Megawati_Sukarnoputri")
    ]
    rows = [
        f"{people[0]},,Smiling,",
        f"{people[1]},,Eyeglasses,mouth",
        f"{people[2]},{people[0]},,",
    ]
    (tmp_path / "pairs.csv").write_text("\n".join(["reference,guides,attribute,region", *rows]))
    config = Sweep(
        tmp_path / "pairs.csv",
        tmp_path / "out",
        ("weights.attribute=0.5,1",),
        steps=10,
        paste_back=True,
    )
    new = list(run_sweep(config))
    assert [result.ok for result in new] == [True] * 6
    for result in new:
        assert image.load(tmp_path / "out" / str(result.image)).shape == (250, 250, 3)
    gains = [result.metrics["attribute_gain"] for result in new]
    assert all(isinstance(gain, float) and gain > 0 for gain in gains[:4])


def test_problems_with_other_layers_wait_for_a_batch_of_their_kind(plain, folder):
    """With an objective of one's own, guides have maps at all its layers, channels at one."""
    plain.pairs.write_text(
        "reference,guides,channels\n"
        "0.png,1.png,\n"
        "1.png,,conv2_1:0=2\n"
        "2.png,4.png,\n"
        "3.png,,conv2_1:0=2\n"
        "4.png,1.png,\n"
    )
    objective = terms.Identity(("conv1_2",)) + terms.Attribute(("conv2_1",))
    results = list(run_sweep(dataclasses.replace(plain, batch_size=2), objective=objective))
    assert [result.error for result in results] == [None] * 5
    assert [result.pair["reference"][0] for result in results] == ["0", "2", "1", "3", "4"]
    for result in results:
        assert result.parts["attribute"]["last"] < result.parts["attribute"]["first"]
