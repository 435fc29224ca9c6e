"""Galleries: the table of labels, and the choice of faces by attribute and identity."""

import hashlib

import numpy as np
import pytest
from dialects import content, some_dialects

from facegen_jax.edit.pool import Pool
from facegen_jax.files import digest
from facegen_jax.gallery import GalleryError, codes, features, images, labels, load_gallery
from facegen_jax.sweep import run_id

TABLE = """filename,identity,Smiling,Youth,Senior,Wearing_Hat,age
a/1.jpg,Ann,1,1,0,,20
a/2.jpg,Ann,0,0,0,1,50
b/1.jpg,Bob,1,0,1,0,70
c.jpg,,,1,1,0,40
"""


def write_images(folder, names):
    """Write files that are there but are no images: labels are read without opening them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "labels.csv").write_text(TABLE)
    write_images(tmp_path / "images", ["a/1.jpg", "a/2.jpg", "b/1.jpg", "c.jpg"])
    return tmp_path


@pytest.mark.parametrize("nobody", ["nan", "NULL", "unknown", "-", " "])
def test_cells_that_say_nothing_name_nobody(nobody, folder):
    (folder / "labels.csv").write_text(TABLE.replace("Ann", nobody))
    assert load_gallery(folder).identities == ("", "", "Bob", "")


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
        ("", "found columns  and 0 rows"),
        ("filename,A\n", "found columns 'filename', 'A' and 0 rows"),
        ("name,A\nAnn,1\n", "expected a column 'filename'"),
        ("shot,other,A\na.jpg,b.jpg,1\n", "expected a column 'filename'"),
        ("filename,A\na.jpg,1,2\n", "line 2: expected 2 cells, as in the header, not 3"),
        ("filename,A\na.jpg,1\na.jpg,1\n", "line 3, 'a.jpg', occurs twice"),
        ("filename,A\n../a.jpg,1\n", "leads out of images/"),
        ("filename,A\n..\\\\a.jpg,1\n", "leads out of images/"),
        ("filename,A\n/a.jpg,1\n", "leads out of images/"),
        ("filename,A\nC:\\\\a.jpg,1\n", "leads out of images/"),
        ("filename,A\n,1\n", "is empty"),
        ("filename,age\na.jpg,30\n", "there is no attribute"),
        ("filename,A,A\na.jpg,1,0\n", "the header has two columns 'A'"),
        ("filename,filename,A\na.jpg,b.jpg,1\n", "the header has two columns 'filename'"),
        ("person,imagenum,A\nAnn,one,-0.5\n", "line 2: expected a photo's number, not 'one'"),
        ("filename,A\nb.jpg,1\n", "none of its 1 images are in .*images .*, such as 'b.jpg'"),
        ("filename,A\nRenée.jpg,1\n".encode("cp1252"), "perhaps cp1252 .* save it as UTF-8"),
    ],
)
def test_malformed_table_is_refused(tmp_path, text, message):
    write_images(tmp_path / "images", ["a.jpg"])
    if text is not None:
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(GalleryError, match=message) as error:
        load_gallery(tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(GalleryError, match="gone: no such folder"):
        load_gallery(tmp_path / "gone")


CODINGS = {
    "1/0": ("1", "0", "", "1"),
    "1.0/0.0": ("1.0", "0.0", "nan", "+1"),
    "1/-1": ("1", "-1", "", "1.0"),
    "1/0/-1": ("1", "-1", "0", "1"),
    "true/false": ("True", "False", "NA", "TRUE"),
    "yes/no": ("yes", "no", "?", "Yes"),
    "y/n": ("y", "n", "unknown", "Y"),
    "real values": ("1.568", "-0.2", "0", "1e-3"),
    "decimal commas": ("1,568", "-0,2", "", "0,001"),
}
"""Cells of faces that have an attribute, lack it, may have it, and have it."""


@pytest.mark.parametrize("coding", CODINGS)
def test_every_coding_in_every_dialect(coding, tmp_path):
    names = ["Zoë.jpg", "b c.jpg", "d.jpg", "e.jpg"]
    write_images(tmp_path / "images", names)
    cells = CODINGS[coding]
    rows = [["filename", "identity", "Smiling", "Big Nose", "comment", "age"]]
    for number, (name, cell, other) in enumerate(zip(names, cells, cells[::-1], strict=True)):
        rows.append([name, "Ann", cell, other, "no idea", str(number)])
    for dialect in some_dialects():
        (tmp_path / "labels.csv").write_bytes(content(rows, dialect))
        gallery = load_gallery(tmp_path)
        assert gallery.attributes == ("Smiling", "Big Nose"), dialect
        assert gallery.labels.T.tolist() == [[1, 0, -1, 1], [1, -1, 0, 1]], dialect
        assert gallery.filenames == tuple(names)
        assert gallery.identities == ("Ann",) * 4


@pytest.mark.parametrize(
    ("columns", "attributes", "labels"),
    [
        ({"A": "1 0", "race": "2 0", "score": "0.9 0.2"}, "A", [[1], [0]]),
        ({"A": "1 0", "yaw": "-0.5 2.5"}, "A", [[1], [0]]),
        ({"A": "1 -1", "own": "1 0"}, "A own", [[1, 1], [0, 0]]),
        ({"A": "1 0 -1", "B": "-1 0 1", "C": "1 0 0"}, "A B C", [[1, 0, 1], [-1] * 3, [0, 1, -1]]),
        ({"A": "-1 0 1", "B": "1 0 0", "C": "0 0 1"}, "A B C", [[0, 1, 0], [-1, 0, 0], [1, 0, 1]]),
        ({"A": "-0.5 2.5", "age": "30 40"}, "", []),
        ({"A": "-0.5 2.5", "B": "1.5 -0.1", "age": "30 40"}, "A B", [[0, 1], [1, 0]]),
        ({"A": "1 0", "B": "no -1", "C": "1_0 1", "D": "inf -1", "E": "? ?"}, "A", [[1], [0]]),
    ],
)
def test_which_columns_are_labels(columns, attributes, labels):
    coded = codes.decode({name: cells.split() for name, cells in columns.items()})
    assert coded.attributes == tuple(attributes.split())
    assert coded.labels.tolist() == labels


@pytest.mark.parametrize(
    "header",
    [
        "Filename",
        "FILE",
        "file_name",
        "image_id",
        "Image-ID",
        "path",
        "image path",
        "img",
        "shot",
        "",
    ],
)
def test_headers_of_the_column_of_images(header, folder):
    """Also without a known header, if it is the only column of image files."""
    (folder / "labels.csv").write_text(TABLE.replace("filename", header))
    gallery = load_gallery(folder)
    assert gallery.filenames == ("a/1.jpg", "a/2.jpg", "b/1.jpg", "c.jpg")
    assert gallery.attributes == ("Smiling", "Youth", "Senior", "Wearing_Hat")


ATTRIBUTES = ("Smiling", "Eyeglasses", "Male")
CELEBA = "2\nSmiling Eyeglasses Male \n000001.jpg -1  1  1\n000002.jpg  1 -1 -1\n"
PEOPLE = "000001.jpg 2880\n000002.jpg 2937\n"
KAGGLE = "image_id,Smiling,Eyeglasses,Male\n000001.jpg,-1,1,1\n000002.jpg,1,-1,-1\n"
LFW = (
    "# attributes\n#\tperson\timagenum\tSmiling\tEyeglasses\tMale\n"
    "Ann Lee\t1\t-0.35\t1.568\t0.2\nZoë\t12\t1.1\t-2.5\t-0.01\n"
)
MAAD = "Filename,Identity,Smiling,Eyeglasses,Male\nn1/1.jpg,1,-1,1,1\nn2/1.jpg,2,1,-1,-1\n"
NAMES, LFW_NAMES = ("000001.jpg", "000002.jpg"), ("Ann_Lee/Ann_Lee_0001.jpg", "Zoë/Zoë_0012.jpg")
PUBLISHED = {
    "CelebA": (
        {"list_attr_celeba.txt": CELEBA, "identity_CelebA.txt": PEOPLE},
        "img_align_celeba",
        NAMES,
        ("2880", "2937"),
    ),
    "CelebA without endings": (
        {"list_attr_celeba.txt": CELEBA.replace(".jpg", "")},
        "img_align_celeba",
        NAMES,
        ("", ""),
    ),
    "CelebA in its own folders": (
        {"Anno/list_attr_celeba.txt": CELEBA, "Anno/identity_CelebA.txt": PEOPLE},
        "Img/img_align_celeba",
        NAMES,
        ("2880", "2937"),
    ),
    "CelebA as PNG": (
        {"Anno/list_attr_celeba.txt": CELEBA},
        "Img/img_align_celeba_png.7z/img_align_celeba_png",
        ("000001.png", "000002.png"),
        ("", ""),
    ),
    "CelebA of Kaggle": (
        {"list_attr_celeba.csv": KAGGLE},
        "img_align_celeba/img_align_celeba",
        NAMES,
        ("", ""),
    ),
    "LFW": ({"lfw_attributes.txt": LFW}, "lfw", LFW_NAMES, ("Ann Lee", "Zoë")),
    "LFW, funneled": (
        {"lfw_attributes.txt": LFW},
        "lfw-deepfunneled/lfw-deepfunneled",
        LFW_NAMES,
        ("Ann Lee", "Zoë"),
    ),
    "LFW beside people": ({"lfw_attributes.txt": LFW}, ".", LFW_NAMES, ("Ann Lee", "Zoë")),
    "MAAD-Face": ({"labels.csv": MAAD}, "images", ("n1/1.jpg", "n2/1.jpg"), ("1", "2")),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_folders(name, tmp_path):
    tables, place, files, identities = PUBLISHED[name]
    for table, text in tables.items():
        (tmp_path / table).parent.mkdir(exist_ok=True)
        (tmp_path / table).write_text(text)
    write_images(tmp_path / place, files)
    (tmp_path / "elsewhere").mkdir()
    gallery = load_gallery(tmp_path)
    assert gallery.folder == tmp_path
    assert gallery.attributes == ATTRIBUTES
    assert gallery.filenames == files
    assert gallery.identities == identities
    assert gallery.labels.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert all(gallery.path(row).is_file() for row in (0, 1))
    assert gallery.tables == tuple(tmp_path / table for table in tables)
    assert f"2 faces, 3 attributes, 0 left out without an image; images in {place}/" in (
        gallery.remark
    )
    by_path = load_gallery(tmp_path / next(iter(tables)))
    assert (by_path[:4], by_path.images) == (gallery[:4], gallery.images)


def test_damaged_table_of_people_is_refused(tmp_path):
    (tmp_path / "list_attr_celeba.txt").write_text(CELEBA)
    (tmp_path / "identity_CelebA.txt").write_text("000001.jpg\n")
    write_images(tmp_path, NAMES)
    with pytest.raises(
        GalleryError, match=r"identity_CelebA\.txt: expected lines of an image file"
    ):
        load_gallery(tmp_path)


def test_faces_without_an_image_are_left_out(folder):
    (folder / "images/a/2.jpg").unlink()
    (folder / "images/c.jpg").rename(folder / "images/c.PNG")
    gallery = load_gallery(folder)
    assert gallery.filenames == ("a/1.jpg", "b/1.jpg", "c.PNG")
    assert gallery.identities == ("Ann", "Bob", "")
    assert gallery.labels[:, 0].tolist() == [1, 1, -1]
    assert gallery.remark == (
        f"{folder / 'labels.csv'}: UTF-8, commas, 1/0: 3 faces, 4 attributes, 1 left out without "
        "an image; images in images/; 1 of them under another ending or spelling; "
        "columns that are no labels: 1"
    )


def test_our_own_layout_is_nothing_to_remark(folder):
    gallery = load_gallery(folder)
    assert gallery.remark == ""
    assert gallery.understood.startswith(f"{folder / 'labels.csv'}: UTF-8, commas, 1/0: 4 faces")


@pytest.mark.parametrize(
    ("names", "files", "found"),
    [
        (["Zoe\u0308.jpg"], ["Zo\u00eb.jpg"], ["Zo\u00eb.jpg"]),  # composed otherwise, as on Macs
        (["a"], ["a.jpg"], ["a.jpg"]),
        (["a.b"], ["a.b.jpg"], ["a.b.jpg"]),
        (["a.jpg"], ["a.webp", "a.png", "a.txt"], ["a.png"]),
        (["a.jpg", "a.png"], ["a.png"], ["", "a.png"]),
        (["a.jpg", "a.gif"], ["a.png"], ["a.png", ""]),
        (["b/a.jpg"], ["a.jpg"], [""]),
        (["a.jpg"], ["a.txt"], [""]),
        (["x" * 300 + "/a.jpg", "a.jpg"], ["a.jpg"], ["", "a.jpg"]),
    ],
)
def test_files_under_another_ending_or_spelling(names, files, found, tmp_path):
    write_images(tmp_path, files)
    assert images.locate(tmp_path, names).files == found


def test_most_images_decide_where_they_are(tmp_path):
    write_images(tmp_path, ["a/1.jpg", "b/c/1.jpg", "b/c/2.jpg", "d/1.jpg"])
    assert images.locate(tmp_path, ["1.jpg", "2.jpg"])[:2] == (tmp_path / "b/c", ["1.jpg", "2.jpg"])
    write_images(tmp_path / "images", ["1.jpg"])
    assert images.locate(tmp_path, ["1.jpg", "2.jpg"])[:2] == (tmp_path / "images", ["1.jpg", ""])


@pytest.mark.parametrize("name", ["images\\\\a\\\\1.jpg", "./images/a/1.jpg", "{}/images/a/1.jpg"])
def test_other_ways_to_name_a_file(name, folder):
    text = f"filename,A\n{name.format(folder)},1\n".replace("\\\\", "\\")
    (folder / "labels.csv").write_text(text)
    assert load_gallery(folder).path(0) == folder / "images/a/1.jpg"


def test_runs_keep_their_ids(folder):
    """The hash of a gallery is that of its table's content and of its images' hashes."""
    numbers, landmarks = np.zeros((4, 1), np.float32), np.zeros((4, 5, 2), np.float32)
    described = features.Described(numbers, landmarks, ("",) * 4, ("a", "b", "c", "d"))
    expected = digest(folder / "labels.csv") + "abcd"
    hashed = run_id._gallery_hash(Pool(load_gallery(folder), described))
    assert hashed == hashlib.sha256(expected.encode()).hexdigest()


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
