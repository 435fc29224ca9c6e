"""The published VGG-Face files that are known: origin, size, hashes, colour order. `weights/README.md` shows the same table."""

from typing import Literal, NamedTuple

Colour = Literal["RGB", "BGR"]
"""Order of conv1_1's inputs."""

LICENCE = "CC BY-NC 4.0: VGG-Face (Parkhi, Vedaldi & Zisserman, BMVC 2015) is for non-commercial research only"
OXFORD = "https://www.robots.ox.ac.uk/~vgg/software/vgg_face/src/"
VLFEAT = "http://www.vlfeat.org/matconvnet/models/"
RECOMMENDED = OXFORD + "vgg_face_caffe.tar.gz"
GOLDEN_PICTURE = "f675dfcf9ba8386731ce441c91db4fd949a7567329cb652b6f79f046a58fcb55"
"""SHA-256 of `ak.png`, the 224x224 test picture in Oxford's packages."""
GOLDEN_CLASS, GOLDEN_PROBABILITY = 2, 0.9464
"""What the Caffe network gives for it (asserted to 1e-4 by kilotaras/vgg_face_pytorch): class 2, `Aamir_Khan`."""


class Published(NamedTuple):
    """One file that people have."""

    file: str
    form: str
    colour: Colour
    origin: str
    size: int | None = None
    sha256: str = ""
    md5: tuple[str, ...] = ()
    """The current one first."""
    layout: str = ""
    """The case of `tests/test_convert.py` that writes and converts this layout."""


PUBLISHED = (
    Published(
        "vgg-face.mat",
        "MatConvNet",
        "RGB",
        VLFEAT + "vgg-face.mat",
        md5=(
            "3d6cd504bf9c98af4a561aad059565d1",
            "27e94d9979dad2385f901f0c360cf3bc",
            "5069daad93d2937554325e30388463ca",
            "d54434b195dd0544f8ceab779519f272",
        ),
        layout="matconvnet-vlfeat",
    ),
    Published(
        "vgg-face.mat (beta16)",
        "MatConvNet",
        "RGB",
        VLFEAT + "beta16/vgg-face.mat",
        layout="matconvnet-beta16",
    ),
    Published(
        "vgg_face-dag.mat",
        "MatConvNet DagNN",
        "RGB",
        "made from vgg-face.mat",
        layout="matconvnet-dagnn",
    ),
    Published(
        "vgg_face_matconvnet.tar.gz",
        "MatConvNet in a tarball",
        "RGB",
        OXFORD + "vgg_face_matconvnet.tar.gz",
        layout="tarball-matconvnet",
    ),
    Published(
        "vgg_face.mat",
        "MatConvNet",
        "RGB",
        "data/ of the tarball above",
        layout="matconvnet-oxford",
    ),
    Published(
        "vgg_face_torch.tar.gz",
        "Torch7 in a tarball",
        "BGR",
        OXFORD + "vgg_face_torch.tar.gz",
        layout="tarball-torch",
    ),
    Published("VGG_FACE.t7", "Torch7", "BGR", "in the tarball above", layout="torch7-unfolded"),
    Published(
        "vgg_face_caffe.tar.gz",
        "Caffe in a tarball",
        "BGR",
        RECOMMENDED,
        md5=("ee707ac6e890bc148cb155adeaad12be",),
        layout="tarball-caffe",
    ),
    Published("VGG_FACE.caffemodel", "Caffe", "BGR", "in the tarball above", layout="caffe-v1"),
    Published(
        "VGG_FACE.caffemodel (upgraded)",
        "Caffe",
        "BGR",
        "made with Caffe's upgrade_net_proto_binary",
        layout="caffe-new",
    ),
    Published(
        "rcmalli_vggface_tf_vgg16.h5",
        "Keras",
        "BGR",
        "https://github.com/rcmalli/keras-vggface/releases/download/v2.0/rcmalli_vggface_tf_vgg16.h5",
        layout="keras-rcmalli",
    ),
    Published(
        "rcmalli_vggface_tf_notop_vgg16.h5",
        "Keras",
        "BGR",
        "https://github.com/rcmalli/keras-vggface/releases/download/v2.0/rcmalli_vggface_tf_notop_vgg16.h5",
        layout="keras-rcmalli-notop",
    ),
    Published(
        "vgg_face_weights.h5",
        "Keras",
        "RGB",
        "https://github.com/serengil/deepface_models/releases/download/v1.0/vgg_face_weights.h5",
        580_085_408,
        "759266b9614d0fd5d65b97bf716818b746cc77ab5944c7bffc937c6ba9455d8c",
        layout="keras-deepface",
    ),
    Published(
        "model.weights.h5",
        "Keras 3",
        "RGB",
        "saved again from the one above by Keras 3",
        layout="keras3-conv",
    ),
    Published(
        "vgg_face_dag.pth",
        "PyTorch",
        "RGB",
        "http://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/vgg_face_dag.pth",
        layout="pytorch-dag-legacy",
    ),
    Published(
        "vggface.pth",
        "PyTorch",
        "BGR",
        "made from VGG_FACE.t7 by chi0tzp/PyVGGFace",
        layout="pytorch-pyvggface",
    ),
    Published(
        "vgg_face.ptorch",
        "PyTorch",
        "BGR",
        "made from Caffe's by kilotaras/vgg_face_pytorch",
        layout="pytorch-old",
    ),
    Published(
        "VGG_FACE.caffemodel.pth",
        "PyTorch",
        "BGR",
        "https://github.com/yzhang559/vgg-face",
        580_014_606,
        "f373f02af8c7a938b422cd960d9be36e427cb30d4daeab196e49dd131ee3c791",
        layout="pytorch-flat-bgr",
    ),
    Published(
        "vggface.h5",
        "flat HDF5",
        "BGR",
        "https://github.com/yzhang559/vgg-face",
        580_025_944,
        "6c0562d64fb6f0c79db16b188db041ebce3d070f963ecfa439d955a9ee624928",
        layout="hdf5-flat",
    ),
)


def known(sha256: str, md5: str) -> Published | None:
    """The published file with one of these hashes."""
    return next((entry for entry in PUBLISHED if sha256 == entry.sha256 or md5 in entry.md5), None)


def table() -> str:
    """The known files as a Markdown table."""
    rows = [
        "| file | form | colour | bytes | SHA-256 or MD5 | origin | test |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in PUBLISHED:
        size = f"{entry.size:,}" if entry.size else "not known"
        hashes = (
            [f"SHA-256 `{entry.sha256}`"] if entry.sha256 else [f"MD5 `{md5}`" for md5 in entry.md5]
        )
        cells = (
            f"`{entry.file}`",
            entry.form,
            entry.colour,
            size,
            ", ".join(hashes) or "not known",
            entry.origin,
            f"`{entry.layout}`",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def how_to_get(place: str) -> str:
    """What to do when the converted file is not at `place`: where the official one is, its size, hash and licence, and two commands."""
    entry = next(entry for entry in PUBLISHED if entry.origin == RECOMMENDED)
    return (
        f"no converted VGG-Face at {place}. The official file (about 540 MB, MD5 {entry.md5[0]}, {LICENCE}) is made ready by two commands: "
        f"curl -LO {entry.origin} && python -m facegen_jax.convert {entry.file}"
    )
