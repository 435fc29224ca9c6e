"""Landmarks to the template."""

import numpy as np
import pytest

from facegen_jax import align, image

POINTS = align.TEMPLATE * 90 + [13.0, 40.0]


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_similarity_recovers_what_made_the_points(angle, scale):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    made = np.column_stack([turn, [5.0, -7.0]])
    np.testing.assert_allclose(align.similarity(POINTS, POINTS @ turn.T + [5.0, -7.0]), made, atol=1e-9)


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
    np.testing.assert_allclose([(weights * columns).sum(), (weights * rows).sum()], expected, atol=1)


@pytest.mark.faces
@pytest.mark.parametrize("scale", [1.0, 2.2])
@pytest.mark.parametrize("turn", [0.0, 0.25])
def test_real_faces_are_found_and_aligned(faces, scale, turn):
    """The same face, enlarged and turned by up to 14 degrees, comes out alike."""
    pytest.importorskip("dlib", reason="needs the extra `align`")
    photo = image.load(faces / "lfw/images/Aaron_Peirsol/Aaron_Peirsol_0001.jpg")
    straight = align.to_template(photo, align.detect(photo)[0], 64)
    middle = np.array([124.5, 124.5])
    side = int(250 * scale)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = image.warp(photo, np.column_stack([matrix, side / 2 - matrix @ middle]), side)
    again = align.to_template(turned, align.detect(turned)[0], 64)
    assert np.corrcoef(straight.reshape(-1), again.reshape(-1))[0, 1] > 0.95


def test_no_face_in_noise(rng):
    pytest.importorskip("dlib", reason="needs the extra `align`")
    assert align.detect(rng.random((120, 120, 3)).astype(np.float32)) == []


def test_without_the_extra_the_error_names_it(monkeypatch, picture):
    monkeypatch.setattr(align, "_dlib_models", lambda: None)
    assert not align.can_detect()
    with pytest.raises(ImportError, match=r"facegen_jax\[align\]"):
        align.detect(picture)
