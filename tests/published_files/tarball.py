"""Oxford's packages: a `.tar.gz` with one network file among small ones."""

import tarfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from . import caffe, matconvnet, torch7
from .network import Layout, Network, class_names

README = b"VGG Face Descriptor\n"
IMAGE = b"\x89PNG\r\n\x1a\n not an image"
PROTOTXT = b'name: "VGG_FACE_16_layers"\ninput: "data"\n'


def _write(
    path: Path,
    network: Network,
    folder: str,
    member: str,
    write: Callable[[Path, Network], None],
    others: Mapping[str, bytes],
) -> None:
    """Pack a folder, with the fastest compression because weights barely compress."""
    with TemporaryDirectory(dir=path.parent) as scratch:
        names = "".join(f"{name}\n" for name in class_names(network)).encode()
        root = Path(scratch) / folder
        for file, content in {**others, "names.txt": names}.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(content)
        (root / member).parent.mkdir(exist_ok=True)
        write(root / member, network)
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            archive.add(root, folder)


def _row(
    name: str,
    colour: str,
    member: str,
    write: Callable[[Path, Network], None],
    others: Mapping[str, bytes],
    needs: tuple[str, ...] = (),
) -> Layout:
    folder = f"vgg_face_{name}"
    pack = partial(_write, folder=folder, member=member, write=write, others=others)
    return Layout(f"tarball-{name}", f"{folder}.tar.gz", colour, True, pack, needs=needs)


OXFORD = partial(matconvnet.write_chain, form="net", style=matconvnet.Style(column=True))

LAYOUTS = (
    _row(
        "matconvnet",
        "RGB",
        "data/vgg_face.mat",
        OXFORD,
        {"README": README, "data/ak.png": IMAGE, "demo.m": b"% a demo\n"},
        ("scipy",),
    ),
    _row("torch", "BGR", "VGG_FACE.t7", torch7.write, {"README": README, "ak.png": IMAGE}),
    _row(
        "caffe",
        "BGR",
        "VGG_FACE.caffemodel",
        caffe.write,
        {"README": README, "ak.png": IMAGE, "VGG_FACE_deploy.prototxt": PROTOTXT},
    ),
)
