"""Draw the training curve of consecutive runs.

python experiments/small_network/curve.py --logs work/first/log.jsonl work/second/log.jsonl
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

SMOOTHED = 5
"""Records in the moving average."""


@dataclass
class Config:
    """Draw the training curve."""

    logs: tuple[Path, ...]
    """Logs in the order of the runs."""
    out: Path = Path("weights/curve.png")


def read_logs(paths: tuple[Path, ...]) -> list[tuple[int, dict[str, float]]]:
    """Return records with their steps, counted on from run to run."""
    records, offset = [], 0
    for path in paths:
        rows = map(json.loads, path.read_text().splitlines())
        by_step = {row["step"]: row for row in rows}  # a resumed run repeats some steps
        records += [(offset + step, by_step[step]) for step in sorted(by_step)]
        offset = records[-1][0]
    return records


def main(config: Config) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    records = read_logs(config.logs)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    titles = {"identity": "1 - cosine to the teacher", "attributes": "attribute cross-entropy"}
    for axis, (loss, title) in zip(axes, titles.items(), strict=True):
        for kind, label in (("plain", "plain images"), ("moved", "adversarial images")):
            name = f"{kind}_{loss}"
            points = np.array([(step, row[name]) for step, row in records if name in row])
            average = np.convolve(points[:, 1], np.ones(SMOOTHED) / SMOOTHED, "valid")
            axis.plot(points[SMOOTHED - 1 :, 0], average, label=label)
        axis.set(title=title, xlabel="batch")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(config.out, dpi=80)


if __name__ == "__main__":
    main(tyro.cli(Config))
