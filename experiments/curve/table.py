"""Make one table of the rows that `curve.py` wrote.

    python experiments/curve/table.py --people test [--by-attribute "Interpolation" "gallery"]

Area: identity as a function of the share of faces that reach their attribute, integrated from 0 to
1; beyond the largest share that a way reaches it counts as 0. Identity at a share is interpolated
between strengths. Intervals are 95 % of 2,000 bootstrap samples over people; differences from the
base way are taken within each sample.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

SAMPLES = 2000
LEVELS = (0.5, 0.8, 0.95)
GRID = np.linspace(0, 1, 101)


@dataclass
class Config:
    """Compare ways to edit."""

    rows: Path = Path("experiments/curve/rows")
    people: str = "choosing"
    base: str = "Interpolation"
    identity: str = "identity"
    """Which judge's identity: identity or identity_dlib."""
    by_attribute: tuple[str, ...] = ()
    """Ways to print a second table of: area, and scores at a strength of 1, by attribute."""
    out: Path | None = None
    """Folder for the table (default: print the tables only)."""


def curve(reached: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """Return identity at each share of `GRID`; 0 beyond the largest share reached.

    Args:
        reached: `strengths cases`.
        identity: `strengths cases`.
    """
    shares = np.concatenate([[0.0], reached.mean(1)])
    values = np.concatenate([[1.0], identity.mean(1)])
    best = np.zeros(len(GRID))
    # A stronger edit that reaches fewer faces is no part of the curve: each share takes the best
    # identity of all pieces that cross it, or of any way that reaches more.
    for first in range(len(shares) - 1):
        low, high = sorted((shares[first], shares[first + 1]))
        inside = (GRID >= low) & (GRID <= high)
        if high > low:
            ends = (values[first], values[first + 1])
            ends = ends if shares[first] <= shares[first + 1] else ends[::-1]
            best[inside] = np.maximum(best[inside], np.interp(GRID[inside], (low, high), ends))
        else:
            best[inside] = np.maximum(best[inside], max(values[first], values[first + 1]))
    return np.maximum.accumulate(best[::-1])[::-1]


def load(path: Path, identity: str) -> dict:
    """Return one way's arrays, `strengths cases`."""
    found = json.loads(path.read_text())
    names = ("reached", "identity", "identity_dlib", "same_person", "kept", "noise")
    arrays = {name: np.array([row[name] for row in found["strengths"]]) for name in names}
    arrays["identity"] = arrays[identity]
    return {**found, **arrays}


def bootstrap(way: dict, people: list[str]) -> np.ndarray:
    """Return the curve of each sample of people, `samples shares`; the first is of all people."""
    person = np.array([people.index(each) for _, each in way["cases"]])
    rng, curves = np.random.default_rng(0), [curve(way["reached"], way["identity"])]
    for _ in range(SAMPLES):
        counts = np.bincount(rng.integers(0, len(people), len(people)), minlength=len(people))
        rows = np.repeat(np.arange(len(person)), counts[person])
        curves.append(curve(way["reached"][:, rows], way["identity"][:, rows]))
    return np.array(curves)


def interval(values: np.ndarray) -> str:
    """Return a value and its 95 % interval from bootstrap samples, the first of which is all."""
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return f"{values[0]:.3f} ({low:.3f} to {high:.3f})"


def at_natural(way: dict, share: float) -> dict[str, float]:
    """Return the means at the weakest strength that reaches a share, or at the best one."""
    reached = way["reached"].mean(1)
    enough = np.flatnonzero(reached >= share)
    index = int(enough[0] if len(enough) else np.argmax(reached))
    found = {name: float(way[name][index].mean()) for name in ("reached", "kept", "same_person")}
    found["noise"] = float(np.median(way["noise"][index]))
    row = way["strengths"][index]
    return {**found, "distance": row["kernel_distance"], "strength": row["strength"]}


def by_attribute(ways: list[dict]) -> list[str]:
    """Return a table of areas, and of scores at a strength of 1, by attribute."""
    head = ["attribute", "way", "area", "reached at 1", "identity at 1", "same (dlib) at 1"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for attribute in dict.fromkeys(name for name, _ in ways[0]["cases"]):
        for way in ways:
            rows = [index for index, case in enumerate(way["cases"]) if case[0] == attribute]
            area = curve(way["reached"][:, rows], way["identity"][:, rows]).mean()
            one = [row["strength"] for row in way["strengths"]].index(1.0)
            names = ("reached", "identity", "same_person")
            means = [f"{way[name][one, rows].mean():.2f}" for name in names]
            lines.append(f"| {attribute} | {way['way']} | {area:.3f} | {' | '.join(means)} |")
    return lines


def compare(ways: list[dict], base: str) -> list[str]:
    """Return the table of all ways, the largest area first."""
    people = sorted({person for way in ways for _, person in way["cases"]})
    curves = {way["way"]: bootstrap(way, people) for way in ways}
    head = ["way", "area", f"area - {base}", *(f"identity at {each:g}" for each in LEVELS)]
    head += ["most reached", "at strength", "kept", "same (dlib)", "noise", "distance"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for way in sorted(ways, key=lambda each: -curves[each["way"]][0].mean()):
        mine, cells = curves[way["way"]], [way["way"]]
        cells.append(interval(mine.mean(1)))
        cells.append(interval((mine - curves[base]).mean(1)) if base in curves else "")
        for level in LEVELS:
            column = round(level * 100)
            cells.append(f"{mine[0, column]:.3f}" if mine[0, column] else "-")
        chosen = at_natural(way, LEVELS[1])
        cells += [f"{way['reached'].mean(1).max():.2f}", f"{chosen['strength']:g}"]
        cells += [f"{chosen[name]:.2f}" for name in ("kept", "same_person", "noise")]
        cells.append(f"{chosen['distance']:.4f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main(config: Config) -> None:
    ways = [load(p, config.identity) for p in sorted(config.rows.glob(f"*.{config.people}.json"))]
    lines = compare(ways, config.base)
    if config.by_attribute:
        chosen = [way for name in config.by_attribute for way in ways if way["way"] == name]
        lines += ["", *by_attribute(chosen)]
    print("\n".join(lines))
    if config.out:
        (config.out / f"table_{config.people}_{config.identity}.md").write_text(
            "\n".join(lines) + "\n"
        )


if __name__ == "__main__":
    main(tyro.cli(Config))
