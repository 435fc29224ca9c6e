"""Faces are located, aligned with the template and pasted back; failures name the remedy."""

import numpy as np
import pytest

from facegen_jax.faces import align, detector, image
from facegen_jax.faces.geometry import (
    TEMPLATE,
    affine,
    apply_placement,
    compute_placement,
    misfit,
    paste_back,
    similarity,
    to_template,
    transform_points,
)

POINTS = TEMPLATE * 90 + [13.0, 40.0]
"""The template's landmarks in a photo of about 150x150 pixels."""


@pytest.fixture
def photo(tmp_path, rng):
    path = tmp_path / "photo.png"
    image.save(path, rng.random((120, 120, 3)).astype(np.float32))
    return path


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_similarity_recovers_rotation_scale_and_shift(angle, scale):
    expected = np.column_stack([scale * rotation(angle), [5.0, -7.0]])
    target = transform_points(POINTS, expected)
    np.testing.assert_allclose(similarity(POINTS, target), expected, atol=1e-9)


def test_similarity_does_not_mirror_or_shear(rng):
    matrix = similarity(POINTS, rng.normal(size=(5, 2)) * 30)[:, :2]
    product = matrix @ matrix.T
    np.testing.assert_allclose(product, product[0, 0] * np.eye(2), atol=1e-9)
    assert np.linalg.det(matrix) > 0


def test_affine_recovers_stretch_and_shear():
    expected = np.array([[0.5, 0.1, 3.0], [0.2, 0.4, -4.0]])
    target = transform_points(POINTS, expected)
    np.testing.assert_allclose(affine(POINTS, target), expected, atol=1e-9)


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_landmarks_land_on_the_template(margin):
    """A spot painted on the base of the nose appears at the template's base of the nose."""
    canvas = np.zeros((200, 200, 3), np.float32)
    x, y = (int(coordinate) for coordinate in POINTS[4].round())
    canvas[y - 2 : y + 3, x - 2 : x + 3] = 1
    aligned = to_template(canvas, POINTS, 112, margin=margin)
    rows, columns = np.indices((112, 112))
    weights = aligned[..., 0] / aligned[..., 0].sum()
    expected = (TEMPLATE[4] + margin) / (1 + 2 * margin) * 112 - 0.5
    np.testing.assert_allclose(
        [(weights * columns).sum(), (weights * rows).sum()], expected, atol=1
    )


@pytest.mark.faces
@pytest.mark.parametrize("scale", [1.0, 2.2])
@pytest.mark.parametrize("angle", [0.0, 0.25])
def test_alignment_undoes_scale_and_rotation_of_a_real_face(faces, scale, angle):
    """A face enlarged and rotated by up to 14 degrees gives nearly the same crop."""
    pytest.importorskip("dlib", reason="needs the extra `align`")
    photo = image.load(faces / "lfw/images/Aaron_Peirsol/Aaron_Peirsol_0001.jpg")
    upright = to_template(photo, detector.detect(photo)[0], 64)
    middle = np.array([124.5, 124.5])
    side = int(250 * scale)
    matrix = scale * rotation(angle)
    rotated = image.warp(photo, np.column_stack([matrix, side / 2 - matrix @ middle]), (side, side))
    aligned = to_template(rotated, detector.detect(rotated)[0], 64)
    assert np.corrcoef(upright.reshape(-1), aligned.reshape(-1))[0, 1] > 0.95


def test_no_face_is_detected_in_noise(rng):
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
def test_an_edit_is_pasted_back_onto_the_face(landmarks, rng):
    """A spot added to the crop appears at the same spot of the face; outside nothing changes."""
    photo = np.clip(0.5 + 0.1 * rng.normal(size=(150, 170, 3)), 0, 1).astype(np.float32)
    placement = compute_placement(photo.shape, landmarks, 64)
    before = apply_placement(photo, landmarks, placement, 64)
    np.testing.assert_allclose(paste_back(photo, placement, before, before), photo, atol=1e-6)
    after = before.copy()
    y, x = np.indices((64, 64))
    after += (0.2 * np.exp(-((x - 31.5) ** 2 + (y - 42.5) ** 2) / 18))[..., None].astype(np.float32)
    change = paste_back(photo, placement, before, after) - photo
    weights = np.abs(change).sum(-1)
    rows, columns = np.indices(weights.shape)
    spot = (
        np.array([(weights * columns).sum(), (weights * rows).sum(), weights.sum()]) / weights.sum()
    )
    np.testing.assert_allclose(placement @ spot, [31.5, 42.5], atol=0.7)
    assert change.max() == pytest.approx(0.2, abs=0.05)
    in_crop = placement @ np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)])
    outside = ((in_crop < -1) | (in_crop > 64)).any(0).reshape(weights.shape)
    assert weights[outside].max(initial=0) < 1e-5


def test_a_pasted_edit_has_a_soft_seam():
    photo = np.full((100, 100, 3), 0.5, np.float32)
    placement = compute_placement(photo.shape, None, 50)
    before = apply_placement(photo, None, placement, 50)
    pasted = paste_back(photo, placement, before, before + 0.3)
    assert np.abs(np.diff(pasted, axis=1)).max() < 0.1
    assert pasted[50, 50, 0] == pytest.approx(0.8, abs=0.01)
    np.testing.assert_allclose(pasted[[0, -1]], 0.5, atol=0.01)


def test_a_photo_without_a_face_is_an_error_that_names_the_remedies(photo):
    pytest.importorskip("dlib", reason="needs the extra `align`")
    with pytest.raises(
        align.AlignError,
        match=r"photo.png: found no face; give --landmarks or --box by hand, or --align none",
    ):
        align.load_face(photo, 64, "auto")
    assert align.load_face(photo, 64, "auto", centre=True).landmarks is None
    face = align.load_face(photo, 64, "auto", align.Pick(landmarks=POINTS))
    np.testing.assert_array_equal(face.image, to_template(image.load(photo), POINTS, 64))


def test_a_face_beyond_those_found_is_an_error_or_the_centre(photo, monkeypatch):
    monkeypatch.setattr(align, "can_detect", lambda: True)
    monkeypatch.setattr(align, "detect", lambda image: [POINTS])
    with pytest.raises(align.AlignError, match="found 1 face, not 2"):
        align.load_face(photo, 64, "auto", align.Pick(2))
    assert align.load_face(photo, 64, "auto", align.Pick(2), centre=True).landmarks is None


def test_without_a_detector_the_centre_is_cropped_and_a_box_is_an_error(photo, monkeypatch):
    monkeypatch.setattr(align, "can_detect", lambda: False)
    face = align.load_face(photo, 64, "auto")
    assert face.landmarks is None
    assert "pip install 'facegen_jax[align]'" in str(face.note)
    with pytest.raises(align.AlignError, match=r"facegen_jax\[align\]'; or give --landmarks"):
        align.load_face(photo, 64, "auto", align.Pick(box=(0.0, 0.0, 50.0, 50.0)))
    assert align.load_face(photo, 64, "auto", align.Pick(landmarks=POINTS)).note is None


@pytest.mark.faces
def test_each_of_two_faces_can_be_picked(faces, tmp_path):
    """Faces are ranked by size; a box picks either."""
    pytest.importorskip("dlib", reason="needs the extra `align`")
    small = image.load(faces / "lfw/images/Aaron_Peirsol/Aaron_Peirsol_0001.jpg")
    large = image.resize(small, (400, 400))
    both = np.concatenate([np.pad(small, ((0, 150), (0, 0), (0, 0))), large], 1)
    image.save(tmp_path / "both.png", both)
    first, second = (
        align.load_face(tmp_path / "both.png", 64, "auto", align.Pick(number)) for number in (1, 2)
    )
    assert first.landmarks is not None
    assert second.landmarks is not None
    assert first.landmarks[:, 0].min() > 250 > second.landmarks[:, 0].max()
    assert np.corrcoef(first.image.ravel(), second.image.ravel())[0, 1] > 0.9
    with pytest.raises(align.AlignError, match="found 2 faces, not 3"):
        align.load_face(tmp_path / "both.png", 64, "auto", align.Pick(3))
    left, top = second.landmarks.min(0) - 30
    right, bottom = second.landmarks.max(0) + 30
    boxed = align.load_face(
        tmp_path / "both.png", 64, "auto", align.Pick(box=(left, top, right, bottom))
    )
    assert boxed.landmarks is not None
    np.testing.assert_allclose(boxed.landmarks, second.landmarks, atol=6)


def test_a_face_is_aligned_with_other_landmarks_by_an_affine_map(photo):
    """A stretch and a shear, which no similarity can undo, are undone exactly."""
    onto = POINTS @ np.array([[0.5, 0.1], [0.0, 0.4]]) + [3.0, -4.0]
    face = align.load_face(photo, 64, "auto", align.Pick(landmarks=POINTS), onto=onto)
    assert face.points is not None
    np.testing.assert_allclose(face.points, onto, atol=1e-9)
    aligned = align.load_face(photo, 64, "auto", align.Pick(landmarks=POINTS))
    assert aligned.points is not None
    np.testing.assert_allclose(aligned.points, TEMPLATE * 64 - 0.5, atol=1e-9)


def test_misfit_ignores_position_size_and_rotation_but_not_shear():
    rotated = POINTS @ np.array([[0.0, 2.0], [-2.0, 0.0]]) + 5
    assert misfit(POINTS, rotated) < 1e-9
    sheared = POINTS @ np.array([[0.5, 0.1], [0.0, 0.4]]) + [3.0, -4.0]
    assert misfit(POINTS, sheared) > 0.05


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
def test_landmarks_by_hand_must_form_a_face(photo, points):
    with pytest.raises(
        align.AlignError, match=r"photo\.png: --landmarks do not form a face; expected outer and"
    ):
        align.load_face(photo, 64, "auto", align.Pick(landmarks=points))


def test_a_box_by_hand_must_hold_a_face(photo, monkeypatch):
    monkeypatch.setattr(align, "can_detect", lambda: True)
    monkeypatch.setattr(align, "locate", lambda image, box: POINTS[[4, 0, 1, 2, 3]])
    with pytest.raises(align.AlignError, match=r"photo\.png: no face in the box \(1, 2, 30, 40\)"):
        align.load_face(photo, 64, "auto", align.Pick(box=(1, 2, 30, 40)))
