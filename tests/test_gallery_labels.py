"""Galleries: the table of labels, and the choice of faces by attribute and identity."""

import numpy as np
import pytest

from facegen_jax.gallery import GalleryError, labels, load_gallery

TABLE = """filename,identity,Smiling,Youth,Senior,Wearing_Hat,age
a/1.jpg,Ann,1,1,0,,20
a/2.jpg,Ann,0,0,0,1,50
b/1.jpg,Bob,1,0,1,0,70
c.jpg,,,1,1,0,40
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "labels.csv").write_text(TABLE)
    return tmp_path


def test_reads_labels_and_ignores_other_columns(folder):
    gallery = load_gallery(folder)
    assert gallery.attributes == ("Smiling", "Youth", "Senior", "Wearing_Hat")
    assert gallery.identities == ("Ann", "Ann", "Bob", "")
    np.testing.assert_array_equal(
        gallery.labels, [[1, 1, 0, -1], [0, 0, 0, 1], [1, 0, 1, 0], [-1, 1, 1, 0]]
    )
    assert gallery.path(2) == folder / "images" / "b/1.jpg"


@pytest.mark.parametrize(
    ("attribute", "having", "lacking"),
    [
        ("Smiling", [1, 0, 1, 0], [0, 1, 0, 0]),
        ("smiling", [1, 0, 1, 0], [0, 1, 0, 0]),
        ("wearing hat", [0, 1, 0, 0], [0, 0, 1, 1]),
        ("Youth/Senior", [1, 0, 0, 0], [0, 0, 1, 0]),
        ("Senior/Youth", [0, 0, 1, 0], [1, 0, 0, 0]),
    ],
)
def test_faces_with_and_without_an_attribute(folder, attribute, having, lacking):
    gallery = load_gallery(folder)
    np.testing.assert_array_equal(labels.having(gallery, attribute), np.array(having, bool))
    np.testing.assert_array_equal(labels.lacking(gallery, attribute), np.array(lacking, bool))
    assert not (labels.having(gallery, attribute) & labels.lacking(gallery, attribute)).any()


def test_others_excludes_the_same_person(folder):
    gallery = load_gallery(folder)
    np.testing.assert_array_equal(labels.others(gallery, "Ann"), [False, False, True, True])
    assert labels.others(gallery, "").all()


def test_unknown_attribute_lists_the_known_ones(folder):
    message = r"'Smilling', did you mean 'Smiling'\?; it labels Senior, Smiling, Wearing_Hat, Youth"
    with pytest.raises(GalleryError, match=message):
        labels.having(load_gallery(folder), "Smilling")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no labels.csv in it"),
        ("", "not a readable table"),
        ("filename,A\n", "found columns filename, A and 0 rows"),
        ("name,A\na.jpg,1\n", "expected a column 'filename'"),
        ("filename,A\na.jpg,1,2\n", "line 2 has 3 values, the header 2"),
        ("filename,A\na.jpg,1\na.jpg,1\n", "line 3, 'a.jpg', occurs twice"),
        ("filename,A\n../a.jpg,1\n", "leads out of images/"),
        ("filename,A\n/a.jpg,1\n", "leads out of images/"),
        ("filename,A\n,1\n", "is empty"),
        ("filename,age\na.jpg,30\n", "there is no attribute"),
    ],
)
def test_malformed_table_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(GalleryError, match=message) as error:
        load_gallery(tmp_path)
    assert "\n" not in str(error.value)


def test_table_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"filename,A\n\xff\xfe.jpg,1\n")
    with pytest.raises(GalleryError, match="not a readable table"):
        load_gallery(tmp_path)


@pytest.mark.faces
@pytest.mark.parametrize(
    ("name", "count", "attribute"), [("lfw", 7001, "Eyeglasses"), ("celeba", 4494, "Eyeglasses")]
)
def test_real_galleries(faces, name, count, attribute):
    gallery = load_gallery(faces / name)
    assert len(gallery.filenames) == count
    assert "age" not in gallery.attributes
    assert 10 < labels.having(gallery, attribute).sum() < labels.lacking(gallery, attribute).sum()
    assert gallery.path(0).is_file()
