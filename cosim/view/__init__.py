"""A page for people: a program or an experiment on the chip's floorplan, step by step; docs/view.md."""

from cosim.view.page import page
from cosim.view.view import View, load_view, shipped_view

__all__ = ["View", "load_view", "page", "shipped_view"]
