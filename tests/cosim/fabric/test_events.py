"""Schedules: the order in which the physics serves events, and how a listing names them."""

from itertools import permutations

import numpy as np

from cosim.fabric.events import Count, Integrate, Link, Precharge, Pulse, Ramp, Schedule, Write

ALL, HALF = np.ones(16, np.bool_), np.arange(16) < 8
ARRAY = {"wp1": 1, "wp2": 0, "discharge": 1, "capacitors": 3, "share_north": 0, "share_south": 0}
WRITE = {"write": 1, "row": 9, "device": 2, "reset": 0, "return_line": 77}


def integrate(tile: int, cycle: int, links: tuple[Link, ...] = (), bias: tuple[int, ...] = (0, 0)) -> Integrate:
    return Integrate(tile, cycle - 10, cycle, ARRAY, bias, links)


def test_events_of_one_cycle_are_served_in_the_order_of_the_specification() -> None:
    """What is counted ends first; then precharge, integrate, ramp, write; each in the order of tiles."""
    served = [
        Write(3, 10, 20, WRITE, ()),
        Count(1, 0, 10, 40, False, ()),
        Precharge(1, 40),
        Precharge(2, 40),
        integrate(0, 40),
        integrate(3, 40),
        Ramp(0, 40, 90, 60, 128, ()),
        Write(2, 10, 40, WRITE, ()),
        Precharge(0, 41),
    ]
    for shuffled in list(permutations(served[1:5])):
        assert list(Schedule.of([*reversed(served[5:]), *shuffled, served[0]]).events) == served


def test_pulses_of_a_ramp_begin_eight_cycles_after_it() -> None:
    assert Ramp(0, 40, 90, 60, 128, ()).start == 48


def test_listing() -> None:
    pulse, ramp = Pulse(0, 4, 22, 277), Ramp(1, 302, 402, 60, 128, ((322, 330), (340, 402)))
    events = (
        Precharge(tile=1, cycle=12),
        Integrate(1, 22, 282, {**ARRAY, "share_south": 1}, (0, 7), (Link(pulse, ALL, 22, 282),)),
        integrate(2, 290),
        ramp,
        Count(0, 6, 303, 423, False, (Link(ramp, HALF, 303, 423), Link(pulse, HALF, 303, 400))),
        Write(3, 500, 600, WRITE, ()),
    )
    assert Schedule(events).listing().splitlines() == [
        "    12  precharge  TILE 1",
        "   282  integrate  TILE 1 from 22: wp1, discharge, share_south, 3 capacitors, bias (0, 7); "
        "rows from ILP 0 vector 4 at 22 (16 lanes, 22-281)",
        "   290  integrate  TILE 2 from 280: wp1, discharge, 3 capacitors; rows from nothing",
        "   302  ramp       TILE 1: start 60, slope 128, output enabled in 322-329, 340-401",
        "   423  count      OLP 0 from 303: result 6; "
        "wires from TILE 1 at 310 (8 lanes, 303-422), ILP 0 vector 4 at 22 (8 lanes, 303-399)",
        "   600  write      TILE 3 from 500: row 9, device 2, reset 0, return_line 77; columns from nothing",
    ]


def test_a_listing_without_events_has_no_line() -> None:
    assert Schedule(()).listing() == ""
