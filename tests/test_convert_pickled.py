"""What PyTorch's users save beside a state dict, or instead of one."""

import collections
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_convert_networks import NETWORK, SHAPES, assert_equal, networks_of, pytorch_arrays

from facegen_jax.convert.choice import choose
from facegen_jax.convert.cursor import SourceError

torch = pytest.importorskip("torch")

FLAT = {
    name: torch.from_numpy(np.ascontiguousarray(array))
    for name, array in pytorch_arrays(str)(NETWORK).items()
}


class Settings(dict):
    """A dict of a user's own class."""


BESIDE: dict[str, tuple[Any, int]] = {
    "a defaultdict": (collections.defaultdict(list, loss=[1.0]), 2),
    "a deque": (collections.deque([1.0, 2.0], maxlen=3), 2),
    "a dict of the user's own": (Settings(a=1), 4),
    "keys of every kind": ({(1, 2): 3, 1.5: 2, None: 1, b"a": 1, (1, (2, 3)): 2}, 2),
    "a set": ({1, 2}, 2),
    "a set since protocol 4": ([{1, 2}, frozenset([1])], 4),
    "a bytearray": (bytearray(b"a"), 5),
    "NumPy's": ([np.float64(1), np.random.default_rng(0).bit_generator.state], 2),
    "a path": (pathlib.PurePosixPath("a"), 2),
    "anything, in protocol 1": ([1.5, 7, 1 << 70, "text", {"a": ()}], 1),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", BESIDE)
def test_what_is_beside_a_state_dict_is_skipped(name, legacy, tmp_path):
    beside, protocol = BESIDE[name]
    state = {"history": beside, "state_dict": FLAT, "best": beside}
    torch.save(
        state,
        tmp_path / "a",
        pickle_protocol=max(2, protocol) if legacy else protocol,
        _use_new_zipfile_serialization=not legacy,
    )
    assert_equal(choose(networks_of(tmp_path / "a"), None, SHAPES)[0], NETWORK)


CONTAINERS = {
    "pairs": [*FLAT.items()],
    "a tuple": (3, FLAT),
    "a dict of the user's own": Settings(FLAT),
    "a defaultdict": collections.defaultdict(list, FLAT),
    "a dict by numbers": {(0, "net"): FLAT},
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_state_dicts_in_other_containers(name, tmp_path):
    torch.save(CONTAINERS[name], tmp_path / "a")
    assert_equal(choose(networks_of(tmp_path / "a"), None, SHAPES)[0], NETWORK)


def with_kernels(make):
    return {name: make(each) if "weight" in name else each for name, each in FLAT.items()}


def trained() -> dict[str, Any]:
    """Return a module and the state of its optimizer."""
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2)).sum().backward()
    optimizer.step()
    return {"model": model, "optimizer": optimizer.state_dict()}


REFUSED = {
    "a module beside tensors": (
        trained,
        r"a pickled torch.nn.modules.linear.Linear, which is code, and tensors of something else; "
        r"if the first is the network, save model.state_dict\(\) with torch.save",
    ),
    "a module beside settings": (
        lambda: {"args": Settings(a=1), "path": pathlib.PurePosixPath("a"), "n": np.float64(1)},
        r"a pickled .*Settings, which is code; save model.state_dict\(\)",
    ),
    "another network beside settings": (
        lambda: {"n": np.float64(1), "state_dict": {"conv1.weight": torch.ones(1)}},
        "another network; its first tensors are state_dict.conv1.weight",
    ),
    "float8": (
        lambda: with_kernels(lambda each: each.to(torch.float8_e4m3fn)),
        "conv1_1.weight holds float8_e4m3fn numbers: a quantised network; convert the one it was",
    ),
    "one tensor": (lambda: torch.ones(2), r"a single tensor, not a network; save model.state_dict"),
    "one parameter": (lambda: torch.nn.Parameter(torch.ones(2)), "a single tensor, not a network"),
    "NumPy's arrays": (
        lambda: {name: each.numpy() for name, each in FLAT.items()},
        r"a pickle of NumPy arrays, .* arrays = torch.load\(FILE, weights_only=False\); safeten",
    ),
    "nothing": (dict, "a PyTorch file without tensors; save model.state_dict"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_values_are_refused_with_a_remedy(name, tmp_path):
    make, message = REFUSED[name]
    torch.save(make(), tmp_path / "a")
    with pytest.raises(SourceError, match=message) as error:
        networks_of(Path(tmp_path / "a"))
    assert str(error.value).isprintable()
