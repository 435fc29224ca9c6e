"""A plain function, a linen module and an nnx module go through everything that VGG-Face goes
through."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import own_networks
import pytest

from facegen_jax import Network, load_network
from facegen_jax.descent import problem as p
from facegen_jax.descent import terms as t
from facegen_jax.descent.batch import run_batch
from facegen_jax.descent.solver import Solver
from facegen_jax.faces import image
from facegen_jax.gallery import directions, features
from facegen_jax.gallery.labels import load_gallery
from facegen_jax.network import metrics
from facegen_jax.network.adapters import Function
from facegen_jax.network.direction import load_direction
from facegen_jax.sweep import Sweep, run_sweep

KINDS = ("function_network", "linen_network", "nnx_network")
OBJECTIVE = (
    0.5 * t.Identity(("deep",))
    + t.Attribute(("stem", "deep"))
    + 0.1 * t.DescriptorIdentity(("descriptor",))
    + t.TotalVariation()
)


@pytest.fixture(scope="module", params=KINDS)
def network(request) -> Network:
    return getattr(own_networks, request.param)()


@pytest.fixture
def gallery(tmp_path, rng):
    (tmp_path / "gallery/images").mkdir(parents=True)
    rows = []
    for index in range(60):
        smiles = index % 2
        pixels = rng.uniform(0, 0.6, (32, 32, 3)) + 0.4 * smiles * np.eye(32)[..., None]
        image.save(tmp_path / f"gallery/images/{index}.png", pixels.astype(np.float32))
        rows.append((f"{index}.png", f"person {index}", smiles))
    with (tmp_path / "gallery/labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "identity", "Smiling"), *rows])
    return load_gallery(tmp_path / "gallery")


def test_layers_of_one_image_and_of_a_batch(network, picture, guide):
    single = network.extract(picture, ("image", "deep", "descriptor"))
    batch = network.extract(np.stack([picture, guide]), ("image", "deep", "descriptor"))
    assert single["deep"].shape == (8, 8, 6)
    np.testing.assert_array_equal(single["image"], picture)
    for layer, maps in single.items():
        np.testing.assert_allclose(batch[layer][0], maps, atol=1e-5)
    assert network.layers == ("image", *own_networks.LAYERS)


def test_descends_alone_and_in_a_batch(network, picture, guide):
    problems = [
        p.from_guides(network, OBJECTIVE, picture, [guide]),
        p.from_guides(network, OBJECTIVE, guide, [picture]),
    ]
    solver = Solver(OBJECTIVE, 15)
    alone = [solver.run(network, each) for each in problems]
    together = run_batch(solver, network, problems)
    for one, other in zip(alone, together, strict=True):
        assert one.status == "ok"
        assert one.trace["total"].min() < 0.9 * one.trace["total"][0]
        np.testing.assert_array_equal(one.image, other.image)


def test_other_parameters_compile_nothing(picture, guide):
    """Parameters are traced arguments: networks that share a backbone share programs."""
    traced = []

    def counted(params, images):
        traced.append(1)
        return own_networks._features(params, images)

    backbone = Function(counted, own_networks.LAYERS, 32)
    params = own_networks.function_network().params
    solver = Solver(OBJECTIVE, 5)
    images, counts = [], []
    for factor in (1.0, 0.5):
        scaled = jax.tree.map(lambda leaf, factor=factor: leaf * jnp.float32(factor), params)
        network = Network(backbone, scaled)
        problem = p.from_guides(network, OBJECTIVE, picture, [guide])
        images.append(solver.run(network, problem).image)
        counts.append(len(traced))
    assert counts[0] > 0
    assert counts[1] == counts[0]
    assert not np.array_equal(*images)


def test_scores(network, picture, guide):
    own, other = metrics.judge(network, np.stack([picture, guide]))
    assert metrics.identity_similarity(own, own) == pytest.approx(1, abs=1e-3)
    assert -1 <= metrics.identity_similarity(own, other) < 1
    before, after = (metrics.attribute_scores(network, each[None])[0] for each in (picture, guide))
    gain = metrics.attribute_gain(network, other, own, "Male")
    assert gain == pytest.approx(float(after[1] - before[1]), abs=1e-5)


def test_galleries_and_directions(network, gallery, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    described = features.describe(gallery, network, mode="none")
    assert described.features.shape == (60, 6)
    by_layer = features.describe(gallery, network, ("stem",), mode="none")
    np.testing.assert_allclose(np.linalg.norm(by_layer.features, axis=1), 1, rtol=1e-4)
    layers = ("image", "stem", "deep")
    fitted = directions.build(
        [(gallery, described)], network, ("Smiling",), layers=layers, mode="none"
    )
    assert fitted.separation["Smiling"]["image"] > 0.9
    path = tmp_path / "own.safetensors"
    directions.write(path, network, fitted, ("Smiling",), (2.0,), {})
    loaded = load_direction(network, "smiling", path)
    assert set(loaded.maps) == set(layers)
    np.testing.assert_allclose(loaded.maps["deep"], 2 * fitted.maps["Smiling"]["deep"], atol=2e-3)


def test_sweeps_by_object_and_by_path(network, tmp_path, picture, guide, monkeypatch):
    for name, pixels in (("a", picture), ("b", guide)):
        image.save(tmp_path / f"{name}.png", pixels)
    (tmp_path / "pairs.csv").write_text("reference,guides\na.png,b.png\n")
    options = {"grid": ("strength=1,2",), "align": "none", "steps": 10}
    config = Sweep(tmp_path / "pairs.csv", tmp_path / "object", **options)
    by_object = list(run_sweep(config, objective=OBJECTIVE, network=network))
    assert [result.status for result in by_object] == ["ok", "ok"]
    assert set(by_object[0].parts) == set(OBJECTIVE.names)
    path = f"own_networks:{network.name}_network"
    assert load_network(path).sha256 == network.sha256
    by_path = Sweep(tmp_path / "pairs.csv", tmp_path / "path", params=path, **options)
    results = list(run_sweep(by_path, objective=OBJECTIVE))
    assert [result.id for result in results] == [result.id for result in by_object]


def test_the_default_objective_needs_layers_of_vgg(tmp_path, picture):
    network = own_networks.function_network()
    image.save(tmp_path / "a.png", picture)
    (tmp_path / "pairs.csv").write_text("reference,guides\na.png,a.png\n")
    config = Sweep(tmp_path / "pairs.csv", tmp_path / "out", align="none", steps=3)
    with pytest.raises(ValueError, match=r"'function' has image, stem, .*--objective of your own"):
        list(run_sweep(config, network=network))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({}, r"asked for deep and returned image; it must return every layer"),
        ({"stem": np.zeros((1, 2, 2, 1), np.float32)}, r"asked for deep and returned image, stem"),
    ],
)
def test_a_backbone_that_returns_too_little(picture, returned, message):
    network = Network(Function(lambda params, images: returned, ("stem", "deep"), 32), {})
    with pytest.raises(ValueError, match=message):
        network.extract(picture, ("deep",))


def test_a_backbone_without_features_is_refused():
    with pytest.raises((ValueError, TypeError), match=r"Backbone|features"):
        Network(object(), {})  # type: ignore[arg-type]
