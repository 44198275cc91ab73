"""Behavioural numpy models of the analog part of a tile."""
