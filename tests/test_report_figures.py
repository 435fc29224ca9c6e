"""Figures and videos of a sweep, and the pictures on the way that videos are made of."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from facegen_jax.faces import image
from facegen_jax.network.baselines import Baselines
from facegen_jax.report import __main__ as command
from facegen_jax.report import columns, figures, results
from facegen_jax.report.contact_sheet import CELL, GAP, LEFT, TOP, arranged
from facegen_jax.report.plots import settings
from facegen_jax.report.results import ResultsError
from facegen_jax.report.study import load_study
from facegen_jax.report.video import HOLD, SMALLEST, write_video
from facegen_jax.sweep import Sweep, SweepStopped, run_sweep


@pytest.fixture
def out(swept, tmp_path) -> Path:
    return Path(shutil.copytree(swept, tmp_path / "out"))


@pytest.fixture
def run(out) -> dict:
    """A run that succeeded."""
    return next(row for row in results.lines(out / "results.jsonl") if row["image"])


def test_figures_are_drawn(out):
    study = load_study(out)
    for place in figures.write_figures(study, Baselines(0.8, 0.2, 100, 10, "people")):
        drawn = image.load(place)
        assert min(drawn.shape[:2]) > 200
        assert 0.005 < (drawn < 0.5).mean() < 0.7  # neither empty nor full


def test_a_sheet_has_a_row_for_each_face_and_a_column_for_each_setting(out):
    study = load_study(out)
    heads, lines = arranged(study, columns.columns(study.rows))
    assert heads == [
        "reference",
        "weights.attribute 0.1",
        "weights.attribute 1",
        "weights.attribute 10",
    ]
    assert len(lines) == 5
    by_face = {(row["name"], row["grid"]["weights.attribute"]): row for row in study.rows}
    first = next(line for line in lines if line.name.startswith("0"))
    assert first.pictures == [
        by_face["first", 1.0]["before"],
        *(by_face["first", weight]["image"] for weight in (0.1, 1.0, 10.0)),
    ]
    assert next(line for line in lines if line.name.startswith("gone")).pictures == [
        None,
        "",
        "",
        "",
    ]


def test_a_sheet_shows_pictures_pixel_by_pixel(out):
    study = load_study(out)
    _, lines = arranged(study, columns.columns(study.rows))
    sheet = image.load(figures.write_figures(study)[0])
    expected = image.resize(image.load(out / str(lines[1].pictures[2])), (CELL, CELL))
    top, left = TOP + CELL + GAP, LEFT + 2 * (CELL + GAP)
    np.testing.assert_allclose(sheet[top : top + CELL, left : left + CELL], expected, atol=3 / 255)


def test_plots_take_the_runs_that_succeeded(out):
    study = load_study(out)
    groups = settings(study, columns.columns(study.rows))
    assert list(groups) == ["weights.attribute 0.1", "weights.attribute 1", "weights.attribute 10"]
    assert {study.rows[run]["status"] for runs in groups.values() for run in runs} == {"ok"}
    assert sum(map(len, groups.values())) == 12


@pytest.mark.parametrize("kept", [0, 1])
def test_figures_of_hardly_any_run(out, kept):
    """All failed, or a single one without a trace."""
    rows: list[dict] = sorted(
        results.lines(out / "results.jsonl"), key=lambda row: row["status"] == "ok"
    )
    chosen: list[dict] = [dict(row, trace=None) for row in (rows[-1:] if kept else rows[:3])]
    (out / "results.jsonl").write_bytes(
        b"".join(results.line(results.Result(**row)) for row in chosen)
    )
    assert all(place.stat().st_size for place in figures.write_figures(load_study(out)))


def test_without_matplotlib_the_page_is_written_and_a_line_says_what_is_missing(
    out, monkeypatch, capsys
):
    monkeypatch.setattr(figures, "can_draw", lambda: False)
    monkeypatch.setattr("sys.argv", ["report", str(out)])
    assert command.main() == 0
    said = capsys.readouterr()
    assert said.out == f"{out / 'report.html'}\n"
    assert "pip install 'facegen_jax[plots]'" in said.err
    assert not (out / "curves.png").exists()
    with pytest.raises(ResultsError, match="plots"):
        figures.write_figures(load_study(out))


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_a_video_goes_from_the_reference_to_the_result(out, run, kind):
    place = write_video(out, run["id"][:6], kind, rate=5.0)
    assert place == out / f"videos/{run['id']}.{kind}"
    with PIL.Image.open(place) as video:
        count = getattr(video, "n_frames", 1)
        shown, lasting = [], []
        for number in range(count):
            video.seek(number)
            video.load()
            shown.append(np.asarray(video.convert("RGB"), np.float32) / 255)
            lasting.append(video.info["duration"])
    last = image.load(out / run["frames"] / "000020.png")
    pictures = 4 + (
        not np.array_equal(last, image.load(out / run["image"]))
    )  # steps 0, 7, 14, 20, and the result where it was met before
    assert 3 <= count <= pictures  # equal ones may be joined
    assert sum(lasting) == 200 * (pictures - 1) + 1000 * HOLD
    assert lasting[0] == 200
    assert lasting[-1] >= 1000 * HOLD
    for picture, name in ((shown[0], run["before"]), (shown[-1], run["image"])):
        expected = image.resize(image.load(out / name), (SMALLEST, SMALLEST))
        assert np.abs(picture - expected).mean() < 0.04


def test_videos_that_cannot_be_made(out, run):
    with pytest.raises(ResultsError, match="15 runs have an id that begins with ''"):
        write_video(out, "")
    shutil.rmtree(out / run["frames"])
    with pytest.raises(
        ResultsError, match="no pictures on the way; sweeps keep them with --frames-every K"
    ):
        write_video(out, run["id"])
    with pytest.raises(ResultsError, match="holds no results"):
        write_video(out / "images", run["id"])
    (out / "results.jsonl").write_bytes(
        results.line(results.Result(**run)._replace(id="../../elsewhere"))
    )
    with pytest.raises(ResultsError, match="is no id of a run"):
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


def rows(config: Sweep) -> dict[str, dict]:
    return {row["id"]: row for row in results.chosen(config.out, results.latest(config.out))}


def test_pictures_on_the_way_change_nothing(config, folder):
    list(run_sweep(config))
    plain = dataclasses.replace(config, out=folder / "plain", frames_every=0, faces=False)
    list(run_sweep(plain))
    with_frames, without = rows(config), rows(plain)
    assert with_frames.keys() == without.keys()
    for id, row in with_frames.items():
        np.testing.assert_array_equal(
            image.load(config.out / row["image"]), image.load(plain.out / without[id]["image"])
        )
        assert row["loss"] == without[id]["loss"]
        names = sorted(path.name for path in (config.out / row["frames"]).iterdir())
        assert names == [f"{step:06}.png" for step in (0, 4, 8, 12, 16, 20, 23)]
        assert without[id]["frames"] is without[id]["before"] is None
    assert not (plain.out / "frames").exists()
    assert not (plain.out / "faces").exists()


def test_references_and_guides_are_kept_as_they_were_seen_once_each(config, folder):
    list(run_sweep(dataclasses.replace(config, grid=("weights.attribute=0.5,1",))))
    for row in rows(config).values():
        np.testing.assert_array_equal(
            image.load(config.out / row["before"]), image.load(folder / row["pair"]["reference"])
        )
        for shown, guide in zip(row["shown"], row["pair"]["guides"].split(";"), strict=True):
            np.testing.assert_array_equal(
                image.load(config.out / shown), image.load(folder / guide)
            )
    assert len(list((config.out / "faces").iterdir())) == 6


def test_pictures_on_the_way_outlive_a_stop(config):
    looks = []
    with pytest.raises(SweepStopped):
        list(run_sweep(config, stop=lambda: bool(looks.append(1)) or len(looks) >= 7))
    assert len(list(run_sweep(config))) == 4
    assert all(
        len(list((config.out / row["frames"]).iterdir())) == 7 for row in rows(config).values()
    )


def test_the_page_is_written_at_the_end_unless_told_otherwise(config):
    list(run_sweep(dataclasses.replace(config, report=False)))
    assert not (config.out / "report.html").exists()
    list(run_sweep(config))  # nothing is left to do but the page
    assert (config.out / "report.html").exists()


def test_parts_without_runs_write_no_page(config):
    for number in range(7):
        list(run_sweep(dataclasses.replace(config, shard=f"{number}/7")))
        assert (config.out / "report.html").exists() == bool(rows(config))
