"""Writers of every published layout of VGG-Face, independent of the readers under test."""

from . import caffe, flax, keras, matconvnet, own, pytorch, tarball, torch7
from .network import MEAN_RGB, Layout, class_names, random_network

__all__ = ["LAYOUTS", "MEAN_RGB", "Layout", "class_names", "random_network"]

LAYOUTS: tuple[Layout, ...] = (
    *matconvnet.LAYOUTS,
    *torch7.LAYOUTS,
    *caffe.LAYOUTS,
    *keras.LAYOUTS,
    *pytorch.LAYOUTS,
    *tarball.LAYOUTS,
    *flax.LAYOUTS,
    *own.LAYOUTS,
)
