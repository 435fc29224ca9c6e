"""State dicts saved by `torch.save`."""

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


def _flat_key(name: str) -> str:
    return name


def _underscored_key(name: str) -> str:
    """Return conv_1_1 for conv1_1."""
    return name.replace("conv", "conv_")


def pyvggface_key(name: str) -> str:
    return f"fc.{name}" if name in DENSE else f"features.{_underscored_key(name)}"


def torchvision_key(name: str) -> str:
    return f"classifier.{CLASSIFIER[name]}" if name in DENSE else f"features.{FEATURES[name]}"


def _state(
    network: Network, rename: Callable[[str], str] = _flat_key, layers: tuple[str, ...] = WEIGHTED
) -> State:
    """Return a state dict like `Module.state_dict`, with its attribute of module versions."""
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
    """Return a state dict of another dtype."""
    import torch

    return OrderedDict(
        (key, tensor.to(getattr(torch, dtype))) for key, tensor in _state(network).items()
    )


def _parameters(network: Network) -> State:
    """Return a state dict of trainable parameters."""
    from torch.nn import Parameter

    return OrderedDict((key, Parameter(tensor)) for key, tensor in _state(network).items())


def _views(network: Network) -> State:
    """Return a state dict of transposed views into one flat tensor."""
    import torch

    arrays = {
        f"{name}.{part}": network[f"{name}/{part}"]
        for name in WEIGHTED
        for part in ("kernel", "bias")
    }
    chw = as_convolution(network, "fc6").transpose(2, 0, 1, 3)
    arrays["fc6.kernel"] = chw.reshape(network["fc6/kernel"].shape)
    flat = torch.from_numpy(np.concatenate([array.ravel() for array in arrays.values()]))
    pieces = flat.split([array.size for array in arrays.values()])
    state: State = OrderedDict()
    for (key, array), piece in zip(arrays.items(), pieces, strict=True):
        axes = (3, 2, 0, 1) if array.ndim == 4 else (1, 0)[-array.ndim :]
        state[key.replace("kernel", "weight")] = piece.view(array.shape).permute(axes)
    return state


def _blobs(network: Network) -> State:
    """Return a state dict whose tensors keep the four axes of Caffe's legacy blobs."""
    state = _state(network)
    return OrderedDict((key, tensor[(None,) * (4 - tensor.ndim)]) for key, tensor in state.items())


class _Python2:
    """A state dict that pickles as in Python 2: OrderedDict called with a list of pairs."""

    def __init__(self, state: State):
        self.state = state

    def __reduce__(self) -> tuple[type, tuple[list[list[Any]]]]:
        return OrderedDict, ([[key, tensor] for key, tensor in self.state.items()],)


def write_old(path: Path, network: Network) -> None:
    """Write like PyTorch 0.3 on Python 2: pairs, and tensors built by `_rebuild_tensor`."""
    import torch

    torch.save(
        _Python2(_state(in_colour(network, "BGR"), torchvision_key)),
        path,
        _use_new_zipfile_serialization=False,
    )
    path.write_bytes(path.read_bytes().replace(b"_rebuild_tensor_v2", b"_rebuild_tensor", 1))


def _training(network: Network) -> dict[str, Any]:
    """Return a checkpoint with optimizer state: repeated names, and some scalar tensors."""
    import torch

    state = _state(network)
    moments = {
        number: {"momentum_buffer": tensor + 1, "step": torch.tensor(7.0)}
        for number, tensor in enumerate(state.values())
    }
    return {"model": state, "optimizer": {"state": moments, "param_groups": [{"lr": 0.1}]}}


def _wrapped(network: Network) -> dict[str, Any]:
    """Return a training checkpoint of a model that ran on several devices."""
    return {"state_dict": _state(network, "module.{}".format), "epoch": 3, "best": 0.5}


def _write(
    path: Path, network: Network, make: Callable[[Network], Any], colour: str, legacy: bool
) -> None:
    import torch

    torch.save(make(in_colour(network, colour)), path, _use_new_zipfile_serialization=not legacy)


def _write_safetensors(
    path: Path, network: Network, make: Callable[[Network], State], colour: str
) -> None:
    from safetensors.torch import save_file

    tensors = {key: tensor.contiguous() for key, tensor in make(in_colour(network, colour)).items()}
    save_file(tensors, path)


def _safetensors(
    name: str,
    colour: str,
    make: Callable[[Network], State],
    *,
    dense: bool = True,
    exact: bool = True,
) -> Layout:
    """Return a state dict in the container that Hugging Face uses."""
    write = partial(_write_safetensors, make=make, colour=colour)
    needs = ("torch", "safetensors")
    return Layout(f"safetensors-{name}", "model.safetensors", colour, dense, write, exact, needs)


def _trained(network: Network) -> State:
    """Return a state dict with a prefix, and a counter that is no weight."""
    import torch

    state = _state(network, "module.backbone.{}".format)
    state["module.norm.num_batches_tracked"] = torch.tensor(3)
    return state


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
    _row("pyvggface", "vggface.pth", "BGR", partial(_state, rename=pyvggface_key)),
    _row(
        "pyvggface-stripped",
        "vggface_conv.pth",
        "BGR",
        partial(_state, rename=_underscored_key, layers=CONVOLUTIONS),
        dense=False,
    ),
    _row("torchvision", "vgg_face.ptorch", "BGR", partial(_state, rename=torchvision_key)),
    _row(
        "torchvision-legacy",
        "vgg_face.ptorch",
        "BGR",
        partial(_state, rename=torchvision_key),
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
    _safetensors("flat", "RGB", _state),
    _safetensors("prefixed", "RGB", _trained),
    _safetensors("torchvision", "BGR", partial(_state, rename=torchvision_key)),
    _safetensors("pyvggface", "BGR", partial(_state, rename=pyvggface_key)),
    _safetensors(
        "features",
        "BGR",
        partial(_state, rename=torchvision_key, layers=CONVOLUTIONS),
        dense=False,
    ),
    _safetensors("double", "RGB", partial(_cast, dtype="float64")),
    _safetensors("half", "RGB", partial(_cast, dtype="float16"), exact=False),
    _safetensors("bfloat16", "RGB", partial(_cast, dtype="bfloat16"), exact=False),
)
