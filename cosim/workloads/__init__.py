"""Whole applications on the chip, each a room of its own: data, network, run, report."""
