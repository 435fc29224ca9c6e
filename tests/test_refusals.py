"""Mistakes become one clear line: what was expected, what came, what to do.

The cases run in a process of their own, without the type checker of the test run, as users meet
them.
"""

import json
import subprocess
import sys

import pytest

from facegen_jax.network import checkpoint

PREAMBLE = """
import dataclasses, json, sys
import jax, jax.numpy as jnp, numpy as np, optax
import facegen_jax as fg
from facegen_jax.network import vgg_face
params = fg.load_params(sys.argv[1])
image = np.asarray(jax.random.uniform(jax.random.key(1), (32, 32, 3)))
objective = fg.Identity(("conv2_1",)) + fg.Attribute(("conv1_2",))
problem = fg.from_guides(params, objective, image, [image[::-1]])
solver = fg.Solver(objective, steps=2)

class Frozen(fg.Term):
    def __call__(self, features, targets):
        return jnp.mean(features["image"])

@dataclasses.dataclass(frozen=True)
class Holding(Frozen):
    level: object = None
    layers: tuple = ("image",)

@dataclasses.dataclass
class Thawed(Frozen):
    layers: tuple = ("image",)

@dataclasses.dataclass(frozen=True)
class Undeclared(Frozen):
    layers: tuple = ("image",)
    def __call__(self, features, targets):
        return jnp.mean(features["conv1_2"])

@dataclasses.dataclass(frozen=True)
class Vector(Frozen):
    layers: tuple = ("image",)
    def __call__(self, features, targets):
        return jnp.mean(features["image"], (0, 1))
"""

CASES = {
    "a term that holds an array": (
        "1.0 * Holding(jnp.zeros(3))",
        ["Holding cannot be hashed", "level holds a ArrayImpl", "pass arrays as further targets"],
    ),
    "a term that holds a list": ("Holding([1]) + Holding()", ["level holds a list"]),
    "a forgotten frozen=True": ("1.0 * Thawed()", ["Thawed cannot", "@dataclass(frozen=True)"]),
    "a list of layers": (
        'fg.Identity(["conv3_3"]) * 2',
        ["Identity: layers must be a tuple", '("conv3_3",)', "not ['conv3_3']"],
    ),
    "a string of layers": ('fg.Attribute("conv3_3") * 2', ["must be a tuple", "not 'conv3_3'"]),
    "a string to extract": (
        'fg.extract(params, image, "conv3_3")',
        ["('conv3_3',), not the string"],
    ),
    "an unknown layer": (
        'fg.from_guides(params, 1.0 * fg.Identity(("stem",)), image, [image])',
        ["no layer 'stem'", "it has image, conv1_1"],
    ),
    "no layers": ("fg.Identity(())", ["Identity: name at least one layer"]),
    "an unknown distance": (
        'fg.Identity(("conv3_3",), distance="cosin")',
        ["no distance 'cosin'", "did you mean 'cosine'?", "squared, l1"],
    ),
    "negative weights of layers": ('fg.Identity({"conv3_3": -1.0})', ["at least 0 for each layer"]),
    "an unknown kind of variation": (
        'fg.TotalVariation("pictur")',
        ['of must be "change" or "image", not \'pictur\''],
    ),
    "a vector where a map is needed": (
        'fg.from_guides(params, 1.0 * fg.Identity(("fc7",), distance="gram"), image, [image])',
        ["fc7 is a vector", "needs a map"],
    ),
    "a term that returns no scalar": (
        "fg.from_guides(params, 1.0 * Vector(), image, [image])",
        ["the term vector returned shape (3,), expected a scalar"],
    ),
    "an infinite weight": ('float("inf") * fg.Identity()', ["weights must be finite"]),
    "a term where an objective belongs": ("fg.Solver(fg.Identity())", ["1.0 * Identity()"]),
    "an optimizer by a wrong name": (
        'fg.Solver(objective, optimizer="adamm")',
        ["did you mean 'adam'?", "optax transformation"],
    ),
    "a factory of an optimizer": (
        "fg.Solver(objective, optimizer=optax.lion)",
        ["such as optax.lion(0.02)"],
    ),
    "whole numbers": (
        "fg.from_guides(params, objective, (255 * image).astype(np.uint8), [image])",
        ["the reference must be RGB, float, in [0, 1]", "not uint8", "fg.load_image", "255"],
    ),
    "a guide from 0 to 255": (
        "fg.from_guides(params, objective, image, [255 * image])",
        ["a guide must be RGB, float, in [0, 1]", "not values from 0", "are divided by 255"],
    ),
    "a reference with NaN": (
        "fg.from_maps(params, objective, image * np.nan, {})",
        ["not values that are NaN"],
    ),
    "a grey reference": (
        "fg.from_direction(params, objective, image[..., 0], {})",
        ["not of shape (32, 32)"],
    ),
    "a path for an image": ('fg.from_maps(params, objective, "a.png", {})', ["not a str"]),
    "a descriptor of whole numbers": (
        "fg.descriptor(params, (255 * image).astype(np.uint8))",
        ["an image must be RGB, float, in [0, 1]", "or a batch of those", "not uint8"],
    ),
    "classes of images from 0 to 255": (
        "fg.classify(params, 255 * image[None])",
        ["not values from 0", "are divided by 255"],
    ),
    "a descriptor of numbers of four bits": (
        "fg.descriptor(params, (0 * image).astype(jnp.int4))",
        ["not int4"],
    ),
    "maps of images with opacity": (
        "fg.extract(params, np.ones((2, 32, 32, 4)), ('conv1_2',))",
        ["not of shape (2, 32, 32, 4)"],
    ),
    "saving whole numbers": (
        'fg.save_image("a.png", (255 * image).astype(np.uint8))',
        ["the image must be RGB, float, in [0, 1]", "not uint8"],
    ),
    "saving as something else": (
        'fg.save_image("a.bmp", image)',
        ["a.bmp: images are written as .png, .jpg"],
    ),
    "half a step": (
        "fg.Solver(objective, steps=2.5)",
        ["steps must be a whole number of at least 1, not 2.5"],
    ),
    "one problem in run_batch": (
        "fg.run_batch(solver, params, problem)",
        ["expected stacked problems", "stack([problem, ...])", "shape (32, 32, 3)"],
    ),
    "stacked problems in run": (
        "solver.run(params, fg.stack([problem]))",
        ["expected one problem"],
    ),
    "something else in run_batch": (
        "fg.run_batch(solver, params, [image])",
        ["expected a Problem"],
    ),
    "nothing in run_batch": ("fg.run_batch(solver, params, [])", ["no problems"]),
    "parameters of something else": (
        'solver.run({"stem": image}, problem)',
        ["expected a Network or VGG-Face parameters", "a dict with the keys stem"],
    ),
    "a module where a network belongs": (
        "fg.extract(vgg_face.VGGFace(), image, ('conv1_1',))",
        ["expected a Network", "not a VGGFace"],
    ),
    "nothing for an optimizer": (
        "fg.Solver(objective, optimizer=None)",
        ["optimizer None; expected adam, sgd, lbfgs, or an optax transformation such as"],
    ),
    "an optimizer that raises": (
        "fg.Solver(objective, optimizer=optax.GradientTransformation(lambda p: 1 / 0, None))",
        ["the optimizer raised ZeroDivisionError"],
    ),
    "an optimizer whose updates have another shape": (
        "fg.Solver(objective, optimizer=optax.stateless(lambda u, p: u.sum()))",
        ["updates have shape () for parameters of shape (4, 4, 3)"],
    ),
    "a term that reads a layer it does not name": (
        "fg.from_maps(params, 1.0 * Undeclared(), image, {})",
        ["the term undeclared reads 'conv1_2'", "name every layer it reads in `layers`"],
    ),
    "a problem of another objective": (
        'fg.Solver(fg.Identity(("conv3_3",)) + fg.Chroma()).run(params, problem)',
        [
            "the term identity reads 'conv3_3'",
            "reference has conv1_2, conv2_1",
            "build the problem with the objective that is solved",
        ],
    ),
    "a problem with weights of another objective": (
        "fg.Solver(1.0 * fg.Chroma()).run(params, problem._replace(weights=jnp.ones(2)))",
        ["the problem carries weights of shape (2,)", "1 terms"],
    ),
    "a problem of another size": (
        "solver.run(params, problem._replace(start=jnp.zeros((48, 48, 3))))",
        ["has shape (24, 24, 6), its target (16, 16, 6)", "the size to be solved"],
    ),
    "an unknown target": (
        'fg.from_maps(params, 1.0 * fg.MapDistance(("conv1_2",), target="style"), image, {})',
        ["reads 'style'", "which the problem lacks", "reference has"],
    ),
    "a target called reference": (
        'fg.from_maps(params, objective, image, {}, more={"reference": {}})',
        ["names other than 'reference'"],
    ),
    "a mask of another size": (
        'fg.from_guides(params, objective, image, [image], masks={"m": np.ones((8, 8))})',
        ["the mask 'm' has shape (8, 8), the reference (32, 32)"],
    ),
}
"""Code, and what its message must say."""


@pytest.fixture(scope="module")
def messages(params, tmp_path_factory) -> dict[str, list[str]]:
    """The type and text of the exception that each case raises."""
    path = tmp_path_factory.mktemp("refusals") / "tiny.safetensors"
    checkpoint.save_network(path, params, {"network": "tiny", "image_size": "32"})
    code = {name: source for name, (source, _) in CASES.items()}
    script = f"""{PREAMBLE}
found = {{}}
for name, source in {code!r}.items():
    try:
        eval(source)
        found[name] = ["nothing", ""]
    except Exception as error:
        found[name] = [type(error).__name__, str(error)]
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_one_line_says_what_to_do(messages, name):
    kind, message = messages[name]
    assert kind == "ValueError", message
    assert "\n" not in message
    for part in CASES[name][1]:
        assert part in message
