"""Loggers beside the table: real event files for TensorBoard, what is sent to Weights & Biases, and what is said when they are missing."""

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


def test_tensorboard_gets_every_result(config):
    config = dataclasses.replace(config, log=("tensorboard",))
    assert len(list(loggers.logged(config, run_sweep(config)))) == 8
    (file,) = (config.out / "tensorboard").iterdir()
    content = file.read_bytes()
    for name in (b"loss/last", b"parts/attribute", b"metrics/identity_similarity", b"grid/seed"):
        assert content.count(name) >= 8


def test_wandb_gets_every_result(config, monkeypatch):
    logged, ended = [], []
    run = SimpleNamespace(log=logged.append, finish=lambda: ended.append(1))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **options: run))
    config = dataclasses.replace(config, log=("wandb",))
    loggers.check(config)
    found = list(loggers.logged(config, run_sweep(config)))
    assert [each["id"] for each in logged] == [result.id for result in found]
    assert all(each["ok"] == 1 and each["loss/last"] > 0 for each in logged)
    assert ended == [1]


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_logger_names_its_extra(config, monkeypatch, name):
    def missing(package):
        raise ImportError(package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SweepError, match=rf"pip install 'facegen_jax\[{name}\]'"):
        loggers.check(dataclasses.replace(config, log=(name,)))


def test_without_loggers_results_pass_through(config):
    assert list(loggers.logged(config, iter([]))) == []
    loggers.check(config)
