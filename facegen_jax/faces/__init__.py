"""Faces in pictures: files, landmarks, regions, colours."""
