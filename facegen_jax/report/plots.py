"""Plots of a study as figures of Matplotlib: identity against attribute, and losses by term."""

import itertools
from typing import TYPE_CHECKING

import numpy as np

from ..network.baselines import Baselines
from . import columns, curves
from .columns import Column
from .study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3ba3d0", "#8f5bd1", "#7a7a7a")
"""Told apart by the colour-blind; the page has the same."""
KEEPS, SHOWS = (
    ("identity_similarity", "identity_probability", "loss.first"),
    ("attribute_gain", "guide_similarity", "loss.last"),
)
"""What tells whether the person is kept and whether the attribute shows: the first that was measured."""
POINTS = 200
"""Steps of a curve that are drawn."""


def literal(text: str) -> str:
    """Text that Matplotlib takes for no formula."""
    return text.replace("$", r"\$")


def settings(study: Study, found: list[Column]) -> dict[str, list[int]]:
    """Runs that succeeded, by their setting."""
    names = next(iter(columns.ways(found, columns.references(study.rows)).values()))
    chosen = [column for column in found if column.name in names]
    good = [run for run, row in enumerate(study.rows) if row["status"] == "ok"]
    places = columns.places(chosen, len(study.rows))
    groups: dict[str, list[int]] = {}
    for run in sorted(good, key=lambda run: places[run]):
        groups.setdefault(literal(columns.heading(chosen, run)), []).append(run)
    return groups


def identity_vs_attribute(
    study: Study, found: list[Column], baselines: Baselines | None
) -> "Figure":
    """Every run as a point, every setting as a colour with its median."""
    from matplotlib.figure import Figure

    known = {column.name: column for column in found if column.kind == "number"}
    keeps, shows = (
        next((known[name] for name in names if name in known), None) for names in (KEEPS, SHOWS)
    )
    figure = Figure((7, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    if keeps and shows:
        for number, (name, runs) in enumerate(settings(study, found).items()):
            points = np.array([[keeps.values[run], shows.values[run]] for run in runs], float)
            points = points[np.isfinite(points).all(1)]
            colour = COLOURS[number % len(COLOURS)]
            axes.scatter(*points.T, s=14, alpha=0.6, color=colour, linewidths=0)
            if len(points):
                axes.scatter(
                    *np.median(points, 0),
                    s=80,
                    marker="D",
                    color=colour,
                    edgecolors="black",
                    zorder=3,
                    label=name,
                )
        axes.set_xlabel(keeps.name.replace("_", " "))
        axes.set_ylabel(shows.name.replace("_", " "))
        if baselines and keeps.name == "identity_similarity":
            _baselines(axes, baselines)
        _legend(axes, "median of")
    axes.set_title(literal(study.name), fontsize=10)
    return figure


def _baselines(axes: "Axes", baselines: Baselines) -> None:
    """Lines where they are among the points, words at the edge where they are below."""
    left, right = axes.get_xlim()
    below = []
    for name, at in (("one person", baselines.genuine), ("two people", baselines.impostor)):
        if left <= at <= right:
            axes.axvline(at, color="black", linestyle="--", linewidth=1)
            axes.annotate(
                f" two photos of {name}: {at:g}",
                (at, 0.97),
                xycoords=("data", "axes fraction"),
                fontsize=7,
                va="top",
            )
        else:
            below.append(f"← two photos of {name}: {at:g}")
    axes.annotate("\n".join(below), (0.01, 0.02), xycoords="axes fraction", fontsize=7)


def loss_curves(study: Study, found: list[Column]) -> "Figure":
    """A panel for each term with the median over runs of every setting, and the middle half of them."""
    from matplotlib.figure import Figure

    traces = {
        name: [trace for run in runs if (trace := _trace(study, run))]
        for name, runs in settings(study, found).items()
    }
    terms = list(
        dict.fromkeys(term for known in traces.values() for trace in known for term in trace.terms)
    )
    across = min(3, max(1, len(terms)))
    down = max(1, -(-len(terms) // across))
    figure = Figure((3.6 * across, 0.4 + 2.7 * down), dpi=150, layout="constrained")
    for number, term in enumerate(terms):
        axes = figure.add_subplot(down, across, number + 1)
        _panel(
            axes,
            {
                name: [trace for trace in known if term in trace.terms]
                for name, known in traces.items()
            },
            term,
        )
        if number == 0:
            _legend(axes, "")
    figure.suptitle(
        f"{literal(study.name)}: losses, unweighted but for the total; medians and the middle half",
        fontsize=9,
    )
    return figure


def _trace(study: Study, run: int) -> curves.Curves | None:
    name = study.rows[run]["trace"]
    return curves.load_curves(study.folder / name, POINTS) if name else None


def _panel(axes: "Axes", traces: dict[str, list[curves.Curves]], term: str) -> None:
    positive = list[float]()
    for (name, known), colour in zip(traces.items(), itertools.cycle(COLOURS), strict=False):
        lengths = [len(trace.steps) for trace in known]
        usual = [
            trace for trace in known if len(trace.steps) == max(set(lengths), key=lengths.count)
        ]  # others have no common middle with them
        if not usual:
            continue
        low, middle, high = np.quantile(
            [trace.terms[term] for trace in usual], (0.25, 0.5, 0.75), axis=0
        )
        axes.plot(usual[0].steps, middle, color=colour, linewidth=1.3, label=name)
        axes.fill_between(usual[0].steps, low, high, color=colour, alpha=0.15, linewidth=0)
        positive += low[1:][low[1:] > 0].tolist()
    if positive:  # many terms begin at zero, down to where the axis need not follow them
        axes.set_yscale("log")
        axes.set_ylim(bottom=min(positive) / 1.3)
    axes.set_title(literal(term.replace("_", " ")), fontsize=9)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=7, which="both")


def _legend(axes: "Axes", title: str) -> None:
    if 1 < len(axes.get_legend_handles_labels()[0]) <= len(COLOURS):
        axes.legend(fontsize=7, title=title, title_fontsize=7)
