"""Scores of edited pictures by judges that take no part in any descent."""

import sys
from pathlib import Path

import numpy as np
from edits import Case
from judge import ENOUGH, Bench, Opinion, opinion
from numpy.typing import ArrayLike

from facegen_jax.faces.colour import TO_LUMA_CHROMA
from facegen_jax.types import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "small_network"))
from prepare import SAME_PERSON, embed_aligned


def scores(
    bench: Bench, cases: list[Case], references: list[Image], results: list[Image]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return scores by name, one number for each case, and the judge's features of the results.

    Names:
        reached: 1 if the judge sees the attribute.
        identity: cosine of the judge's embeddings of result and reference.
        identity_dlib: the same of dlib's embeddings, centred on the references' mean.
        same_person: 1 if dlib accepts both as one person (by its own threshold).
        kept: share of the other attributes whose decision did not change, but for those that go
            together with the one that was edited.
        noise: power above a quarter of the sampling rate, relative to the reference's.
    """
    before = opinion(bench.judge, np.stack(references))
    after = opinion(bench.judge, np.stack(results))
    columns = [bench.names.index(case.attribute) for case in cases]
    limits = np.array([bench.thresholds[case.attribute] for case in cases])
    first, second = embed_aligned(references), embed_aligned(results)
    centre = first.mean(0)
    return {
        "reached": (after.logits[np.arange(len(cases)), columns] > limits).astype(float),
        "identity": np.sum(before.embeddings * after.embeddings, -1),
        "identity_dlib": cosines(first - centre, second - centre),
        "same_person": (np.linalg.norm(first - second, axis=-1) < SAME_PERSON).astype(float),
        "kept": kept(bench, cases, before, after),
        "noise": np.array([noise(b) / noise(a) for a, b in zip(references, results, strict=True)]),
    }, after.features


def kept(bench: Bench, cases: list[Case], before: Opinion, after: Opinion) -> np.ndarray:
    """Return the share of other attributes whose decision did not change."""
    names = [name for name, accuracy in bench.accuracy.items() if accuracy >= ENOUGH]
    columns = [bench.names.index(name) for name in names]
    limits = np.array([bench.thresholds[name] for name in names])
    same = (before.logits[:, columns] > limits) == (after.logits[:, columns] > limits)
    counted = [
        [name != case.attribute and name not in bench.tied[case.attribute] for name in names]
        for case in cases
    ]
    return np.array([row[which].mean() for row, which in zip(same, np.array(counted), strict=True)])


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of rows."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.sum(first * second, -1) / np.maximum(lengths, 1e-12)


def noise(picture: Image) -> float:
    """Return the power of the luma above a quarter of the sampling rate."""
    luma = np.asarray(picture) @ TO_LUMA_CHROMA[:, 0]
    window = np.outer(np.hanning(len(luma)), np.hanning(luma.shape[1]))
    power = np.abs(np.fft.fft2((luma - luma.mean()) * window)) ** 2
    rows, columns = np.fft.fftfreq(len(luma))[:, None], np.fft.fftfreq(luma.shape[1])[None]
    return float(power[np.hypot(rows, columns) > 0.25].sum())


def kernel_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the kernel distance of two sets of features: unbiased, cubic kernel.

    Source: Binkowski et al., Demystifying MMD GANs, arXiv:1801.01401. On the judge's features it
    cannot be compared with published values of KID.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(each: np.ndarray) -> float:
        gram, n = kernel(each, each), len(each)
        return float((gram.sum() - np.trace(gram)) / (n * (n - 1)))

    return within(first) + within(second) - 2 * float(kernel(first, second).mean())
