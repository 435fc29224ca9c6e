"""Faces in images: files, landmarks, alignment, regions, colours."""
