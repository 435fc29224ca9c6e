"""Folders of labelled faces: which faces have an attribute, and which of them are like a given
one."""

from .labels import Gallery, GalleryError, load_gallery

__all__ = ["Gallery", "GalleryError", "load_gallery"]
