"""Container detection, by content and never by file name, and the reader of each container."""

from . import caffe, keras, matconvnet, msgpack, native, orbax, pytorch, torch7
from .content import Content
from .cursor import SourceError
from .foreign import by_name, recognise, zip_kind
from .hdf5 import is_hdf5
from .layout import Parsed
from .mat5 import is_mat
from .tarball import NETWORK_SUFFIXES
from .zipped import Zip, is_zip

CONTAINERS = (
    "MatConvNet .mat, Torch7 .t7, Caffe .caffemodel, Keras .h5, PyTorch .pth, .safetensors, .npz, "
    "Flax .msgpack, an Orbax folder, or a tarball that holds one of them"
)

SHOWN = 5


def read(content: Content) -> tuple[Parsed, ...]:
    """Read all networks of a file with the reader of its container; at least one.

    Raises:
        SourceError: an unknown container, a damaged file, or a network other than VGG-Face.
    """
    data = content.data
    if content.folder:
        return orbax.read(content.folder)
    if known := by_name(content.name):
        raise SourceError(known)
    if is_hdf5(data[512:]):
        raise SourceError("a MAT-file of version 7.3; in MATLAB, save it again with -v7")
    if is_mat(data):
        return matconvnet.read(data)
    if is_hdf5(data):
        return keras.read(data)
    if is_zip(data):
        return _read_zip(Zip(data))
    if pytorch.is_legacy(data):
        return pytorch.read_legacy(data)
    if native.is_safetensors(data):
        return native.read_safetensors(data)
    if torch7.is_torch7(data):
        return torch7.read(data)
    if known := recognise(data, content.name):
        raise SourceError(known)
    if msgpack.is_msgpack(data):
        return msgpack.read(data)
    if caffe.is_caffemodel(data):
        return (caffe.read(data),)
    if not any(data[: 1 << 16]):
        raise SourceError(f"begins with zeros only: an unfinished download? Expected {CONTAINERS}")
    raise SourceError(f"unknown container; expected {CONTAINERS}")


def _read_zip(files: Zip) -> tuple[Parsed, ...]:
    if any(name.endswith("data.pkl") for name in files.members):
        return pytorch.read_zip(files)
    if files.members and all(name.endswith(".npy") for name in files.members):
        return native.read_npz(files)
    weights = next((name for name in files.members if name.endswith(".weights.h5")), None)
    if weights:  # a .keras file
        return keras.read(files.read(weights))
    if known := zip_kind(list(files.members)):
        raise SourceError(known)
    holds = f"it holds {', '.join(list(files.members)[:SHOWN]) or 'nothing'}"
    inside = [name for name in files.members if name.endswith(NETWORK_SUFFIXES)]
    if inside:
        holds = f"unpack it and convert {' or '.join(inside[:SHOWN])}"
    raise SourceError(f"a zip file that is no network itself; {holds}")
