"""Matplotlib figures of a study: identity against attribute, and losses by term."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..network.baselines import Baselines
from .columns import Column, group_keys, groupings, heading
from .curves import Curves, load_curves
from .study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3ba3d0", "#8f5bd1", "#7a7a7a")
"""Distinguishable with colour blindness; the page uses the same."""
IDENTITY = ("identity_similarity", "identity_probability", "loss.first")
"""Columns that may measure how well the identity is kept; the first that exists is plotted."""
ATTRIBUTE = ("attribute_gain", "guide_similarity", "loss.last")
"""Columns that may measure how much of the attribute shows; the first that exists is plotted."""
POINTS = 200
"""Points of a plotted curve."""


def escape(text: str) -> str:
    """Keep Matplotlib from reading text as a formula."""
    return text.replace("$", r"\$")


def runs_by_setting(study: Study, columns: Sequence[Column]) -> dict[str, list[int]]:
    """Return the runs that succeeded, by the heading of their setting in the first grouping."""
    references = [result.reference for result in study.results]
    names = next(iter(groupings(columns, references).values()))
    chosen = [column for column in columns if column.name in names]
    keys = group_keys(chosen, len(study.results))
    succeeded = [run for run, result in enumerate(study.results) if result.ok]
    groups: dict[str, list[int]] = {}
    for run in sorted(succeeded, key=lambda run: keys[run]):
        groups.setdefault(escape(heading(chosen, run)), []).append(run)
    return groups


def identity_vs_attribute(
    study: Study, columns: Sequence[Column], baselines: Baselines | None
) -> "Figure":
    """Plot every run as a point, with a colour and a median for each setting."""
    from matplotlib.figure import Figure

    numeric = {column.name: column for column in columns if column.kind == "number"}
    x = next((numeric[name] for name in IDENTITY if name in numeric), None)
    y = next((numeric[name] for name in ATTRIBUTE if name in numeric), None)
    figure = Figure((7, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    if x and y:
        groups = runs_by_setting(study, columns).items()
        for (name, runs), colour in zip(groups, itertools.cycle(COLOURS), strict=False):
            points = np.array([[x.values[run], y.values[run]] for run in runs], float)
            _points(axes, points[np.isfinite(points).all(1)], name, colour)
        axes.set_xlabel(x.name.replace("_", " "))
        axes.set_ylabel(y.name.replace("_", " "))
        if baselines and x.name == "identity_similarity":
            _baselines(axes, baselines)
        _legend(axes, "median of")
    axes.set_title(escape(study.name), fontsize=10)
    return figure


def _points(axes: "Axes", points: np.ndarray, name: str, colour: str) -> None:
    """Plot the points of a setting, and their median as a diamond."""
    axes.scatter(*points.T, s=14, alpha=0.6, color=colour, linewidths=0)
    if len(points):
        median = {"marker": "D", "edgecolors": "black", "zorder": 3, "label": name}
        axes.scatter(*np.median(points, 0), s=80, color=colour, **median)


def _baselines(axes: "Axes", baselines: Baselines) -> None:
    """Draw baselines within the plotted range as lines; name those to its left at the edge."""
    left, right = axes.get_xlim()
    outside = []
    medians = (("one person", baselines.genuine), ("two people", baselines.impostor))
    for name, median in medians:
        label = f"two photos of {name}: {median:g}"
        if left <= median <= right:
            axes.axvline(median, color="black", linestyle="--", linewidth=1)
            top = {"xycoords": ("data", "axes fraction"), "va": "top"}
            axes.annotate(f" {label}", (median, 0.97), fontsize=7, **top)
        else:
            outside.append(f"← {label}")
    axes.annotate("\n".join(outside), (0.01, 0.02), xycoords="axes fraction", fontsize=7)


def loss_curves(study: Study, columns: Sequence[Column]) -> "Figure":
    """Plot a panel for each term: the median and quartiles over the runs of each setting."""
    from matplotlib.figure import Figure

    traces = {
        name: [trace for run in runs if (trace := _trace(study, run))]
        for name, runs in runs_by_setting(study, columns).items()
    }
    loaded = itertools.chain(*traces.values())
    terms = list(dict.fromkeys(term for trace in loaded for term in trace.terms))
    across = min(3, max(1, len(terms)))
    down = max(1, -(-len(terms) // across))
    figure = Figure((3.6 * across, 0.4 + 2.7 * down), dpi=150, layout="constrained")
    for number, term in enumerate(terms, 1):
        axes = figure.add_subplot(down, across, number)
        _panel(axes, traces, term)
        if number == 1:
            _legend(axes, "")
    figure.suptitle(
        f"{escape(study.name)}: losses, unweighted except the total; medians and quartiles",
        fontsize=9,
    )
    return figure


def _trace(study: Study, run: int) -> Curves | None:
    name = study.results[run].trace
    return load_curves(study.folder / name, POINTS) if name else None


def _panel(axes: "Axes", traces: Mapping[str, list[Curves]], term: str) -> None:
    positive = list[float]()
    for (name, loaded), colour in zip(traces.items(), itertools.cycle(COLOURS), strict=False):
        having = [trace for trace in loaded if term in trace.terms]
        if not having:
            continue
        # Quantiles need curves of one length: take those of the most frequent one.
        lengths = [len(trace.steps) for trace in having]
        length = max(set(lengths), key=lengths.count)
        usual = [trace for trace in having if len(trace.steps) == length]
        quartiles = np.quantile([trace.terms[term] for trace in usual], (0.25, 0.5, 0.75), axis=0)
        low, middle, high = quartiles
        axes.plot(usual[0].steps, middle, color=colour, linewidth=1.3, label=name)
        axes.fill_between(usual[0].steps, low, high, color=colour, alpha=0.15, linewidth=0)
        positive += low[1:][low[1:] > 0].tolist()
    if positive:  # many terms start at zero, which a logarithmic axis cannot show
        axes.set_yscale("log")
        axes.set_ylim(bottom=min(positive) / 1.3)
    axes.set_title(escape(term.replace("_", " ")), fontsize=9)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=7, which="both")


def _legend(axes: "Axes", title: str) -> None:
    if 1 < len(axes.get_legend_handles_labels()[0]) <= len(COLOURS):
        axes.legend(fontsize=7, title=title, title_fontsize=7)
