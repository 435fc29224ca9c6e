"""The known published VGG-Face files: origin, size, hashes and colour order.

`weights/README.md` shows the same table.
"""

from typing import Literal, NamedTuple

Colour = Literal["RGB", "BGR"]
"""Order of conv1_1's input channels."""

LICENCE = (
    "CC BY-NC 4.0: VGG-Face (Parkhi, Vedaldi & Zisserman, BMVC 2015) is for non-commercial "
    "research only"
)
OXFORD = "https://www.robots.ox.ac.uk/~vgg/software/vgg_face/src/"
VLFEAT = "http://www.vlfeat.org/matconvnet/models/"
RCMALLI = "https://github.com/rcmalli/keras-vggface/releases/download/v2.0/"
DEEPFACE = "https://github.com/serengil/deepface_models/releases/download/v1.0/"
YZHANG559 = "https://github.com/yzhang559/vgg-face"
RECOMMENDED = OXFORD + "vgg_face_caffe.tar.gz"
GOLDEN_IMAGE = "f675dfcf9ba8386731ce441c91db4fd949a7567329cb652b6f79f046a58fcb55"
"""SHA-256 of `ak.png`, the 224x224 test image in Oxford's packages."""
GOLDEN_CLASS, GOLDEN_PROBABILITY = 2, 0.9464
"""Caffe network's output for it (asserted to 1e-4 by kilotaras/vgg_face_pytorch): `Aamir_Khan`."""


class Published(NamedTuple):
    """A published file."""

    file: str
    container: str
    colour: Colour
    layout: str
    """Name of the case in `tests/test_convert.py` that writes and converts this layout."""
    origin: str
    size: int | None = None
    sha256: str = ""
    md5: tuple[str, ...] = ()
    """Hash of the current version, then those of earlier ones."""


PUBLISHED = (
    Published(
        "vgg-face.mat",
        "MatConvNet",
        "RGB",
        "matconvnet-vlfeat",
        VLFEAT + "vgg-face.mat",
        md5=(
            "3d6cd504bf9c98af4a561aad059565d1",
            "27e94d9979dad2385f901f0c360cf3bc",
            "5069daad93d2937554325e30388463ca",
            "d54434b195dd0544f8ceab779519f272",
        ),
    ),
    Published(
        "vgg-face.mat (beta16)",
        "MatConvNet",
        "RGB",
        "matconvnet-beta16",
        VLFEAT + "beta16/vgg-face.mat",
    ),
    Published(
        "vgg_face-dag.mat", "MatConvNet DagNN", "RGB", "matconvnet-dagnn", "made from vgg-face.mat"
    ),
    Published(
        "vgg_face_matconvnet.tar.gz",
        "MatConvNet in a tarball",
        "RGB",
        "tarball-matconvnet",
        OXFORD + "vgg_face_matconvnet.tar.gz",
    ),
    Published(
        "vgg_face.mat", "MatConvNet", "RGB", "matconvnet-oxford", "data/ of the tarball above"
    ),
    Published(
        "vgg_face_torch.tar.gz",
        "Torch7 in a tarball",
        "BGR",
        "tarball-torch",
        OXFORD + "vgg_face_torch.tar.gz",
    ),
    Published("VGG_FACE.t7", "Torch7", "BGR", "torch7-unfolded", "in the tarball above"),
    Published(
        "vgg_face_caffe.tar.gz",
        "Caffe in a tarball",
        "BGR",
        "tarball-caffe",
        RECOMMENDED,
        md5=("ee707ac6e890bc148cb155adeaad12be",),
    ),
    Published("VGG_FACE.caffemodel", "Caffe", "BGR", "caffe-v1", "in the tarball above"),
    Published(
        "VGG_FACE.caffemodel (upgraded)",
        "Caffe",
        "BGR",
        "caffe-new",
        "made with Caffe's upgrade_net_proto_binary",
    ),
    Published(
        "rcmalli_vggface_tf_vgg16.h5",
        "Keras",
        "BGR",
        "keras-rcmalli",
        RCMALLI + "rcmalli_vggface_tf_vgg16.h5",
    ),
    Published(
        "rcmalli_vggface_tf_notop_vgg16.h5",
        "Keras",
        "BGR",
        "keras-rcmalli-notop",
        RCMALLI + "rcmalli_vggface_tf_notop_vgg16.h5",
    ),
    Published(
        "vgg_face_weights.h5",
        "Keras",
        "RGB",
        "keras-deepface",
        DEEPFACE + "vgg_face_weights.h5",
        580_085_408,
        "759266b9614d0fd5d65b97bf716818b746cc77ab5944c7bffc937c6ba9455d8c",
    ),
    Published(
        "model.weights.h5",
        "Keras 3",
        "RGB",
        "keras3-conv",
        "saved again from the one above by Keras 3",
    ),
    Published(
        "vgg_face_dag.pth",
        "PyTorch",
        "RGB",
        "pytorch-dag-legacy",
        "http://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/vgg_face_dag.pth",
    ),
    Published(
        "vggface.pth",
        "PyTorch",
        "BGR",
        "pytorch-pyvggface",
        "made from VGG_FACE.t7 by chi0tzp/PyVGGFace",
    ),
    Published(
        "vgg_face.ptorch",
        "PyTorch",
        "BGR",
        "pytorch-old",
        "made from Caffe's by kilotaras/vgg_face_pytorch",
    ),
    Published(
        "VGG_FACE.caffemodel.pth",
        "PyTorch",
        "BGR",
        "pytorch-flat-bgr",
        YZHANG559,
        580_014_606,
        "f373f02af8c7a938b422cd960d9be36e427cb30d4daeab196e49dd131ee3c791",
    ),
    Published(
        "vggface.h5",
        "flat HDF5",
        "BGR",
        "hdf5-flat",
        YZHANG559,
        580_025_944,
        "6c0562d64fb6f0c79db16b188db041ebce3d070f963ecfa439d955a9ee624928",
    ),
)


def find(sha256: str, md5: str) -> Published | None:
    """Return the published file with one of these hashes."""
    return next((entry for entry in PUBLISHED if sha256 == entry.sha256 or md5 in entry.md5), None)


def table() -> str:
    """Return the known files as a Markdown table."""
    rows = [
        "| file | form | colour | bytes | SHA-256 or MD5 | origin | test |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in PUBLISHED:
        size = f"{entry.size:,}" if entry.size else "not known"
        hashes = ", ".join(f"MD5 `{md5}`" for md5 in entry.md5) or "not known"
        if entry.sha256:
            hashes = f"SHA-256 `{entry.sha256}`"
        cells = (f"`{entry.file}`", entry.container, entry.colour, size, hashes, entry.origin)
        rows.append(f"| {' | '.join(cells)} | `{entry.layout}` |")
    return "\n".join(rows)


def how_to_get(path: str) -> str:
    """Return an error message for a missing converted file, with the two commands that make it."""
    entry = next(entry for entry in PUBLISHED if entry.origin == RECOMMENDED)
    return (
        f"no converted VGG-Face at {path}. Download and convert the official file (about 540 MB, "
        f"MD5 {entry.md5[0]}, {LICENCE}): "
        f"curl -LO {entry.origin} && python -m facegen_jax.convert {entry.file}"
    )
