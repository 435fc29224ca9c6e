"""The packages of the Oxford group: a `.tar.gz` with one weight file among small ones."""

import tarfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from . import caffe, matconvnet, torch7
from .network import Layout, Network, class_names

README = b"VGG Face Descriptor\n"
PICTURE = b"\x89PNG\r\n\x1a\n not a picture"
PROTOTXT = b'name: "VGG_FACE_16_layers"\ninput: "data"\n'


def _write(
    path: Path,
    network: Network,
    folder: str,
    member: str,
    write: Callable[[Path, Network], None],
    others: Mapping[str, bytes],
) -> None:
    """Pack one folder; the quickest compression, for weights hardly shrink."""
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
        {"README": README, "data/ak.png": PICTURE, "demo.m": b"% a demo\n"},
        ("scipy",),
    ),
    _row("torch", "BGR", "VGG_FACE.t7", torch7.write, {"README": README, "ak.png": PICTURE}),
    _row(
        "caffe",
        "BGR",
        "VGG_FACE.caffemodel",
        caffe.write,
        {"README": README, "ak.png": PICTURE, "VGG_FACE_deploy.prototxt": PROTOTXT},
    ),
)
