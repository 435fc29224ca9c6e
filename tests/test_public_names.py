"""Public names as a notebook's user meets them: one line first, then the shape of every array."""

import ast
import collections.abc
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterator

import pytest

import facegen_jax as fg


def shapes(annotation: object) -> Iterator[str]:
    """Yield the shapes of arrays in an annotation, as docstrings write them.

    Scalars have none, and those of `Features` depend on the layer.
    """
    shape = getattr(annotation, "dim_str", "")
    if shape.strip() not in ("", "..."):
        yield shape.replace("*batch ", "").replace("_ _", "height width").strip()
    if typing.get_origin(annotation) is not collections.abc.Callable:
        for each in typing.get_args(annotation):
            yield from shapes(each)


def one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def entries(docstring: str) -> dict[str, str]:
    """Return the text of each argument in the section `Args:`."""
    section = re.search(r"^Args:\n((?:    .*\n|\n)+)", f"{docstring}\n", re.MULTILINE)
    lines = textwrap.dedent(section[1]) if section else ""
    return dict(re.findall(r"^(\w+): (.*(?:\n +.*)*)", lines, re.MULTILINE))


def methods(kind: type) -> Iterator[tuple[str, Callable]]:
    """Yield the public methods that a class defines itself."""
    for name, value in vars(kind).items():
        if inspect.isfunction(value) and (name == "__call__" or not name.startswith("_")):
            yield name, value


def fields(kind: type) -> Iterator[tuple[str, object, str]]:
    """Yield the annotated fields that a class defines itself, with the text below each."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(node, ast.ClassDef)
    for field, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                text = str(after.value.value)
            yield field.target.id, inspect.get_annotations(kind)[field.target.id], text


def unnamed(name: str) -> list[str]:
    """Return the arrays of a public name whose shapes no docstring tells."""
    value = getattr(fg, name)
    told: list[tuple[str, object, str]] = []
    if inspect.isfunction(value):
        arguments = entries(inspect.getdoc(value) or "")
        signature = inspect.signature(value)
        told += [
            (each.name, each.annotation, arguments.get(each.name, ""))
            for each in signature.parameters.values()
        ]
        told.append(("return", signature.return_annotation, inspect.getdoc(value) or ""))
    elif inspect.isclass(value):
        told += fields(value)
        for label, method in methods(value):
            text = inspect.getdoc(method) or ""
            if "see `Backbone.features`" not in text:
                told += [(label, each, text) for each in inspect.get_annotations(method).values()]
    return [
        f"{name}, {label}: {shape}"
        for label, annotation, text in told
        for shape in shapes(annotation)
        if f"{shape}`" not in one_line(text)
    ]


@pytest.mark.parametrize("name", fg.__all__)
def test_docstrings_begin_with_one_line_and_name_every_shape(name):
    first, *rest = (inspect.getdoc(getattr(fg, name)) or "").splitlines()
    assert first.endswith(".")
    assert not rest or rest[0] == ""
    assert unnamed(name) == []


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("from_guides", {"reference", "guides", "masks"}),
        ("descriptor", {"images", "return"}),
        ("Problem", {"start", "weights"}),
        ("Pixels", {"parameters", "image"}),
    ],
)
def test_shapes_that_are_not_named_are_found(name, labels, monkeypatch):
    source = inspect.getsource
    monkeypatch.setattr(inspect, "getdoc", lambda value: "Return an image.")
    monkeypatch.setattr(inspect, "getsource", lambda value: source(value).replace("`", ""))
    assert {re.split("[,:] ", each)[1] for each in unnamed(name)} == labels
