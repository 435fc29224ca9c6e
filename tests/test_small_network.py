"""The network that ships: its files, and edits of real faces with it."""

import csv

import jax
import numpy as np
import pytest

from facegen_jax.descent.problem import from_direction, from_guides, stack
from facegen_jax.descent.solver import Solver
from facegen_jax.edit import recipe, settings
from facegen_jax.edit.engine import edit
from facegen_jax.faces import detector, geometry, image, regions
from facegen_jax.network import metrics
from facegen_jax.network.checkpoint import WEIGHTS_FOLDER, load_network
from facegen_jax.network.direction import load_direction
from facegen_jax.network.features import descriptor
from facegen_jax.network.vgg_face import CONVOLUTIONS, DENSE

NAMES = [
    "Eyeglasses",
    "Smiling",
    "Mustache",
    "Mouth Slightly Open",
    "Senior",
    "Youth",
    "Bangs",
    "Male",
    "Female",
]


@pytest.fixture(scope="module")
def network():
    return load_network()


@pytest.fixture(scope="module")
def people(faces):
    """Two photos each of eight people, aligned: arrays of shape (8, 2, 112, 112, 3)."""
    pytest.importorskip("dlib", reason="needs the extra `align`")
    with open(faces / "lfw/labels.csv", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["filename"].endswith(("_0001.jpg", "_0002.jpg"))
        ]
    paths = [faces / "lfw/images" / row["filename"] for row in rows]
    people = []
    for pair in zip(paths[100::120], paths[101::120], strict=False):
        if pair[0].parent != pair[1].parent:
            continue
        photos = [image.load(path) for path in pair]
        detected = [detector.detect(photo) for photo in photos]
        if all(detected):
            aligned = [
                geometry.to_template(photo, landmarks[0], 112)
                for photo, landmarks in zip(photos, detected, strict=True)
            ]
            people.append(aligned)
    assert len(people) >= 8
    return np.array(people[:8])


def test_network_is_complete_and_small(network):
    assert set(network.params) == {*CONVOLUTIONS, *DENSE, "embedding"}
    assert network.size == 112
    assert len(network.attributes) == network.params["fc8"]["bias"].shape[0]
    assert (WEIGHTS_FOLDER / "small.safetensors").stat().st_size <= 12e6
    assert (WEIGHTS_FOLDER / "small_directions.safetensors").stat().st_size <= 6e6


@pytest.mark.parametrize("name", NAMES)
def test_directions_of_every_attribute_ship(network, name):
    direction = load_direction(network, name)
    assert direction.attribute in network.attributes
    assert {"image", *recipe.TUNED_LAYERS} == set(direction.maps)


@pytest.mark.faces
def test_descriptor_tells_people_apart(network, people):
    first, second = (np.asarray(descriptor(network.params, people[:, photo])) for photo in (0, 1))
    similarity = first @ second.T
    genuine, impostor = np.diag(similarity), similarity[~np.eye(len(people), dtype=bool)]
    assert np.mean(genuine[:, None] > impostor) > 0.85


@pytest.mark.faces
@pytest.mark.long
def test_tuning_raises_the_attribute_and_keeps_the_person(network, people):
    references = people[:4, 0]
    objective = recipe.objective(settings.Weights())
    problems = [
        from_direction(network.params, objective, face, load_direction(network, name).maps)
        for name in ("Smiling", "Mustache")
        for face in references
    ]
    solutions = Solver(objective, 60).run_stacked(network.params, stack(problems))
    for index, solution in enumerate(solutions):
        reference, name = references[index % 4], ("Smiling", "Mustache")[index // 4]
        after, before = metrics.judge(network, np.stack([solution.image, reference]))
        assert metrics.attribute_gain(network, after, before, name) > 0
        assert metrics.identity_similarity(after, before) > 0.5
        assert 0.002 < np.abs(solution.image - reference).mean() < 0.1


@pytest.mark.faces
@pytest.mark.slow
def test_guided_edit_approaches_the_guide_and_keeps_the_person(network, people):
    objective = recipe.objective(settings.Weights(), guided=True, area=0.4)
    problem = from_guides(
        network.params,
        objective,
        people[0, 0],
        [people[1, 0]],
        masks={"inside": regions.region("face", 112)},
    )
    solution = Solver(objective, 60).run(network.params, problem)
    first, last = solution.parts["attribute"]
    assert last < 0.9 * first
    result, *others = metrics.judge(network, np.stack([solution.image, *people[:2, 0]]))
    to_reference, to_guide = (metrics.identity_similarity(result, each) for each in others)
    assert to_reference > to_guide


@pytest.mark.faces
@pytest.mark.slow
def test_edits_a_photo_from_file_to_file(faces, tmp_path):
    pytest.importorskip("dlib", reason="needs the extra `align`")
    (outcome,) = edit(
        settings.Edit(
            faces / "lfw/images/Aaron_Peirsol/Aaron_Peirsol_0001.jpg",
            tmp_path / "out.png",
            attribute="Eyeglasses",
            steps=40,
        )
    )
    assert outcome.notes == ()
    assert outcome.solution.status == "ok"
    gain = outcome.scores["attribute_gain"]
    assert isinstance(gain, float)
    assert gain > 0
    assert image.load(tmp_path / "out.png").shape == (112, 112, 3)


def test_strength_zero_keeps_the_reference(network):
    reference = np.asarray(jax.random.uniform(jax.random.key(0), (112, 112, 3)))
    objective = recipe.objective(settings.Weights())
    maps = load_direction(network, "Smiling").maps
    problem = from_direction(network.params, objective, reference, maps, strength=0.0)
    solution = Solver(objective, 10).run(network.params, problem)
    np.testing.assert_allclose(solution.image, reference, atol=1e-3)
