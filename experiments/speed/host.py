"""Edits a second through a whole sweep whose descents are a single step: what the host can feed.

    python experiments/speed/host.py --faces FOLDER

A sweep of one step each leaves the work beside the descent: reading photos, finding faces, targets,
scores, files, the report. Two sweeps of the small network are measured, one of many faces with one
setting each and one of few faces with many settings. Each runs in a process of its own, after a
small sweep of other faces that compiles the programs; its time is that of everything from the
table of pairs to the page. CPU seconds count all threads and worker processes. `--profile` samples
the Python threads and prints where they were, by module; times are then a little longer.
"""

import concurrent.futures
import csv
import itertools
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

ENDINGS = (".jpg", ".jpeg", ".png")
IDLE = ("threading.py", "queue.py", "thread.py", "process.py", "connection.py", "selectors.py")
WARM_UP = 20
"""Runs of the sweep that compiles."""


@dataclass(frozen=True)
class Config:
    """Measure how many edits a second the host can feed."""

    faces: Path | None = None
    """Folder of photos, searched with its subfolders, one photo from each folder; without it,
    portraits are generated, in which no face is looked for."""
    runs: int = 128
    settings: int = 16
    """Settings of each face in the second sweep."""
    batch_size: int = 16
    attribute: str = "Smiling"
    steps: int = 1
    profile: bool = False


class Measured(NamedTuple):
    """One sweep."""

    faces: int
    runs: int
    first: float
    """Seconds of the first sweep of the process, which compiles."""
    seconds: float
    cpu: float
    """CPU seconds of all threads and workers."""
    peak: int
    """Bytes, of this process."""
    samples: Counter[str]


def photos(folder: Path, count: int) -> list[Path]:
    """Return photos in which a face is found, of different folders if there are several."""
    from facegen_jax.faces import detector, image

    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    first = {path.parent: path for path in reversed(found)}
    ordered = sorted(first.values()) if len(first) >= count else found
    faces = (path for path in ordered if detector.detect(image.load(path)))
    return list(itertools.islice(faces, count))


def portraits(folder: Path, count: int) -> list[Path]:
    """Draw smooth portraits of 250 x 250 pixels."""
    from facegen_jax.faces import image

    rng, paths = np.random.default_rng(0), []
    y, x = np.mgrid[:250, :250] / 250
    for number in range(count):
        skin = np.array([0.8, 0.6, 0.5]) * rng.uniform(0.7, 1.1)
        face = np.hypot((x - 0.5) / 0.3, (y - 0.55) / 0.4)[..., None] < 1
        waves = 0.05 * np.sin(x * rng.uniform(5, 40) + y * rng.uniform(5, 40))[..., None]
        picture = np.where(face, skin, rng.uniform(0, 1, 3)) + waves
        paths.append(folder / f"{number}.png")
        image.save(paths[-1], np.clip(picture, 0, 1).astype(np.float32))
    return paths


def sample(samples: Counter[str], done: threading.Event) -> None:
    """Count in which module of the package each thread is, every 2 ms."""
    while not done.wait(0.002):
        for thread, frame in sys._current_frames().items():
            if thread == threading.get_ident():
                continue
            if os.path.basename(frame.f_code.co_filename) in IDLE:
                continue
            while frame and "facegen_jax/" not in frame.f_code.co_filename:
                frame = frame.f_back
            if frame:
                module = frame.f_code.co_filename.rpartition("facegen_jax/")[2]
                samples[f"{module.removesuffix('.py')}.{frame.f_code.co_name}"] += 1


def cpu_seconds() -> float:
    """Return the CPU time of this process and its finished workers."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def sweep(config: Config, paths: list[Path], runs: int, settings: int, out: Path) -> float:
    """Run one sweep; return its seconds."""
    from facegen_jax.sweep import Sweep, run_sweep

    out.mkdir()
    with (out / "pairs.csv").open("w", newline="") as file:
        rows = ([path.resolve(), config.attribute] for path in paths[: -(-runs // settings)])
        csv.writer(file).writerows([["reference", "attribute"], *rows])
    values = ",".join(f"{0.5 + number / settings:.4g}" for number in range(settings))
    options = Sweep(
        out / "pairs.csv",
        out / "runs",
        (f"strength={values}",),
        steps=config.steps,
        batch_size=config.batch_size,
        scaling="natural",  # without trials, which take sixty steps
        noise=0.02,  # the best image of one step is the one that it starts from
        align="auto" if config.faces else "none",
    )
    began = time.perf_counter()
    results = list(run_sweep(options))
    seconds = time.perf_counter() - began
    assert len(results) >= runs, results
    assert all(result.ok for result in results), [result.error for result in results][:3]
    return seconds


def measure(config: Config, settings: int) -> Measured:
    """Compile with some faces, then measure the sweep of others."""
    from facegen_jax.compilation import use_every_core

    use_every_core()
    with tempfile.TemporaryDirectory() as folder:
        out, few = Path(folder), min(config.runs, WARM_UP)
        needed = few + -(-config.runs // settings)
        paths = photos(config.faces, needed) if config.faces else portraits(out, needed)
        if len(paths) < needed:
            raise SystemExit(f"{config.faces}: {len(paths)} photos; {needed} are needed")
        first = sweep(config, paths, few, 1 if settings == 1 else few, out / "warm")
        samples, done = Counter[str](), threading.Event()
        thread = threading.Thread(target=sample, args=(samples, done))
        if config.profile:
            thread.start()
        began = cpu_seconds()
        seconds = sweep(config, paths[few:], config.runs, settings, out / "measured")
        cpu = cpu_seconds() - began
        done.set()
        status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    faces = -(-config.runs // settings)
    peak = 1024 * int(status.split()[0])
    return Measured(faces, faces * settings, first, seconds, cpu, peak, samples)


def main(config: Config) -> None:
    spawn = multiprocessing.get_context("spawn")
    print("faces  runs  edits/s  ms/edit  CPU ms/edit  peak GB  first sweep s")
    for settings in (1, config.settings):
        with concurrent.futures.ProcessPoolExecutor(1, spawn) as process:
            one = process.submit(measure, config, settings).result()
        print(
            f"{one.faces:5} {one.runs:5} {one.runs / one.seconds:8.1f} "
            f"{1000 * one.seconds / one.runs:8.1f} {1000 * one.cpu / one.runs:12.1f} "
            f"{one.peak / 1e9:8.2f} {one.first:14.1f}",
            flush=True,
        )
        total = sum(one.samples.values())
        for place, count in one.samples.most_common(25):
            print(f"    {1000 * one.seconds * count / total / one.runs:6.2f} ms/edit  {place}")


if __name__ == "__main__":
    main(tyro.cli(Config))
