"""What notebooks show: solutions as HTML and figures, bars, results as a DataFrame."""

import base64
import io
import re
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

import facegen_jax as fg
from facegen_jax import bars
from facegen_jax.descent import display, plot
from facegen_jax.descent.solution import Status
from facegen_jax.faces.image import pixels
from facegen_jax.report import results
from facegen_jax.report.result import Result
from facegen_jax.report.results import ResultsError
from facegen_jax.sweep import progress as sweep_progress

OBJECTIVE = fg.Chroma() + 2.0 * fg.TotalVariation()
SOLVER = fg.Solver(OBJECTIVE, 12)
NETWORK = fg.Network(fg.Function(lambda params, images: {}, ("none",), 32), ())
"""Losses of the image alone compile fastest."""


@pytest.fixture(scope="module")
def problems():
    """Problems that start elsewhere than at their references."""
    rng = np.random.default_rng(0)
    faces = rng.uniform(0, 1, (3, 32, 32, 3)).astype(np.float32)
    made = [fg.from_maps(NETWORK, OBJECTIVE, face, {}) for face in faces]
    return [problem._replace(start=problem.start[::-1]) for problem in made]


def solve(problems, progress=None) -> fg.Solutions:
    return fg.run_batch(SOLVER, NETWORK, problems, batch_size=2, progress=progress)


@pytest.fixture(scope="module")
def solutions(problems):
    return solve(problems)


@pytest.fixture
def in_notebook(monkeypatch):
    """Let IPython say that a kernel runs this process."""
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def solution(losses, status: Status = "ok") -> fg.Solution:
    trace = {"total": np.array(losses, np.float32), "<b>": np.array(losses, np.float32)}
    return fg.Solution(np.full((400, 300, 3), 0.5, np.float32), trace, status)


def sources(page: str, kind: str) -> list[bytes]:
    """Return the content of the data URLs of a kind."""
    found = re.findall(rf'src="data:image/{re.escape(kind)};base64,([^"]+)"', page)
    return [base64.b64decode(each) for each in found]


def images(page: str) -> list[np.ndarray]:
    return [np.asarray(PIL.Image.open(io.BytesIO(each))) for each in sources(page, "png")]


def test_a_solution_shows_reference_image_and_every_loss(solutions, problems):
    page = solutions[1]._repr_html_()
    before, after = images(page)
    np.testing.assert_array_equal(before, pixels(problems[1].start[::-1]))
    np.testing.assert_array_equal(after, pixels(solutions[1].image))
    for name, (first, last) in solutions[1].parts.items():
        assert f"<td>{name}</td><td>{first:.4g}</td><td>{last:.4g}</td>" in page
    (curve,) = sources(page, "svg+xml")
    points = re.search(r'points="([^"]+)"', curve.decode())
    assert points
    assert len(points[1].split()) == 12
    assert len(page) < 20_000


def test_nothing_is_fetched_and_names_are_escaped():
    page = solution([2.0, 1.0])._repr_html_()
    assert set(re.findall(r'(?:src|href)="(.{5})', page)) == {"data:"}
    assert "<script" not in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_large_images_are_shown_smaller():
    (image,) = images(solution([2.0, 1.0])._repr_html_())
    assert image.shape == (display.SIDE, 168, 3)


@pytest.mark.parametrize("losses", [[], [np.nan, np.nan], [1.0, 1.0], [-1.0, np.nan, -2.0]])
def test_any_losses_can_be_shown_and_drawn(losses):
    shown = solution(losses, status="non_finite")
    assert "non_finite" in shown._repr_html_()
    assert shown.plot()._repr_png_()  # pyright: ignore[reportAttributeAccessIssue]


def test_solutions_of_a_batch_show_every_pair(solutions, problems):
    assert isinstance(solutions[1:], fg.Solutions)
    shown = images(solutions._repr_html_())
    assert len(shown) == 6
    for problem, before in zip(problems, shown[::2], strict=True):
        np.testing.assert_array_equal(before, pixels(problem.start[::-1]))


def test_the_first_of_many_solutions_are_shown(solutions, monkeypatch):
    monkeypatch.setattr(plot, "MOST", 2)
    many = fg.Solutions(solutions * 20)
    assert len(images(many._repr_html_())) == 2 * display.MOST
    assert f"and {60 - display.MOST} more" in many._repr_html_()
    assert len(many.plot().axes) == 4 * 2


def test_text_is_short(solutions):
    first, last = solutions[0].parts["total"]
    expected = f"Solution(ok, 32x32, total {first:.4g} to {last:.4g} in 12 steps)"
    assert repr(solutions[:1]) == f"[{expected}]"


def test_a_figure_draws_images_change_and_losses(solutions):
    figure = solutions[0].plot()
    reference, image, change, losses = figure.axes
    np.testing.assert_array_equal(reference.images[0].get_array(), solutions[0].reference)
    np.testing.assert_array_equal(image.images[0].get_array(), solutions[0].image)
    shown = 0.5 + 4 * (solutions[0].image - solutions[0].reference)
    np.testing.assert_allclose(change.images[0].get_array(), np.clip(shown, 0, 1), atol=1e-6)
    assert [line.get_label() for line in losses.lines] == list(solutions[0].trace)
    assert losses.get_yscale() == "log"


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("matplotlib", "plots", lambda folder: solution([1.0]).plot()),
        ("pandas", "tables", fg.read_results),
    ],
)
def test_a_missing_extra_is_named(package, extra, call, monkeypatch, tmp_path):
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "facegen_jax.descent.plot", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"need.*pip install 'facegen_jax\[{extra}\]'"):
        call(tmp_path)


def test_no_bar_without_a_notebook_or_a_wish(capsys, problems):
    for progress in (None, False):
        solve(problems, progress)
        with bars.following(progress, 3) as follow:
            assert follow is None
    with sweep_progress.watching(None) as watch, bars.counting(None) as count:
        watch(sweep_progress.Status(0, 0, 1, 1, 1, 2, 1, 1))
        count(1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_request(capsys, monkeypatch, problems):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    solve(problems, True)
    assert " 24/24 steps" in capsys.readouterr().err


def test_bars_in_notebooks(in_notebook, capsys, monkeypatch, problems):
    with bars.following(True, 3) as follow:
        assert follow
        follow(3, np.array([0.25], np.float32))
    assert re.search(r"3/3 steps.*loss 0\.25", capsys.readouterr().err)
    with bars.counting(None) as count:
        count(1, 2)
        count(1, 3)
    with sweep_progress.watching(None) as watch:
        watch(sweep_progress.Status(0, 0, 0, 0, 0, 0, 0, 0))
        watch(sweep_progress.Status(1, 1, 2, 1, 10, 10, 20, 20))
    assert re.search(r"20/40 steps.*1 done, 1 failed, 2 left", capsys.readouterr().err)
    seen = []
    solve(problems, lambda done, totals: seen.append(done))
    assert seen == [10, 12, 22, 24]


RESULT = Result(
    id="a",
    name="first",
    status="ok",
    error=None,
    pair={"reference": "007", "guides": "1.png", "strength": "0.5", "learning_rate": ""},
    grid={"weights.attribute": 0.1, "optimizer": "adam", "seed": 3},
    loss={"first": 2.0, "last": 1.0},
    parts={"identity": {"first": 0.0, "last": 0.25}},
    metrics={"identity_similarity": 0.9, "attribute_gains": {"Smiling": 0.5}},
    seconds={"run": 1.5},
    guides=[{"path": "2.png"}],
    notes=[],
    image="a.png",
    trace="../../a.npz",
)


@pytest.fixture
def folder(tmp_path):
    failed = RESULT._replace(
        id="b", status="failed", error="no face", grid=RESULT.grid | {"weights.attribute": 1}
    )
    again = RESULT._replace(id="c", grid=RESULT.grid | {"seed": 4}, loss={"first": 3.0})
    results.append(tmp_path / "results.jsonl", b"".join(map(results.line, (failed, RESULT))))
    results.append(tmp_path / "results.1-of-2.jsonl", results.line(again))
    (tmp_path / "a.png").write_bytes(b"")
    return tmp_path


def test_results_of_a_sweep_are_a_table(folder):
    frame = fg.read_results(folder)
    assert sorted(frame["id"]) == ["a", "b", "c"]
    assert frame["weights.attribute"].dtype == float
    assert frame["seed"].dtype == int
    row = frame.set_index("id").loc["a"].to_dict()
    # Text of the table of pairs is a number where it is one, and paths stay as they are.
    assert (row["reference"], row["strength"], row["optimizer"]) == ("007", 0.5, "adam")
    assert (row["loss.last"], row["identity.last"], row["attribute_gains.Smiling"]) == (
        1,
        0.25,
        0.5,
    )
    # Files that lie outside of the folder are not named.
    assert (row["image"], row["trace"]) == ("a.png", None)
    assert list(frame["loss.last"].isna()).count(True) == 1
    grouped: Any = frame.groupby("weights.attribute")["identity_similarity"].mean()
    assert grouped.to_dict() == {
        0.1: 0.9,
        1.0: 0.9,
    }


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_results_is_refused(name, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError, match="give the --out of a sweep"):
        fg.read_results(tmp_path / name)
