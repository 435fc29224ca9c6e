"""Pairs and grids: parsing into typed values, and one-line errors."""

import itertools
from pathlib import Path

import pytest
from dialects import content, some_dialects

from facegen_jax.edit.settings import Edit, Weights
from facegen_jax.sweep import manifest
from facegen_jax.sweep.fields import changed, convert, fields
from facegen_jax.sweep.grid import points
from facegen_jax.sweep.pairs import load_pairs
from facegen_jax.sweep.settings import SweepError


def test_grid_values_are_combined_in_order():
    combined = points(["weights.attribute=0.1,1", "optimizer=adam,sgd"])
    assert combined == [
        {"weights.attribute": w, "optimizer": o} for w in (0.1, 1.0) for o in ("adam", "sgd")
    ]


def test_zipped_lists_vary_together_and_combine_with_the_grid():
    combined = points(["seed=1,2"], ["steps=10,20", "learning-rate=0.1,0.2"])
    assert combined == [
        {"seed": s, "steps": n, "learning_rate": r}
        for s in (1, 2)
        for n, r in ((10, 0.1), (20, 0.2))
    ]


def test_an_empty_grid_has_one_point():
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
def test_values_are_parsed(text, values):
    assert [next(iter(point.values())) for point in points([text])] == values


@pytest.mark.parametrize(
    ("grid", "zipped", "message"),
    [
        (["weights.atribute=1"], [], "did you mean 'weights.attribute'"),
        (["total-variation=1"], [], "weights.total_variation"),
        (["out=x"], [], "no option 'out'"),
        (["params=x"], [], "no option 'params'"),
        (["steps=1.5"], [], "steps takes a whole number, not '1.5'"),
        (["align=auto,no"], [], "align takes auto, none, not 'no'"),
        (["paste_back=yes"], [], "true or false"),
        (["weights.attribute=a"], [], "weights.attribute takes a number"),
        (["steps"], [], "expected FIELD=VALUE"),
        (["steps="], [], "expected FIELD=VALUE"),
        (["steps=1,,2"], [], "not ''"),
        (["steps=1,1"], [], "twice"),
        (["steps=1", "steps=2"], [], "twice"),
        (["steps=1"], ["steps=2"], "twice"),
        ([], ["steps=1,2", "seed=1"], "equal lengths; steps has 2, seed has 1 values"),
        (["strength=0..1:1"], [], "a range is"),
        (["strength=0..1:3:log"], [], "a range is"),
        (["strength=0.5..1"], [], "a range is"),
        (["strength=0..1:3:lin"], [], "a range is"),
        (["steps=1..2:3"], [], "whole number"),
    ],
)
def test_bad_grids_are_refused(grid, zipped, message):
    with pytest.raises(SweepError, match=message.replace("(", r"\(")):
        points(grid, zipped)


@pytest.mark.parametrize("name", sorted(fields()))
def test_every_field_parses_from_text_or_is_refused(name):
    """Text that does not fit the field's type raises a SweepError and nothing else."""
    texts = "1 0.5 adam true none mean everywhere natural auto free"
    for text in texts.split():
        try:
            value = convert(name, text, "here")
        except SweepError as error:
            assert name in str(error)  # noqa: PT017
        else:
            changed(Edit(Path("a"), Path("b")), {name: value})


def test_nested_and_plain_fields_change():
    edit = changed(
        Edit(Path("a"), Path("b")), {"weights.attribute": 3.0, "weights.chroma": 0.0, "steps": 7}
    )
    assert edit.weights == Weights(attribute=3.0, chroma=0.0)
    assert edit.steps == 7


def write_pairs(folder, text):
    (folder / "pairs.csv").write_text(text)
    return folder / "pairs.csv"


def test_paths_are_relative_to_the_table(tmp_path):
    text = (
        "\ufeffreference,guides,strength,mask,name\n"
        "a.png, b.png;c/d.png ,,,me\n"
        "\n"
        "/e.png,f.png,0.5,m.png,\n"
    )
    first, second = load_pairs(write_pairs(tmp_path, text))
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
        ("reference,atribute\na,b\n", "did you mean 'attribute'"),
        ("reference,reference\na,b\n", "duplicate column"),
        ("reference,attribute\na\n", "line 2: expected 2 cells, as in the header, not 1"),
        ("reference,attribute\n,Smiling\n", "line 2: no reference"),
        ("reference,strength\na,b\n", "line 2: strength takes"),
        (
            "reference,attribute,\na,b,c\n",
            "line 2: expected 2 cells, as in the header, not 3",
        ),
        (",reference\nx,a.png\n", "no option ''"),
        ('reference\n"a\n', "not a readable table"),
    ],
)
def test_broken_tables_are_refused(tmp_path, text, message):
    with pytest.raises(SweepError, match=message):
        load_pairs(write_pairs(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"reference\n\xff\xfe\n", "not a readable table"),
        ("reference,name\na.png,Renée\n".encode("cp1252"), "perhaps cp1252 .*; save it as UTF-8"),
        (b"PK\x03\x04", "Excel workbook"),
    ],
)
def test_binary_files_are_refused(content, message, tmp_path):
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(SweepError, match=message):
        load_pairs(tmp_path / "pairs.csv")


def test_every_dialect_gives_the_same_pairs(tmp_path):
    rows = [
        ["Reference", "guides", "Strength", "weights.attribute", "name"],
        ["a b.png", "b.png;sub folder/c.png", "0.5", "1e-3", "Zoë"],
        ["d.png", "b.png", "", "2", ""],
    ]
    path = tmp_path / "pairs.csv"
    for dialect in some_dialects():
        path.write_bytes(content(rows, dialect))
        first, second = load_pairs(path)
        assert first.values == {
            "reference": tmp_path / "a b.png",
            "guides": (tmp_path / "b.png", tmp_path / "sub folder/c.png"),
            "strength": (0.5,),
            "weights.attribute": 0.001,
        }, dialect
        assert (first.name, first.line, second.name, second.line) == ("Zoë", 2, "d", 3)


def test_decimal_commas_where_commas_do_not_separate(tmp_path):
    path = write_pairs(tmp_path, 'reference;strength;box\na.png;0,5;"1,5;2;3,25;4"\n')
    assert load_pairs(path)[0].values == {
        "reference": tmp_path / "a.png",
        "strength": (0.5,),
        "box": (1.5, 2.0, 3.25, 4.0),
    }
    with pytest.raises(SweepError, match="line 2: strength takes a number"):
        load_pairs(write_pairs(tmp_path, 'reference,strength\na.png,"0,5"\n'))
    with pytest.raises(SweepError, match=r"line 2: steps takes a whole number, not '0,5'"):
        load_pairs(write_pairs(tmp_path, "reference;steps\na.png;0,5\n"))


@pytest.mark.parametrize(
    ("column", "cell"), [("box", "80,80,170,180"), ("steps", "1,000"), ("strength", "a,5,5")]
)
def test_messages_quote_cells_as_they_were_written(column, cell, tmp_path):
    with pytest.raises(SweepError, match=f"line 2: {column} takes .*, not '{cell}'"):
        load_pairs(write_pairs(tmp_path, f"reference;{column}\na.png;{cell}\n"))


def test_paths_of_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    text = "reference\tguides\tobjective\tmask\n~/a.png\tb.png;~/c.png\t~/d.py:f\t~nobody-x/m.png\n"
    (pair,) = load_pairs(write_pairs(tmp_path, text))
    assert pair.values == {
        "reference": Path("/home/ann/a.png"),
        "guides": (tmp_path / "b.png", Path("/home/ann/c.png")),
        "objective": "/home/ann/d.py:f",
        "mask": tmp_path / "~nobody-x/m.png",
    }
    assert points(["mask=~/a.png"]) == [{"mask": Path("/home/ann/a.png")}]


def test_resuming_compares_pairs_in_any_encoding(tmp_path):
    before, now = tmp_path / "before", tmp_path / "now"
    settings = {"config": {}, "network": {"sha256": "x"}}
    for encoding, other in itertools.product(("utf-8", "utf-16", "utf-8-sig"), repeat=2):
        before.write_text("reference\nä.png\n", encoding)
        now.write_text("reference\nä.png\n", other)
        assert manifest._differences(settings, settings, before, now) == []
        now.write_text("reference\nä.png\nb.png\n", other)
        differences = manifest._differences(settings, settings, before, now)
        assert differences == ["pairs: 1 lines added, 0 removed"]


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(SweepError, match="no such table"):
        load_pairs(tmp_path / "none.csv")
