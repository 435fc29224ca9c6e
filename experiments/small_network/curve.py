"""Draw the training curve: python curve.py --log work/train/log.jsonl --out ../../weights/curve.png (needs matplotlib)."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro


@dataclass
class Config:
    """Draw the training curve."""

    log: Path
    out: Path = Path("weights/curve.png")


def main(config: Config) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    records = {row["step"]: row for row in map(json.loads, config.log.read_text().splitlines())}  # a resumed run repeats some steps
    steps = np.array(sorted(records))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for axis, loss, title in zip(axes, ("identity", "attributes"), ("1 - cosine to the teacher", "attribute cross-entropy"), strict=True):
        for kind in ("plain", "moved"):
            values = np.array([records[step][f"{kind}_{loss}"] for step in steps])
            axis.plot(steps[4:], np.convolve(values, np.ones(5) / 5, "valid"), label=f"{kind} pictures")
        axis.set(title=title, xlabel="batch")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(config.out, dpi=80)


if __name__ == "__main__":
    main(tyro.cli(Config))
