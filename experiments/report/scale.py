"""Measure how long the page of 2,000 runs takes to write, open and filter.

    python experiments/sweep/faces.py --faces ../shared/faces/lfw --out out/faces
    python experiments/report/scale.py --run out/faces/runs --out out/report

The runs of a real sweep are copied under other ids and seeds until there are enough.
Opening and filtering are timed in headless Chromium (Debian's): until the browser's first
contentful paint, and from a change of a filter to the second frame after it. Medians are reported.
"""

import json
import os
import platform
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from playwright.sync_api import Page, ViewportSize, sync_playwright

from facegen_jax.report import results
from facegen_jax.report.report import write_report

WINDOW: ViewportSize = {"width": 1440, "height": 900}
FRAME = """change => new Promise(done => {
  const began = performance.now();
  eval(change);
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""
CHANGES = {
    "find by name": (
        "(field => {{ field.value = '{text}'; field.dispatchEvent(new Event('input')); }})"
        "(document.getElementById('search'))"
    ),
    "filter by setting": (
        "document.querySelectorAll('#filters input[type=checkbox]')[{number}].click()"
    ),
    "sort by identity": (
        "(field => {{ field.value = '{column}'; field.dispatchEvent(new Event('change')); }})"
        "(document.getElementById('sort'))"
    ),
    "clear": "document.getElementById('clear').click()",
}


@dataclass(frozen=True)
class Config:
    """Options of the measurement."""

    run: Path
    """Folder of a sweep."""
    out: Path = Path("out/report")
    runs: int = 2000
    times: int = 5
    chromium: Path = Path("/usr/bin/chromium")
    results: Path = Path("experiments/report/scale.json")


def multiply(config: Config) -> None:
    """Write a folder with `config.runs` runs."""
    shutil.rmtree(config.out, ignore_errors=True)
    for kind in ("images", "traces"):
        (config.out / kind).mkdir(parents=True)
    shutil.copytree(config.run / "faces", config.out / "faces")
    shutil.copyfile(config.run / "sweep.json", config.out / "sweep.json")
    rows = list(results.read(results.locate_latest(config.run)))
    with (config.out / "results.jsonl").open("wb") as file:
        for number in range(config.runs):
            seed, index = divmod(number, len(rows))
            id, row = f"{number:016x}", rows[index]
            files = {"image": f"images/{id}.png", "trace": f"traces/{id}.npz"}
            copies = {kind: name for kind, name in files.items() if getattr(row, kind)}
            for kind, name in copies.items():
                shutil.copyfile(config.run / getattr(row, kind), config.out / name)
            row = row._replace(**copies, frames=None, id=id, grid=row.grid | {"seed": seed})
            file.write(results.line(row))


def first_paint(page: Page, path: Path) -> float:
    """Return the milliseconds until the first contentful paint."""
    page.goto(path.resolve().as_uri())
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
    return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")


def changes(page: Page, times: int) -> dict[str, list[float]]:
    """Return the milliseconds that each change takes, several times."""
    took: dict[str, list[float]] = {name: [] for name in CHANGES}
    for number in range(times):
        for name, change in CHANGES.items():
            change = change.format(
                text="abcdefghij"[number],
                number=3 + number,
                column=("identity_similarity", "attribute_gain")[number % 2],
            )
            took[name].append(page.evaluate(FRAME, change))
    return took


def main(config: Config) -> None:
    multiply(config)
    began = time.perf_counter()
    write_report(config.out)
    first = time.perf_counter() - began
    began = time.perf_counter()
    (page,) = write_report(config.out)  # its thumbnails exist
    again = time.perf_counter() - began
    began = time.perf_counter()
    write_report(config.out, figures=True)
    figures = time.perf_counter() - began - again
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=config.chromium, args=["--no-sandbox"])
        paints = [first_paint(browser.new_page(viewport=WINDOW), page) for _ in range(config.times)]
        tab = browser.new_page(viewport=WINDOW)
        first_paint(tab, page)
        tab.wait_for_timeout(1000)
        took = changes(tab, config.times)
        version = browser.version
        browser.close()
    measured = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "chromium": version,
        "runs": config.runs,
        "megabytes": round(page.stat().st_size / 1e6, 2),
        "seconds": {
            "first time": round(first, 2),
            "again": round(again, 2),
            "figures": round(figures, 2),
        },
        "first_paint_ms": round(statistics.median(paints)),
        "changes_ms": {
            name: {"median": round(statistics.median(values)), "most": round(max(values))}
            for name, values in took.items()
        },
    }
    print(json.dumps(measured, indent=2))
    config.results.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
