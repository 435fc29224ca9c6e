"""VGG-Face: agreement with independent implementations, layers, sizes and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_params

from facegen_jax.network import features, metrics, vgg_face
from facegen_jax.network.features import extract
from facegen_jax.network.protocol import Network
from facegen_jax.network.vgg_face import CONVOLUTIONS, DENSE, LAYERS


def test_layer_table():
    assert len(CONVOLUTIONS) == 13
    assert LAYERS == ("image", *CONVOLUTIONS, *DENSE)


def test_published_parameter_counts():
    shapes = vgg_face.param_shapes(vgg_face.VGGFace(), 224)
    count = {name: sum(leaf.size for leaf in leaves.values()) for name, leaves in shapes.items()}
    assert sum(count[name] for name in CONVOLUTIONS) == 14_714_688
    assert sum(count.values()) == 145_002_878


@pytest.mark.long
def test_agrees_with_pytorch_at_full_width():
    """Every layer of a random network at 224x224, to a relative error of 1e-5 in float32."""
    torch = pytest.importorskip("torch", reason="needs PyTorch (extra `train`)")
    from torch.nn import functional as F

    rng = np.random.default_rng(3)
    params = {
        name: leaves
        | {"bias": jnp.asarray(5 * rng.standard_normal(leaves["bias"].shape, np.float32))}
        for name, leaves in random_params(vgg_face.VGGFace(), 224).items()
    }
    image = rng.random((1, 224, 224, 3), np.float32)
    ours = extract(params, image, LAYERS)

    mean = np.array([129.186279296875, 104.76238250732422, 93.59396362304688], np.float32)
    x = torch.from_numpy(image * 255 - mean).permute(0, 3, 1, 2)
    theirs = {}

    def tensors(name):
        return (torch.from_numpy(np.array(params[name][leaf])) for leaf in ("kernel", "bias"))

    with torch.no_grad():
        for block, count in ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3)):
            for number in range(1, count + 1):
                name = f"conv{block}_{number}"
                kernel, bias = tensors(name)
                x = F.relu(F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, padding=1))
                theirs[name] = x.permute(0, 2, 3, 1)
            x = F.max_pool2d(x, 2)
        x = x.permute(0, 2, 3, 1).flatten(1)
        for name in DENSE:
            kernel, bias = tensors(name)
            x = F.linear(x, kernel.T, bias)
            theirs[name] = x = x if name == "fc8" else F.relu(x)
    for name, values in theirs.items():
        expected = values.numpy()
        error = np.linalg.norm(np.asarray(ours[name]) - expected) / np.linalg.norm(expected)
        assert error <= 1e-5, (name, error)


def test_gradients_agree_with_plain_jax(params, picture):
    """The custom gradients of convolution and pooling equal those of JAX's own operations."""

    def plain(params, image):
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = image[None] * 255 - jnp.array(vgg_face.MEAN_RGB).reshape(1, 1, 1, 3)
        for block in vgg_face.BLOCKS[:3]:
            for name in block:
                x = jax.lax.conv_general_dilated(
                    x, params[name]["kernel"], (1, 1), "SAME", dimension_numbers=dimensions
                )
                x = jax.nn.relu(x + params[name]["bias"].reshape(1, 1, 1, -1))
            if block is not vgg_face.BLOCKS[2]:
                x = jax.lax.reduce_window(
                    x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
                )
        return jnp.mean(jnp.square(x))

    def ours(params, image):
        return jnp.mean(jnp.square(extract(params, image, ("conv3_3",))["conv3_3"]))

    expected = jax.grad(plain, (0, 1))(params, jnp.asarray(picture))
    actual = jax.grad(ours, (0, 1))(params, jnp.asarray(picture))
    for right, leaf in zip(jax.tree.leaves(expected), jax.tree.leaves(actual), strict=True):
        tolerance = 1e-5 * float(jnp.abs(right).max())
        np.testing.assert_allclose(leaf, right, rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("layer", CONVOLUTIONS)
@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
def test_shapes_for_any_size(params, layer, size):
    block = int(layer[4]) - 1
    maps = extract(params, np.zeros((*size, 3), np.float32), (layer,))[layer]
    assert maps.shape == (size[0] >> block, size[1] >> block, (4, 6, 8, 8, 8)[block])


@pytest.mark.parametrize(
    "layers", [("image",), ("conv1_1",), ("conv4_2", "conv2_1"), ("fc7", "image"), LAYERS]
)
def test_returns_the_requested_layers(params, picture, layers):
    features = extract(params, picture, layers)
    assert set(features) == set(layers)
    if "image" in layers:
        np.testing.assert_array_equal(features["image"], picture)


def test_batch_agrees_with_single_images(params, picture, guide):
    batch = extract(params, np.stack([picture, guide]), LAYERS)
    for index, image in enumerate((picture, guide)):
        for name, maps in extract(params, image, LAYERS).items():
            np.testing.assert_allclose(batch[name][index], maps, rtol=1e-5, atol=1e-4)


def test_stops_at_the_deepest_requested_layer(params, picture):
    text = str(jax.make_jaxpr(lambda image: extract(params, image, ("conv2_1",)))(picture))
    assert text.count("conv_general_dilated") == 3
    text = str(jax.make_jaxpr(lambda image: extract(params, image, ("image",)))(picture))
    assert "conv_general_dilated" not in text


def test_unknown_layer_lists_the_known_ones(params, picture):
    with pytest.raises(ValueError, match=r"'conv3_4'.*conv3_3.*fc8"):
        extract(params, picture, ("conv3_4",))
    with pytest.raises(ValueError, match=r"no layer 'fc7'.*conv5_3$"):
        extract({name: params[name] for name in CONVOLUTIONS}, picture, ("fc7",))


def test_unsuitable_image_size_names_the_valid_ones(params):
    with pytest.raises(ValueError, match=r"64x64 pixels; fc6 of this network takes 32 to 63"):
        extract(params, np.zeros((64, 64, 3), np.float32), ("fc6",))
    with pytest.raises(ValueError, match=r"15x40 pixels; .* at least 16x16"):
        extract(params, np.zeros((15, 40, 3), np.float32), ("conv5_1",))


def test_descriptor_has_unit_length_and_uses_the_embedding(params, picture, guide):
    images = np.stack([picture, guide])
    plain = features.descriptor(params, images)
    np.testing.assert_allclose(jnp.linalg.norm(plain, axis=-1), 1, rtol=1e-5)
    embedding = {"kernel": jax.random.normal(jax.random.key(0), (10, 4)), "bias": jnp.ones(4)}
    embedding_params = params | {"embedding": embedding}
    embedded = features.descriptor(embedding_params, images)
    assert embedded.shape == (2, 4)
    single = features.descriptor(embedding_params, picture)
    np.testing.assert_allclose(single, embedded[0], rtol=1e-4, atol=1e-6)


def test_classify_returns_probabilities(params, picture, guide):
    images = np.stack([picture, guide])
    probabilities = np.asarray(features.classify(params, images))
    logits = np.asarray(extract(params, images, ("fc8",))["fc8"], np.float64)
    expected = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(
        probabilities, expected / expected.sum(-1, keepdims=True), rtol=1e-4, atol=1e-6
    )
    network = Network(vgg_face.backbone_of(params, 32), params, "tiny")
    identity = probabilities[0].argmax()
    judged = metrics.judge(network, images)
    for image, expected in zip(judged, probabilities[:, identity], strict=True):
        probability = metrics.identity_probability(image, judged[0])
        assert probability == pytest.approx(float(expected), rel=1e-4)


def test_mean_is_subtracted_in_rgb_order(params):
    """An image equal to the mean reaches conv1_1 as zeros, so only the bias remains."""
    mean = np.broadcast_to(np.array(vgg_face.MEAN_RGB, np.float32) / 255, (32, 32, 3))
    biased = params | {"conv1_1": params["conv1_1"] | {"bias": jnp.full(4, 0.5)}}
    np.testing.assert_allclose(extract(biased, mean, ("conv1_1",))["conv1_1"], 0.5, atol=1e-3)
    assert np.abs(extract(biased, mean[..., ::-1], ("conv1_1",))["conv1_1"] - 0.5).max() > 0.1
