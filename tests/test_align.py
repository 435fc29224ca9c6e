"""Landmarks to the template."""

import numpy as np
import pytest

from facegen_jax.faces import align, detector, image

POINTS = align.TEMPLATE * 90 + [13.0, 40.0]


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_similarity_recovers_what_made_the_points(angle, scale):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    made = np.column_stack([turn, [5.0, -7.0]])
    np.testing.assert_allclose(
        align.similarity(POINTS, POINTS @ turn.T + [5.0, -7.0]), made, atol=1e-9
    )


def test_similarity_does_not_mirror_or_shear(rng):
    matrix = align.similarity(POINTS, rng.normal(size=(5, 2)) * 30)[:, :2]
    product = matrix @ matrix.T
    np.testing.assert_allclose(product, product[0, 0] * np.eye(2), atol=1e-9)
    assert np.linalg.det(matrix) > 0


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_landmarks_land_on_the_template(margin):
    """A spot painted at the nose base ends where the template has it."""
    canvas = np.zeros((200, 200, 3), np.float32)
    x, y = (int(v) for v in POINTS[4].round())
    canvas[y - 2 : y + 3, x - 2 : x + 3] = 1
    aligned = align.to_template(canvas, POINTS, 112, margin=margin)
    rows, columns = np.indices((112, 112))
    weights = aligned[..., 0] / aligned[..., 0].sum()
    expected = (align.TEMPLATE[4] + margin) / (1 + 2 * margin) * 112 - 0.5
    np.testing.assert_allclose(
        [(weights * columns).sum(), (weights * rows).sum()], expected, atol=1
    )


@pytest.mark.faces
@pytest.mark.parametrize("scale", [1.0, 2.2])
@pytest.mark.parametrize("turn", [0.0, 0.25])
def test_real_faces_are_found_and_aligned(faces, scale, turn):
    """The same face, enlarged and turned by up to 14 degrees, comes out alike."""
    pytest.importorskip("dlib", reason="needs the extra `align`")
    photo = image.load(faces / "lfw/images/Aaron_Peirsol/Aaron_Peirsol_0001.jpg")
    straight = align.to_template(photo, detector.detect(photo)[0], 64)
    middle = np.array([124.5, 124.5])
    side = int(250 * scale)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = image.warp(photo, np.column_stack([matrix, side / 2 - matrix @ middle]), (side, side))
    again = align.to_template(turned, detector.detect(turned)[0], 64)
    assert np.corrcoef(straight.reshape(-1), again.reshape(-1))[0, 1] > 0.95


def test_no_face_in_noise(rng):
    pytest.importorskip("dlib", reason="needs the extra `align`")
    assert detector.detect(rng.random((120, 120, 3)).astype(np.float32)) == []


def test_without_the_extra_the_error_names_it(monkeypatch, picture):
    monkeypatch.setattr(detector, "_dlib_models", lambda: None)
    assert not detector.can_detect()
    with pytest.raises(ImportError, match=r"facegen_jax\[align\]"):
        detector.detect(picture)


@pytest.mark.parametrize(
    "landmarks", [None, POINTS, (POINTS - 60) @ np.array([[0.9, -0.4], [0.4, 0.9]]) + 60]
)
def test_an_edit_is_pasted_back_where_the_face_is(landmarks, rng):
    """A spot added at the nose base of the template appears at the nose of the photo; far from the face nothing changes at all."""
    photo = np.clip(0.5 + 0.1 * rng.normal(size=(150, 170, 3)), 0, 1).astype(np.float32)
    place = align.placement(photo.shape, landmarks, 64)
    before = align.place_on(photo, landmarks, place, 64)
    np.testing.assert_allclose(align.paste_back(photo, place, before, before), photo, atol=1e-6)
    after = before.copy()
    y, x = np.indices((64, 64))
    after += (0.2 * np.exp(-((x - 31.5) ** 2 + (y - 42.5) ** 2) / 18))[..., None].astype(np.float32)
    change = align.paste_back(photo, place, before, after) - photo
    weights = np.abs(change).sum(-1)
    rows, columns = np.indices(weights.shape)
    found = (
        np.array([(weights * columns).sum(), (weights * rows).sum(), weights.sum()]) / weights.sum()
    )
    np.testing.assert_allclose(place @ found, [31.5, 42.5], atol=0.7)
    assert change.max() == pytest.approx(0.2, abs=0.05)
    square = place @ np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)])
    outside = ((square < -1) | (square > 64)).any(0).reshape(weights.shape)
    assert weights[outside].max(initial=0) < 1e-5


def test_the_seam_of_a_pasted_edit_is_soft():
    photo = np.full((100, 100, 3), 0.5, np.float32)
    place = align.placement(photo.shape, None, 50)
    before = align.place_on(photo, None, place, 50)
    pasted = align.paste_back(photo, place, before, before + 0.3)
    assert np.abs(np.diff(pasted, axis=1)).max() < 0.1
    assert pasted[50, 50, 0] == pytest.approx(0.8, abs=0.01)
    np.testing.assert_allclose(pasted[[0, -1]], 0.5, atol=0.01)


@pytest.fixture
def photo(tmp_path, rng):
    path = tmp_path / "photo.png"
    image.save(path, rng.random((120, 120, 3)).astype(np.float32))
    return path


def test_no_face_is_an_error_that_names_the_ways_out(photo):
    pytest.importorskip("dlib", reason="needs the extra `align`")
    with pytest.raises(
        align.AlignError,
        match=r"photo.png: no face was found; give --landmarks or --box by hand, or --align none",
    ):
        align.load_face(photo, 64, "auto")
    assert align.load_face(photo, 64, "auto", centre=True).landmarks is None
    by_hand = align.load_face(photo, 64, "auto", align.Pick(landmarks=POINTS))
    np.testing.assert_array_equal(by_hand.image, align.to_template(image.load(photo), POINTS, 64))


@pytest.mark.faces
def test_two_faces_can_be_told_apart(faces, tmp_path):
    """The larger one is the first; a box picks either."""
    pytest.importorskip("dlib", reason="needs the extra `align`")
    one = image.load(faces / "lfw/images/Aaron_Peirsol/Aaron_Peirsol_0001.jpg")
    large = image.resize(one, (400, 400))
    both = np.concatenate([np.pad(one, ((0, 150), (0, 0), (0, 0))), large], 1)
    image.save(tmp_path / "both.png", both)
    first, second = (
        align.load_face(tmp_path / "both.png", 64, "auto", align.Pick(number)) for number in (1, 2)
    )
    assert first.landmarks is not None
    assert second.landmarks is not None
    assert first.landmarks[:, 0].min() > 250 > second.landmarks[:, 0].max()
    assert np.corrcoef(first.image.ravel(), second.image.ravel())[0, 1] > 0.9
    with pytest.raises(align.AlignError, match="2 faces were found, not 3"):
        align.load_face(tmp_path / "both.png", 64, "auto", align.Pick(3))
    left, top = second.landmarks.min(0) - 30
    right, bottom = second.landmarks.max(0) + 30
    boxed = align.load_face(
        tmp_path / "both.png", 64, "auto", align.Pick(box=(left, top, right, bottom))
    )
    assert boxed.landmarks is not None
    np.testing.assert_allclose(boxed.landmarks, second.landmarks, atol=6)


def test_an_affine_map_brings_one_geometry_to_another(tmp_path, photo, rng):
    """Landmarks that differ by a stretch and a shear, which a similarity cannot undo, land exactly; the misfit tells how far they were apart."""
    onto = POINTS @ np.array([[0.5, 0.1], [0.0, 0.4]]) + [3.0, -4.0]
    face = align.load_face(photo, 64, "auto", align.Pick(landmarks=POINTS), onto=onto)
    assert face.points is not None
    np.testing.assert_allclose(face.points, onto, atol=1e-9)
    straight = align.load_face(photo, 64, "auto", align.Pick(landmarks=POINTS))
    assert straight.points is not None
    np.testing.assert_allclose(straight.points, align.TEMPLATE * 64 - 0.5, atol=1e-9)
    assert align.misfit(POINTS, onto) > 0.05
    turned = POINTS @ np.array([[0.0, 2.0], [-2.0, 0.0]]) + 5
    assert align.misfit(POINTS, turned) < 1e-9


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 7.0),
        POINTS[[2, 3, 0, 1, 4]],
        POINTS[[4, 0, 1, 2, 3]],
        POINTS[[1, 0, 3, 2, 4]],
    ],
    ids=["one point", "eyes swapped", "nose first", "corners swapped"],
)
def test_landmarks_by_hand_must_be_a_face(photo, points):
    with pytest.raises(
        align.AlignError, match=r"photo\.png: --landmarks gives no face; expected are"
    ):
        align.load_face(photo, 64, "auto", align.Pick(landmarks=points))
