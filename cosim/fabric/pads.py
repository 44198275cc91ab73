"""Pointers of the landing pads: which vector is sent, and which result is stored, by each instruction.

Source: docs/fabric.md, "Input landing pads" and "Output landing pads".
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cosim.fabric.timeline import Issue

__all__ = ["Send", "Store", "sends", "stores"]


@dataclass(frozen=True)
class Send:
    """An input landing pad sends vector `slot`; the pulses rise when the instruction is in force."""

    issue: Issue
    slot: int


@dataclass(frozen=True)
class Store:
    """An output landing pad stores result `slot`; its window begins in cycle `opened`, None if none was open."""

    issue: Issue
    slot: int
    opened: int | None


def sends(issues: Iterable[Issue], depth: int) -> tuple[list[Send], int]:
    """What the PULSE writes of an input landing pad of `depth` vectors send, and its pointer at the end."""
    found, pointer = [], 0
    for issue in issues:
        if issue.fields["load_pointer"]:
            pointer = issue.fields["pointer"] % depth
        if issue.fields["fire"]:
            found.append(Send(issue, pointer))
            pointer = (pointer + issue.fields["advance"]) % depth
    return found, pointer


def stores(issues: Iterable[Issue], depth: int) -> tuple[list[Store], int]:
    """What the COUNT writes of an output landing pad of `depth` results store, and its pointer at the end.

    A store without an open window moves no pointer.
    """
    found: list[Store] = []
    pointer, opened = 0, None
    for issue in issues:
        if issue.fields["load_pointer"]:
            pointer = issue.fields["pointer"] % depth
        if issue.fields["store"]:
            found.append(Store(issue, pointer, opened))
            if opened is not None:
                pointer, opened = (pointer + 1) % depth, None
        if issue.fields["open"]:
            opened = issue.in_force
    return found, pointer
