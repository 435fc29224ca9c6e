"""Pairs and grids: text becomes settings of the right types, or one line that says what is wrong."""

from pathlib import Path

import pytest

from facegen_jax.edit.settings import Edit, Weights
from facegen_jax.sweep.fields import changed, convert, fields
from facegen_jax.sweep.grid import points
from facegen_jax.sweep.pairs import load_pairs
from facegen_jax.sweep.settings import SweepError


def test_lists_are_combined_in_order():
    found = points(["weights.attribute=0.1,1", "optimizer=adam,sgd"])
    assert found == [
        {"weights.attribute": w, "optimizer": o} for w in (0.1, 1.0) for o in ("adam", "sgd")
    ]


def test_zipped_lists_go_together_and_with_the_grid():
    found = points(["seed=1,2"], ["steps=10,20", "learning-rate=0.1,0.2"])
    assert found == [
        {"seed": s, "steps": n, "learning_rate": r}
        for s in (1, 2)
        for n, r in ((10, 0.1), (20, 0.2))
    ]


def test_without_a_grid_there_is_one_point():
    assert points([]) == [{}]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("strength=0.5..1.5:3", [(0.5,), (1.0,), (1.5,)]),
        ("strength=-1..1:3", [(-1.0,), (0.0,), (1.0,)]),
        ("weights.attribute=0.1..10:3:log", [0.1, 1.0, 10.0]),
        ("learning_rate=0.1..0.001:3:log", [0.1, 0.01, 0.001]),
        ("seed=0..3", [0, 1, 2, 3]),
        ("steps=10..30:3,100", [10, 20, 30, 100]),
        ("k=none,3", [None, 3]),
        ("mask=none,a.png", [None, Path("a.png")]),
        ("region=none,eyes+brows", ["none", "eyes+brows"]),
        ("attribute=Smiling,Mouth Slightly Open", ["Smiling", "Mouth Slightly Open"]),
        ('attribute="Black, curly",x', ["Black, curly", "x"]),
        ("match=Male;Young,Male", [("Male", "Young"), ("Male",)]),
        ("paste-back=true,false", [True, False]),
        ("target=mean,patches", ["mean", "patches"]),
        ("box=1;2;3;4,5;6;7;8", [(1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)]),
        ("guides=a..b.png", [(Path("a..b.png"),)]),
    ],
)
def test_values(text, values):
    assert [next(iter(point.values())) for point in points([text])] == values


@pytest.mark.parametrize(
    ("grid", "zipped", "message"),
    [
        (["weights.atribute=1"], [], "did you mean weights.attribute"),
        (["total-variation=1"], [], "weights.total_variation"),
        (["out=x"], [], "no option 'out'"),
        (["params=x"], [], "no option 'params'"),
        (["steps=1.5"], [], "steps takes a whole number, not '1.5'"),
        (["optimizer=adam,rmsprop"], [], "optimizer takes adam, sgd, lbfgs, not 'rmsprop'"),
        (["paste_back=yes"], [], "true or false"),
        (["weights.attribute=a"], [], "weights.attribute takes a number"),
        (["steps"], [], "expected FIELD=VALUE"),
        (["steps="], [], "expected FIELD=VALUE"),
        (["steps=1,,2"], [], "not ''"),
        (["steps=1,1"], [], "twice"),
        (["steps=1", "steps=2"], [], "twice"),
        (["steps=1"], ["steps=2"], "twice"),
        ([], ["steps=1,2", "seed=1"], "as many for each"),
        (["strength=0..1:1"], [], "a range is"),
        (["strength=0..1:3:log"], [], "a range is"),
        (["strength=0.5..1"], [], "a range is"),
        (["strength=0..1:3:lin"], [], "a range is"),
        (["steps=1..2:3"], [], "whole number"),
    ],
)
def test_what_is_wrong_is_said(grid, zipped, message):
    with pytest.raises(SweepError, match=message.replace("(", r"\(")):
        points(grid, zipped)


@pytest.mark.parametrize("name", sorted(fields()))
def test_every_field_has_a_type_that_text_can_be_read_as(name):
    """What is wrong for its type is refused with one line, never with anything else."""
    for text in (
        "1",
        "0.5",
        "adam",
        "true",
        "none",
        "mean",
        "everywhere",
        "natural",
        "auto",
        "free",
    ):
        try:
            value = convert(name, text, "here")
        except SweepError as error:
            assert name in str(error)  # noqa: PT017
        else:
            changed(Edit(Path("a"), Path("b")), {name: value})


def test_changes_reach_nested_and_plain_fields():
    edit = changed(
        Edit(Path("a"), Path("b")), {"weights.attribute": 3.0, "weights.chroma": 0.0, "steps": 7}
    )
    assert edit.weights == Weights(attribute=3.0, chroma=0.0)
    assert edit.steps == 7


def written(folder, text):
    (folder / "pairs.csv").write_text(text)
    return folder / "pairs.csv"


def test_pairs_have_paths_relative_to_the_table(tmp_path):
    first, second = load_pairs(
        written(
            tmp_path,
            "\ufeffreference,guides,strength,mask,name\na.png, b.png;c/d.png ,,,me\n\n/e.png,f.png,0.5,m.png,\n",
        )
    )
    assert first.values == {
        "reference": tmp_path / "a.png",
        "guides": (tmp_path / "b.png", tmp_path / "c/d.png"),
    }
    assert (first.name, second.name) == ("me", "e")
    assert second.values["strength"] == (0.5,)
    assert second.values["reference"] == Path("/e.png")
    assert second.line == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have a column 'reference'"),
        ("attribute\nSmiling\n", "must have a column 'reference'"),
        ("reference\n", "no pairs"),
        ("reference,atribute\na,b\n", "did you mean attribute"),
        ("reference,reference\na,b\n", "there twice"),
        ("reference,attribute\na\n", "line 2: 1 cells, the header has 2"),
        ("reference,attribute\n,Smiling\n", "line 2: no reference"),
        ("reference,strength\na,b\n", "line 2: strength takes"),
        ('reference\n"a\n', "not a table"),
    ],
)
def test_broken_tables_are_refused(tmp_path, text, message):
    with pytest.raises(SweepError, match=message):
        load_pairs(written(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "pairs.csv").write_bytes(b"reference\n\xff\xfe\n")
    with pytest.raises(SweepError, match="not a table"):
        load_pairs(tmp_path / "pairs.csv")


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(SweepError, match="no such table"):
        load_pairs(tmp_path / "none.csv")
