"""State dictionaries saved by `torch.save`."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .network import (
    CONVOLUTIONS,
    DENSE,
    WEIGHTED,
    Layout,
    Network,
    as_convolution,
    channels_first,
    in_colour,
)

if TYPE_CHECKING:
    from torch import Tensor

State = OrderedDict[str, "Tensor"]

# Number of each layer in torchvision's `features` and `classifier`.
FEATURES = dict(zip(CONVOLUTIONS, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=True))
CLASSIFIER = dict(zip(DENSE, (0, 3, 6), strict=True))


def _plain(name: str) -> str:
    return name


def _underscored(name: str) -> str:
    """conv1_1 as conv_1_1."""
    return name.replace("conv", "conv_")


def _pyvggface(name: str) -> str:
    return f"fc.{name}" if name in DENSE else f"features.{_underscored(name)}"


def _torchvision(name: str) -> str:
    return f"classifier.{CLASSIFIER[name]}" if name in DENSE else f"features.{FEATURES[name]}"


def _state(
    network: Network, rename: Callable[[str], str] = _plain, layers: tuple[str, ...] = WEIGHTED
) -> State:
    """A state dictionary such as `Module.state_dict` returns, with the version of each module in an attribute."""
    import torch

    state: State = OrderedDict()
    for name in layers:
        state[f"{rename(name)}.weight"] = torch.from_numpy(channels_first(network, name))
        state[f"{rename(name)}.bias"] = torch.from_numpy(network[f"{name}/bias"].copy())
    state.__dict__["_metadata"] = OrderedDict(
        (module, {"version": 1}) for module in ("", *map(rename, layers))
    )
    return state


def _cast(network: Network, dtype: str) -> State:
    """A state dictionary of other numbers."""
    import torch

    return OrderedDict(
        (key, tensor.to(getattr(torch, dtype))) for key, tensor in _state(network).items()
    )


def _parameters(network: Network) -> State:
    """A state dictionary of trainable parameters."""
    from torch.nn import Parameter

    return OrderedDict((key, Parameter(tensor)) for key, tensor in _state(network).items())


def _views(network: Network) -> State:
    """A state dictionary of transposed views into one flat tensor."""
    import torch

    arrays = {
        f"{name}.{part}": network[f"{name}/{part}"]
        for name in WEIGHTED
        for part in ("kernel", "bias")
    }
    arrays["fc6.kernel"] = (
        as_convolution(network, "fc6").transpose(2, 0, 1, 3).reshape(network["fc6/kernel"].shape)
    )  # rows in CHW order
    flat = torch.from_numpy(np.concatenate([array.ravel() for array in arrays.values()]))
    state: State = OrderedDict()
    for (key, array), piece in zip(
        arrays.items(), flat.split([array.size for array in arrays.values()]), strict=True
    ):
        state[key.replace("kernel", "weight")] = piece.view(array.shape).permute(
            (3, 2, 0, 1) if array.ndim == 4 else (1, 0)[-array.ndim :]
        )
    return state


def _blobs(network: Network) -> State:
    """A state dictionary whose tensors keep the four axes of Caffe's legacy blobs."""
    state = _state(network)
    return OrderedDict((key, tensor[(None,) * (4 - tensor.ndim)]) for key, tensor in state.items())


class _Python2:
    """A state dictionary that pickles as Python 2 has it: an OrderedDict called with a list of pairs."""

    def __init__(self, state: State):
        self.state = state

    def __reduce__(self) -> tuple[type, tuple[list[list[Any]]]]:
        return OrderedDict, ([[key, tensor] for key, tensor in self.state.items()],)


def write_old(path: Path, network: Network) -> None:
    """As PyTorch 0.3 on Python 2 saved: pairs, and tensors rebuilt by the function of that time."""
    import torch

    torch.save(
        _Python2(_state(in_colour(network, "BGR"), _torchvision)),
        path,
        _use_new_zipfile_serialization=False,
    )
    path.write_bytes(path.read_bytes().replace(b"_rebuild_tensor_v2", b"_rebuild_tensor", 1))


def _training(network: Network) -> dict[str, Any]:
    """A checkpoint with the state of an optimizer, whose tensors share names and some of which have no axes."""
    import torch

    state = _state(network)
    moments = {
        number: {"momentum_buffer": tensor + 1, "step": torch.tensor(7.0)}
        for number, tensor in enumerate(state.values())
    }
    return {"model": state, "optimizer": {"state": moments, "param_groups": [{"lr": 0.1}]}}


def _wrapped(network: Network) -> dict[str, Any]:
    """A training checkpoint of a model that ran on several devices."""
    return {"state_dict": _state(network, "module.{}".format), "epoch": 3, "best": 0.5}


def _write(
    path: Path, network: Network, make: Callable[[Network], Any], colour: str, legacy: bool
) -> None:
    import torch

    torch.save(make(in_colour(network, colour)), path, _use_new_zipfile_serialization=not legacy)


def _row(
    name: str,
    filename: str,
    colour: str,
    make: Callable[[Network], Any],
    *,
    legacy: bool = False,
    dense: bool = True,
    exact: bool = True,
) -> Layout:
    return Layout(
        f"pytorch-{name}",
        filename,
        colour,
        dense,
        partial(_write, make=make, colour=colour, legacy=legacy),
        exact,
        ("torch",),
    )


LAYOUTS = (
    _row("dag", "vgg_face_dag.pth", "RGB", _state),
    _row("dag-legacy", "vgg_face_dag.pth", "RGB", _state, legacy=True),
    _row("pyvggface", "vggface.pth", "BGR", partial(_state, rename=_pyvggface)),
    _row(
        "pyvggface-stripped",
        "vggface_conv.pth",
        "BGR",
        partial(_state, rename=_underscored, layers=CONVOLUTIONS),
        dense=False,
    ),
    _row("torchvision", "vgg_face.ptorch", "BGR", partial(_state, rename=_torchvision)),
    _row(
        "torchvision-legacy",
        "vgg_face.ptorch",
        "BGR",
        partial(_state, rename=_torchvision),
        legacy=True,
    ),
    _row("flat-bgr", "VGG_FACE.caffemodel.pth", "BGR", _state),
    _row("flat-bgr-blobs", "VGG_FACE.caffemodel.pth", "BGR", _blobs),
    _row("wrapped", "checkpoint.pth", "RGB", _wrapped),
    _row("training", "checkpoint.pth", "RGB", _training),
    _row("training-legacy", "checkpoint.pth", "RGB", _training, legacy=True),
    Layout("pytorch-old", "vgg_face.ptorch", "BGR", True, write_old, needs=("torch",)),
    _row("parameters", "vgg_face_dag.pth", "RGB", _parameters),
    _row("views", "vgg_face_dag.pth", "RGB", _views),
    _row("views-legacy", "vgg_face_dag.pth", "RGB", _views, legacy=True),
    _row("double", "vgg_face_dag.pth", "RGB", partial(_cast, dtype="float64")),
    _row("half", "vgg_face_dag.pth", "RGB", partial(_cast, dtype="float16"), exact=False),
    _row("bfloat16", "vgg_face_dag.pth", "RGB", partial(_cast, dtype="bfloat16"), exact=False),
)
