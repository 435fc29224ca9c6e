"""Faces given by hand: places that no face can have are refused, doubtful ones remarked on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegen_jax.faces import align, detector, image, pick
from facegen_jax.faces.geometry import TEMPLATE
from facegen_jax.faces.pick import AlignError, Pick

SHAPE = (150, 200, 3)
FACE = TEMPLATE * 90 + [40.0, 30.0]
"""Landmarks of a face of about 90 pixels in a picture of `SHAPE`."""
BOX = (40.0, 30.0, 130.0, 120.0)


def by_hand(kind: str, move: tuple[float, float] = (0, 0), scale: float = 1.0) -> Pick:
    """Return the face as landmarks or a box, moved and scaled."""
    if kind == "landmarks":
        return Pick(landmarks=scale * (FACE + move))
    corners = scale * (np.reshape(BOX, (2, 2)) + move)
    left, top, right, bottom = corners.ravel().tolist()
    return Pick(box=(left, top, right, bottom))


@pytest.fixture
def photo(tmp_path, rng, monkeypatch):
    """A picture in which one face is found, and whose boxes hold the template's landmarks."""
    path = tmp_path / "photo.png"
    image.save(path, rng.random(SHAPE).astype(np.float32))

    def locate(photo, box):
        left, top, right, _ = box
        return TEMPLATE * (right - left) + [left, top]

    for module in (align, pick):
        monkeypatch.setattr(module, "can_detect", lambda: True)
        monkeypatch.setattr(module, "detect", lambda photo: [FACE])
    monkeypatch.setattr(align, "locate", locate)
    return path


KINDS = ("landmarks", "box")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("move", [(0, 0), (6, -5), (-8, 4)])
def test_a_place_on_the_face_is_taken_without_a_remark(photo, kind, move):
    face = align.load_face(photo, 32, "auto", by_hand(kind, move))
    assert face.note is None
    np.testing.assert_allclose(face.landmarks, FACE + move)  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize("kind", KINDS)
def test_fractions_are_named_with_the_pixels_they_mean(photo, kind):
    fractions = by_hand(kind)
    if fractions.landmarks is not None:
        given_ = Pick(landmarks=fractions.landmarks / [200, 150])
        meant = "103 68 93 68"
    else:
        given_ = Pick(box=(0.2, 0.2, 0.65, 0.8))
        meant = "40 30 130 120"
    with pytest.raises(AlignError) as caught:
        align.load_face(photo, 32, "auto", given_)
    message = str(caught.value)
    assert f"photo.png: --{kind} 0." in message
    assert "is in fractions of the picture (normalised); expected pixels, " + meant in message
    assert "in its 200x150" in message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("move", [(200, 0), (-300, 0), (0, 1000), (0, -130), (1e30, 0)])
def test_a_place_beside_the_picture_is_refused(photo, kind, move):
    with pytest.raises(AlignError, match=rf"--{kind} .* lies beside the picture of 200x150 pixels"):
        align.load_face(photo, 32, "auto", by_hand(kind, move))


@pytest.mark.parametrize(
    ("kind", "move", "inside"),
    [
        ("box", (120, 0), "44% of it"),
        ("box", (0, -85), "39% of it"),
        ("landmarks", (120, 0), "2 of 5"),
    ],
)
def test_a_place_half_outside_is_refused(photo, kind, move, inside):
    with pytest.raises(AlignError, match=rf"--{kind} .* lies outside, with {inside}.* inside, the"):
        align.load_face(photo, 32, "auto", by_hand(kind, move))


@pytest.mark.parametrize(
    ("kind", "move", "inside"), [("box", (90, 0), "78% of it"), ("landmarks", (100, 0), "4 of 5")]
)
def test_a_place_partly_outside_is_remarked_on(photo, kind, move, inside):
    face = align.load_face(photo, 32, "auto", by_hand(kind, move))
    assert f"photo.png: --{kind} has only {inside}" in str(face.note)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("move", "scale"), [((45, 20), 1.0), ((0, -25), 1.0), ((30, 30), 0.5)])
def test_a_place_beside_the_face_is_remarked_on(photo, kind, move, scale):
    face = align.load_face(photo, 32, "auto", by_hand(kind, move, scale))
    assert f"photo.png: --{kind} does not fit the face that is found around 85, 72" in str(
        face.note
    )


def test_aligned_images_are_not_searched_for_faces(photo, monkeypatch):
    monkeypatch.setattr(pick, "detect", lambda photo: pytest.fail("searched"))
    assert align.load_face(photo, 32, "none", by_hand("landmarks", (45, 20))).note is None
    gallery = by_hand("landmarks", (45, 20))
    assert align.load_face(photo, 32, "auto", gallery, centre=True).note is None


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e3),
)
def test_any_place_is_refused_in_one_line_or_mostly_inside(kind, x, y, scale):
    given_ = by_hand(kind, (x, y), scale)
    points = given_.points
    assert points is not None
    try:
        pick.check_place(given_, pick.Path("a.png"), SHAPE)
    except AlignError as error:
        message = str(error)
    else:
        message = ""
        centre = points.mean(0)
        assert (centre >= -0.5 * np.ptp(points, 0)).all()
        assert (points.max(0) > 1.5).any()
    assert "\n" not in message


@pytest.mark.faces
def test_a_box_beside_a_real_face_is_remarked_on(faces):
    pytest.importorskip("dlib", reason="needs the extra `align`")
    path = faces / "lfw/images/Aaron_Peirsol/Aaron_Peirsol_0001.jpg"
    found = detector.detect(image.load(path))[0]
    left, top = found.min(0) - 30
    right, bottom = found.max(0) + 35
    assert align.load_face(path, 64, "auto", Pick(box=(left, top, right, bottom))).note is None
    moved = align.load_face(path, 64, "auto", Pick(box=(left - 60, top, right - 60, bottom)))
    assert "--box does not fit the face" in str(moved.note)
