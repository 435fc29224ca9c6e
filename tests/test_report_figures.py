"""Figures and videos of a sweep, and the intermediate images that videos are made of."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from facegen_jax.faces import image
from facegen_jax.network.baselines import Baselines
from facegen_jax.report import __main__ as command
from facegen_jax.report import figures, results
from facegen_jax.report.columns import make_columns
from facegen_jax.report.contact_sheet import CELL, FAILED, GAP, LEFT, TOP, arrange
from facegen_jax.report.plots import runs_by_setting
from facegen_jax.report.result import Result
from facegen_jax.report.results import ResultsError
from facegen_jax.report.study import load_study
from facegen_jax.report.video import HOLD, MIN_SIDE, write_video
from facegen_jax.sweep import Sweep, SweepStopped, run_sweep


@pytest.fixture
def out(swept, tmp_path) -> Path:
    """A copy of a finished sweep's folder."""
    return Path(shutil.copytree(swept, tmp_path / "out"))


@pytest.fixture
def run(out) -> Result:
    """A run that succeeded."""
    return next(result for result in results.lines(out / "results.jsonl") if result.image)


def frames_of(folder: Path, result: Result) -> Path:
    assert result.frames
    return folder / result.frames


def test_figures_are_neither_empty_nor_full(out):
    study = load_study(out)
    for path in figures.write_figures(study, Baselines(0.8, 0.2, 100, 10, "people")):
        figure = image.load(path)
        assert min(figure.shape[:2]) > 200
        assert 0.005 < (figure < 0.5).mean() < 0.7


def test_a_sheet_has_a_row_for_each_face_and_a_column_for_each_setting(out):
    study = load_study(out)
    headings, rows = arrange(study, make_columns(study.results))
    assert headings == [
        "reference",
        "weights.attribute 0.1",
        "weights.attribute 1",
        "weights.attribute 10",
    ]
    assert len(rows) == 5
    by_setting = {
        (result.name, result.grid["weights.attribute"]): result for result in study.results
    }
    first = next(row for row in rows if row.name.startswith("0"))
    assert first.images == [
        by_setting["first", 1.0].before,
        *(by_setting["first", weight].image for weight in (0.1, 1.0, 10.0)),
    ]
    missing = next(row for row in rows if row.name.startswith("gone"))
    assert missing.images == [None, FAILED, FAILED, FAILED]


def test_a_sheet_shows_images_pixel_by_pixel(out):
    study = load_study(out)
    _, rows = arrange(study, make_columns(study.results))
    sheet = image.load(figures.write_figures(study)[0])
    expected = image.resize(image.load(out / str(rows[1].images[2])), (CELL, CELL))
    top, left = TOP + CELL + GAP, LEFT + 2 * (CELL + GAP)
    np.testing.assert_allclose(sheet[top : top + CELL, left : left + CELL], expected, atol=3 / 255)


def test_plots_show_the_runs_that_succeeded(out):
    study = load_study(out)
    groups = runs_by_setting(study, make_columns(study.results))
    assert list(groups) == ["weights.attribute 0.1", "weights.attribute 1", "weights.attribute 10"]
    assert {study.results[run].status for runs in groups.values() for run in runs} == {"ok"}
    assert sum(map(len, groups.values())) == 12


@pytest.mark.parametrize("succeeded", [0, 1])
def test_figures_are_drawn_of_hardly_any_run(out, succeeded):
    """All runs failed, or there is a single one without a trace."""
    file = out / "results.jsonl"
    failures_first = sorted(results.lines(file), key=lambda result: result.ok)
    chosen = failures_first[-1:] if succeeded else failures_first[:3]
    file.write_bytes(b"".join(results.line(result._replace(trace=None)) for result in chosen))
    assert all(path.stat().st_size for path in figures.write_figures(load_study(out)))


def test_without_matplotlib_the_page_is_written_and_a_line_names_the_extra(
    out, monkeypatch, run_command
):
    monkeypatch.setattr(figures, "can_draw", lambda: False)
    code, output, errors = run_command(command.main, out)
    assert code == 0
    assert output == f"{out / 'report.html'}\n"
    assert "pip install 'facegen_jax[plots]'" in errors
    assert not (out / "curves.png").exists()
    with pytest.raises(ResultsError, match="plots"):
        figures.write_figures(load_study(out))


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_a_video_runs_from_the_reference_to_the_result(out, run, kind):
    path = write_video(out, run.id[:6], kind, rate=5.0)
    assert path == out / f"videos/{run.id}.{kind}"
    with PIL.Image.open(path) as video:
        count = getattr(video, "n_frames", 1)
        frames, durations = [], []
        for number in range(count):
            video.seek(number)
            video.load()
            frames.append(np.asarray(video.convert("RGB"), np.float32) / 255)
            durations.append(video.info["duration"])
    last = image.load(frames_of(out, run) / "000020.png")
    # Steps 0, 7, 14 and 20, and the result unless it is the last of them.
    images = 4 + (not np.array_equal(last, image.load(out / str(run.image))))
    assert 3 <= count <= images  # equal frames may be merged
    assert sum(durations) == 200 * (images - 1) + 1000 * HOLD
    assert durations[0] == 200
    assert durations[-1] >= 1000 * HOLD
    for frame, name in ((frames[0], run.before), (frames[-1], run.image)):
        expected = image.resize(image.load(out / str(name)), (MIN_SIDE, MIN_SIDE))
        assert np.abs(frame - expected).mean() < 0.04


def test_videos_that_cannot_be_made_are_refused(out, run):
    with pytest.raises(ResultsError, match="15 runs have an id that begins with ''"):
        write_video(out, "")
    shutil.rmtree(frames_of(out, run))
    with pytest.raises(
        ResultsError, match="no intermediate images; sweeps keep them with --frames-every K"
    ):
        write_video(out, run.id)
    with pytest.raises(ResultsError, match="no results of a sweep"):
        write_video(out / "images", run.id)
    (out / "results.jsonl").write_bytes(results.line(run._replace(id="../../elsewhere")))
    with pytest.raises(ResultsError, match="is not a valid run id"):
        write_video(out, "../")


@pytest.fixture
def config(folder):
    return Sweep(
        folder / "pairs.csv",
        folder / "out",
        params=str(folder / "tiny.safetensors"),
        align="none",
        steps=23,
        batch_size=3,
        frames_every=4,
    )


def latest(config: Sweep) -> dict[str, Result]:
    locations = results.locate_latest(config.out)
    return {result.id: result for result in results.read(locations)}


def test_keeping_frames_does_not_change_results(config, folder):
    list(run_sweep(config))
    plain = dataclasses.replace(config, out=folder / "plain", frames_every=0, faces=False)
    list(run_sweep(plain))
    with_frames, without = latest(config), latest(plain)
    assert with_frames.keys() == without.keys()
    for id, result in with_frames.items():
        np.testing.assert_array_equal(
            image.load(config.out / str(result.image)),
            image.load(plain.out / str(without[id].image)),
        )
        assert result.loss == without[id].loss
        names = sorted(path.name for path in frames_of(config.out, result).iterdir())
        assert names == [f"{step:06}.png" for step in (0, 4, 8, 12, 16, 20, 23)]
        assert without[id].frames is without[id].before is None
    assert not (plain.out / "frames").exists()
    assert not (plain.out / "faces").exists()


def test_references_and_guides_are_kept_once_as_the_network_saw_them(config, folder):
    list(run_sweep(dataclasses.replace(config, grid=("weights.attribute=0.5,1",))))
    for result in latest(config).values():
        np.testing.assert_array_equal(
            image.load(config.out / str(result.before)), image.load(folder / result.reference)
        )
        for shown, guide in zip(result.shown, result.pair["guides"].split(";"), strict=True):
            np.testing.assert_array_equal(
                image.load(config.out / shown), image.load(folder / guide)
            )
    assert len(list((config.out / "faces").iterdir())) == 6


def test_frames_are_complete_after_a_stopped_sweep_resumes(config):
    calls = []
    with pytest.raises(SweepStopped):
        list(run_sweep(config, stop=lambda: bool(calls.append(1)) or len(calls) >= 7))
    assert len(list(run_sweep(config))) == 4
    assert all(
        len(list(frames_of(config.out, result).iterdir())) == 7
        for result in latest(config).values()
    )


def test_a_sweep_writes_its_page_unless_it_is_turned_off(config):
    list(run_sweep(dataclasses.replace(config, report=False)))
    assert not (config.out / "report.html").exists()
    list(run_sweep(config))  # only the page is missing
    assert (config.out / "report.html").exists()


def test_shards_without_runs_write_no_page(config):
    for number in range(7):
        list(run_sweep(dataclasses.replace(config, shard=f"{number}/7")))
        assert (config.out / "report.html").exists() == bool(latest(config))
