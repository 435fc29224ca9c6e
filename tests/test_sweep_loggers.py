"""Loggers: event files of TensorBoard, calls to Weights & Biases, errors if one is missing."""

import dataclasses
import importlib
import sys
from types import SimpleNamespace

import pytest

from facegen_jax.sweep import Sweep, loggers, run_sweep
from facegen_jax.sweep.settings import SweepError


@pytest.fixture
def config(folder):
    return Sweep(
        folder / "pairs.csv",
        folder / "out",
        ("seed=1,2",),
        noise=0.01,
        params=str(folder / "tiny.safetensors"),
        align="none",
        steps=5,
    )


def test_tensorboard_receives_every_result(config):
    config = dataclasses.replace(config, log=("tensorboard",))
    assert len(list(loggers.log_each(config, run_sweep(config)))) == 8
    (file,) = (config.out / "tensorboard").iterdir()
    content = file.read_bytes()
    for name in (b"loss/last", b"parts/attribute", b"metrics/identity_similarity", b"grid/seed"):
        assert content.count(name) >= 8


def test_wandb_receives_every_result(config, monkeypatch):
    rows, finished = [], []
    run = SimpleNamespace(log=rows.append, finish=lambda: finished.append(1))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **options: run))
    config = dataclasses.replace(config, log=("wandb",))
    loggers.check(config)
    new = list(loggers.log_each(config, run_sweep(config)))
    assert [row["id"] for row in rows] == [result.id for result in new]
    assert all(row["ok"] == 1 and row["loss/last"] > 0 for row in rows)
    assert finished == [1]


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_the_error_for_a_missing_logger_names_its_extra(config, monkeypatch, name):
    def missing(package):
        raise ImportError(package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SweepError, match=rf"pip install 'facegen_jax\[{name}\]'"):
        loggers.check(dataclasses.replace(config, log=(name,)))


def test_results_pass_through_without_loggers(config):
    assert list(loggers.log_each(config, iter([]))) == []
    loggers.check(config)
