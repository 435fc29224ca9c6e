"""Solutions as HTML for notebooks: images before and after, losses, nothing fetched."""

import base64
import html as markup
import io
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import PIL.Image
from jaxtyping import Float

from ..faces.image import pixels
from ..types import Image

SIDE, SMALL_SIDE = 224, 96
"""Longest side in pixels of the images of one solution, and of several."""
MOST = 24
"""Solutions that are shown of many."""
POINTS = 100
"""Points of the curve of losses."""
WIDTH, HEIGHT = 200, 90
"""Size of the curve, in pixels."""


@runtime_checkable
class Solved(Protocol):
    """What is shown of a `Solution`."""

    @property
    def image(self) -> Image: ...
    @property
    def reference(self) -> Image | None: ...
    @property
    def trace(self) -> Mapping[str, Float[np.ndarray, " steps"]]: ...
    @property
    def parts(self) -> Mapping[str, tuple[float, float]]: ...
    @property
    def status(self) -> str: ...


def html(solutions: Sequence[Solved]) -> str:
    """Return one solution with all its losses, or the first of several with their totals."""
    if len(solutions) == 1:
        (solution,) = solutions
        parts = [*_images(solution, SIDE), f"{_table(solution)}{_curve(solution.trace['total'])}"]
        return _row(parts)
    rows = [
        _row([*_images(each, SMALL_SIDE), markup.escape(_summary(each))])
        for each in solutions[:MOST]
    ]
    left = len(solutions) - len(rows)
    more = f"<p>and {left} more</p>" if left else ""
    return f"<p>{len(solutions)} solutions</p>{''.join(rows)}{more}"


def _row(parts: Sequence[str]) -> str:
    cells = "".join(f"<div>{part}</div>" for part in parts)
    return f'<div style="display:flex;gap:12px;align-items:center;margin:4px 0">{cells}</div>'


def _images(solution: Solved, side: int) -> list[str]:
    """Return the reference, where it is known, and the image, with captions."""
    named = {"before": solution.reference, "after": solution.image}
    return [
        f'<img src="{_png(image, side)}" alt="{name}" title="{name}">'
        for name, image in named.items()
        if image is not None
    ]


def _png(image: Image, side: int) -> str:
    """Return an image as a data URL; larger ones are made smaller."""
    picture, buffer = PIL.Image.fromarray(pixels(image)), io.BytesIO()
    picture.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
    picture.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _summary(solution: Solved) -> str:
    first, last = solution.parts["total"]
    return f"{solution.status}, total {first:.4g} to {last:.4g}"


def _table(solution: Solved) -> str:
    """Return the first and the last loss of every term as a table."""
    steps = len(solution.trace["total"])
    rows = "".join(
        f"<tr><td>{markup.escape(name)}</td><td>{first:.4g}</td><td>{last:.4g}</td></tr>"
        for name, (first, last) in solution.parts.items()
    )
    return (
        f"<table><caption>{solution.status}, {steps} steps</caption>"
        f"<tr><th>loss</th><th>first</th><th>last</th></tr>{rows}</table>"
    )


def _curve(losses: Float[np.ndarray, " steps"]) -> str:
    """Return the finite losses over the steps as an SVG image; nothing if there are too few."""
    steps = np.flatnonzero(np.isfinite(losses))
    if len(steps) < 2:
        return ""
    chosen = np.unique(steps[np.linspace(0, len(steps) - 1, POINTS).round().astype(int)])
    values = losses[chosen]
    x = chosen / chosen[-1] * WIDTH
    y = (values.max() - values) / max(np.ptp(values), np.finfo(np.float32).tiny) * HEIGHT
    points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 4}" height="{HEIGHT + 4}" '
        f'viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}"><polyline points="{points}" fill="none" '
        'stroke="#3ba3d0" stroke-width="2"/></svg>'
    )
    source = base64.b64encode(svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{source}" alt="total loss by step">'
