"""Draw the training curve of runs that followed each other: python curve.py --logs work/first/log.jsonl work/second/log.jsonl."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro


@dataclass
class Config:
    """Draw the training curve."""

    logs: tuple[Path, ...]
    out: Path = Path("weights/curve.png")


def main(config: Config) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    steps, records, offset = [], [], 0
    for log in config.logs:
        rows = {
            row["step"]: row for row in map(json.loads, log.read_text().splitlines())
        }  # a resumed run repeats some steps
        steps += [offset + step for step in sorted(rows)]
        records += [rows[step] for step in sorted(rows)]
        offset = steps[-1]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for axis, loss, title in zip(
        axes,
        ("identity", "attributes"),
        ("1 - cosine to the teacher", "attribute cross-entropy"),
        strict=True,
    ):
        for kind in ("plain", "moved"):
            points = np.array(
                [
                    (step, row[f"{kind}_{loss}"])
                    for step, row in zip(steps, records, strict=True)
                    if f"{kind}_{loss}" in row
                ]
            )
            axis.plot(
                points[4:, 0],
                np.convolve(points[:, 1], np.ones(5) / 5, "valid"),
                label=f"{kind} pictures",
            )
        axis.set(title=title, xlabel="batch")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(config.out, dpi=80)


if __name__ == "__main__":
    main(tyro.cli(Config))
