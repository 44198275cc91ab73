"""Sentences as vectors: a transformer with mean pooling, and tasks of GLUE on top of it."""
