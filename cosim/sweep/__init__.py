"""Sweeps: many points, a pure function of each, on every core or a cluster, with the same bytes whichever it was."""

from cosim.sweep.points import CALIBRATED_S, Point, SweepError, grid
from cosim.sweep.stored import Store, Stored
from cosim.sweep.sweep import Outcome, Shown, Subject, Sweep
from cosim.sweep.workers import Given, Processes, Workers

__all__ = [
    "CALIBRATED_S",
    "Given",
    "Outcome",
    "Point",
    "Processes",
    "Shown",
    "Store",
    "Stored",
    "Subject",
    "Sweep",
    "SweepError",
    "Workers",
    "grid",
]
